"""The record of a run on disk: append-only, synced, and good for going on after a kill.

One JSON object a line. The first names the network, the box and what soundness depends on; every
other one is a finding. A last line that was torn by a kill is cut off.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, MismatchError, OutputError
from leo_opt.network import Network
from leo_opt.stability import Premise
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.ledger import Direction

FORMAT = "leo_opt checkpoint 1"


class Checkpoint:
    """Findings of earlier runs, and a file that takes those of this one; may be without a file."""

    def __init__(self, stream: BinaryIO | None, findings: list[Finding]) -> None:
        self._stream = stream
        self._known = {(f.stage, f.direction, f.effort): f for f in findings}
        self._settled = {f.direction for f in self._known.values() if f.settles}

    @classmethod
    def open(cls, path: str | None, network: Network, domain: Box, margin: float) -> Checkpoint:
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
            return cls(None, [])
        header = {
            "format": FORMAT,
            "network": network.content_hash,
            "domain": hashlib.sha256(domain.lower.tobytes() + domain.upper.tobytes()).hexdigest(),
            "margin": margin.hex(),
        }
        try:
            Path(path).touch()
            stream = Path(path).open("r+b")  # noqa: SIM115
        except OSError as error:
            raise OutputError(
                f"checkpoint {path} cannot be written: {error.strerror}; name another file"
            ) from error
        try:
            _lock(stream, path)
            findings = _read(stream, path, header, network)
        except (MismatchError, FileFormatError, OutputError):
            stream.close()
            raise
        checkpoint = cls(stream, findings)
        if stream.tell() == 0:
            checkpoint._write(header)
        return checkpoint

    def find(self, stage: str, direction: Direction, effort: int = 0) -> Finding | None:
        """What an earlier run found, unless it is worth another try."""
        finding = self._known.get((stage, direction, effort))
        # A limit may have been in the way of a question that got no answer; a search that was
        # finished would find the same again.
        return finding if effort or direction in self._settled else None

    def append(self, finding: Finding) -> None:
        """Put a finding on the disk."""
        if self._stream is not None:
            self._write(_encode(finding))

    def _write(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        try:
            self._stream.write(json.dumps(entry).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(
                f"checkpoint {self._stream.name} cannot be written: {error.strerror}; make room "
                "and run again to go on"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()


def _lock(stream: BinaryIO, path: str) -> None:
    """Keep a second run off the file, which would write between the lines of this one."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"checkpoint {path} is in use by another run; wait for it or name another file"
        ) from error
    except OSError:
        # Some network file systems have no locks.
        return


def _read(stream: BinaryIO, path: str, header: dict[str, str], network: Network) -> list[Finding]:
    """Findings on record; leaves the stream behind the last whole line."""
    content = stream.read()
    whole = content.rpartition(b"\n")[0] + b"\n" if b"\n" in content else b""
    findings = []
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0].get("format") != FORMAT:
            raise ValueError(f"its first line says {lines[0]!r:.60}")
        # Only this very header, torn, may be written over: other JSON begins alike.
        if content and not lines and not json.dumps(header).encode().startswith(content):
            raise ValueError("it has no first line")
        if lines and lines[0] != header:
            differing = ", ".join(key for key in header if lines[0].get(key) != header[key])
            raise MismatchError(
                f"checkpoint {path} belongs to another {differing}; name another file or remove it"
            )
        findings = [_decode(line, network) for line in lines[1:]]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, MismatchError):
            raise
        raise FileFormatError(
            f"{path} is not a checkpoint: {error}; name another file or remove it"
        ) from error
    stream.seek(len(whole))
    stream.truncate()
    return findings


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
