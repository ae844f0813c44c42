"""The record of a run on disk: a journal of findings.

Its first line names the network, the box and what soundness depends on.
"""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import Any

import numpy as np

from leo_opt.domain import Box
from leo_opt.formats.files import AnyPath
from leo_opt.formats.journal import Journal, JournalFormat
from leo_opt.network import Network
from leo_opt.stability import Premise
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.ledger import Direction

FORMAT = "leo_opt checkpoint 1"


class Checkpoint:
    """Findings of earlier runs, and a file that takes those of this one; may be without a file."""

    def __init__(self, journal: Journal[Finding] | None) -> None:
        self._journal = journal
        findings = [] if journal is None else journal.entries
        self._known = {(f.stage, f.direction, f.effort): f for f in findings}
        self._settled = {f.direction: f for f in self._known.values() if f.settles}

    @classmethod
    def open(cls, path: AnyPath | None, network: Network, domain: Box, margin: float) -> Checkpoint:
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
            return cls(None)
        header = {
            "format": FORMAT,
            "network": network.content_hash,
            "domain": hashlib.sha256(domain.lower.tobytes() + domain.upper.tobytes()).hexdigest(),
            "margin": margin.hex(),
        }
        decode = partial(_decode, network=network)
        return cls(Journal(path, JournalFormat(header, decode, "checkpoint")))

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

    def append(self, finding: Finding) -> None:
        """Put a finding on the disk."""
        if self._journal is not None:
            self._journal.append(_encode(finding))

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()


def _encode(finding: Finding) -> dict[str, Any]:
    """A finding as JSON, numbers without loss."""
    premise = finding.premise
    return {
        "direction": list(finding.direction),
        "stage": finding.stage,
        "bound": None if finding.bound is None else float(finding.bound).hex(),
        "premise": [premise.solver, premise.version, premise.margin, premise.tolerances],
        "witness": None if finding.witness is None else finding.witness.tolist(),
        "anomaly": finding.anomaly,
        "effort": finding.effort,
        "seconds": finding.seconds,
        "cost": [finding.lps, finding.milps, finding.nodes],
    }


def _decode(entry: dict[str, Any], network: Network) -> Finding:
    solver, version, margin, tolerances = entry["premise"]
    lps, milps, nodes = entry["cost"]
    finding = Finding(
        direction=Direction(*entry["direction"]),
        stage=entry["stage"],
        bound=None if entry["bound"] is None else float.fromhex(entry["bound"]),
        premise=Premise(solver, version, margin, tuple((n, v) for n, v in tolerances)),
        witness=None if entry["witness"] is None else np.array(entry["witness"], dtype=float),
        anomaly=entry["anomaly"],
        effort=entry.get("effort", 0),
        seconds=entry["seconds"],
        lps=lps,
        milps=milps,
        nodes=nodes,
    )
    _check(finding, network)
    return finding


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
