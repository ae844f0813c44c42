"""The record of a run on disk: a journal of findings, of how far input splitting is, and verdicts.

Its first line names the network, the box and what soundness depends on. Every other line has a seal
over itself and the first: what was damaged, or is of another file, is not believed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.splitting_state import SplitState
from leo_opt.domain import Domain
from leo_opt.evidence import GIVEN
from leo_opt.network import Network
from leo_opt.stability import Phase, Stability
from leo_opt.storage import codec
from leo_opt.storage.files import AnyPath
from leo_opt.storage.journal import Journal, JournalFormat

FORMAT = "leo_opt checkpoint 3"

CheckpointEntry = Finding | SplitState | Stability

_SEAL = "seal"


class Checkpoint:
    """What earlier runs found, and a file that takes what this one finds; may be without a file.

    Attributes
    ----------
    split
        Where input splitting stood, or None.
    """

    def __init__(
        self, journal: Journal[CheckpointEntry] | None = None, header: dict[str, str] | None = None
    ) -> None:
        self._journal, self._header = journal, header or {}
        entries: Sequence[CheckpointEntry] = () if journal is None else journal.entries
        states = [entry for entry in entries if isinstance(entry, SplitState)]
        self.split = states[-1] if states else None
        self._verdicts = [entry for entry in entries if isinstance(entry, Stability)]
        findings = [entry for entry in entries if isinstance(entry, Finding)]
        self._known = {(f.stage, f.direction, f.effort): f for f in findings}
        self._settled = {f.direction: f for f in self._known.values() if f.settles}

    @classmethod
    def open(
        cls, path: AnyPath | None, network: Network, domain: Domain, margin: float
    ) -> Checkpoint:
        """Open or make the record of one network, one box and one margin.

        Raises
        ------
        MismatchError
            If the file belongs to something else.
        FileFormatError
            If it is not a checkpoint.
        OutputError
            If it cannot be written.
        """
        if path is None:
            return cls()
        header = {
            "format": FORMAT,
            "network": network.content_hash,
            "domain": domain.content_hash,
            "margin": margin.hex(),
        }
        decode = partial(_decode, header=header, network=network, domain=domain)
        return cls(Journal(path, JournalFormat(header, decode, "checkpoint")), header)

    def find(self, stage: str, direction: Direction, effort: int = 0) -> Finding | None:
        """What an earlier run found, unless it is worth another try."""
        finding = self._known.get((stage, direction, effort))
        settled = self._settled.get(direction)
        # A limit may have been in the way of a question that got no answer; a search that was
        # finished would find the same again.
        if finding is not None and (effort or settled is not None):
            return finding
        # Another effort may have settled it, but does not tell how far an interval reaches.
        return None if stage == "tighten" else settled

    @property
    def answers(self) -> int:
        """How many answers the file had when it was opened."""
        return len(self._known)

    def verdict(self, strategy: str, solver: str, formulation: str) -> Stability | None:
        """The verdicts of a run in which those words stood, if it left nothing undecided."""
        for stability in reversed(self._verdicts):
            how = stability.statistics
            if (how.strategy, how.solver, how.formulation) == (strategy, solver, formulation):
                return stability
        return None

    def append(self, finding: Finding) -> None:
        """Put a finding on the disk."""
        self._append(codec.to_tree(finding))

    def keep_split(self, state: SplitState) -> None:
        """Put on the disk how far input splitting is."""
        self._append({"split": state.to_json()})

    def keep_verdict(self, stability: Stability) -> None:
        """Put verdicts on the disk, if they are final: what is undecided is worth another try."""
        if self._journal is not None and _is_final(stability):
            self._append({"verdict": stability.to_json()})

    def _append(self, entry: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.append({**entry, _SEAL: _seal(self._header, entry)})

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()


def _decode(
    line: dict[str, Any], header: dict[str, str], network: Network, domain: Domain
) -> CheckpointEntry:
    entry = dict(line)
    if entry.pop(_SEAL) != _seal(header, entry):
        raise ValueError("an entry is not as it was written")
    if "split" in entry:
        return SplitState.from_json(entry["split"], network, domain.box)
    if "verdict" in entry:
        return _decode_verdict(entry["verdict"], network, domain)
    finding = codec.from_tree(entry, Finding)
    _check(finding, network)
    return finding


def _seal(header: dict[str, str], entry: dict[str, Any]) -> str:
    """What tells an entry of this file from one that was damaged, or is of another."""
    content = json.dumps([header, entry], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _decode_verdict(tree: dict[str, Any], network: Network, domain: Domain) -> Stability:
    stability = Stability.from_json(tree)
    widths = [layer.n_out for layer in network.layers]
    fitting = [
        [low.size for low in side.lower] for side in (stability.certified, stability.trusted)
    ]
    of_this = stability.network_hash == network.content_hash and stability.domain == domain
    if not of_this or fitting != [widths, widths] or not _is_final(stability):
        raise ValueError("its verdicts are of something else, or leave something open")
    return stability


def _is_final(stability: Stability) -> bool:
    """Whether no unit is undecided, and nobody has to be believed who may not be there again."""
    decided = all(phase is not Phase.UNDECIDED for layer in stability.phases for phase in layer)
    sides = (*stability.lower_evidence, *stability.upper_evidence)
    return decided and all(evidence.premise != GIVEN for layer in sides for evidence in layer)


def _check(finding: Finding, network: Network) -> None:
    """Refuse what no run can have written."""
    layer, unit, sign = finding.direction
    known = layer in network.phased_layers and unit in range(network.layers[layer].n_out)
    if not known or sign not in (-1, +1):
        raise ValueError(f"the network has no unit and sign {list(finding.direction)}")
    if finding.bound is not None and math.isnan(finding.bound):
        raise ValueError(f"the bound of {list(finding.direction)} is nan")
    witness = finding.witness
    if witness is not None and (
        witness.shape != (network.input_size,) or not np.isfinite(witness).all()
    ):
        raise ValueError(f"the witness of {list(finding.direction)} is no input of the network")
