"""What a run did, and what is proved of it, as values and as trees for JSON."""

from __future__ import annotations

import platform
import time
from collections import Counter
from dataclasses import dataclass
from importlib import metadata

import numpy as np

import leo_opt
from leo_opt.bounds import propagate
from leo_opt.compression import Compression
from leo_opt.deviation import inference_error
from leo_opt.domain import Domain
from leo_opt.formats import default_dtype, save
from leo_opt.graphs import GraphCompression
from leo_opt.graphs.opening import save_model
from leo_opt.network import Network
from leo_opt.report.records import COMPRESSION, CompressionRecord, NetworkRecord
from leo_opt.rewrites.sequential import PASSED, SHIFTED, SPLIT
from leo_opt.stability import Phase, Stability
from leo_opt.storage.files import AnyPath

_PACKAGES = ("numpy", "scipy", "pyomo", "highspy", "onnx")

_REASONS = 3
"""Why directions are left open: as many are told."""


@dataclass(frozen=True)
class CompressionRun:
    """One run of the main job: the values it went through and what was proved of each.

    Parameters
    ----------
    original
        The network that went in.
    stability, compression
        The verdicts and the rewritten network.
    deviation_read
        Proved bound on the largest difference that reading made to an output: of the original
        network from the file, with the file's own numbers and operations, in real arithmetic.
    deviation_written
        Proved bound on the largest difference of an output between the file that was read and the
        file that is written, in real arithmetic: reading, rewriting, and rounding to `dtype`.
    stored
        The smaller network as its file has it.
    dtype
        Element type of the written file.
    inference_original, inference_compressed
        A-priori bounds on the rounding of a forward pass in `dtype`.
    seconds
        Wall-clock time from loading to writing.
    """

    original: Network
    stability: Stability
    compression: Compression | GraphCompression
    deviation_read: float
    deviation_written: float
    stored: Network
    dtype: str
    inference_original: float
    inference_compressed: float
    seconds: float

    @property
    def deviation(self) -> float:
        """Proved bound on the largest difference of an output between the two networks."""
        return float(np.max(self.compression.max_deviation, initial=0.0))

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers before and after: of the networks, or of the files where these are graphs."""
        if isinstance(self.compression, GraphCompression):
            return self.compression.parameters
        return self.original.parameters, self.compression.network.parameters

    @property
    def spent(self) -> dict[str, float]:
        """What a tolerance was spent on; empty where nothing but exact rewrites was made."""
        return {} if isinstance(self.compression, GraphCompression) else self.compression.spent

    @property
    def percent(self) -> float:
        """Hidden units removed, in percent."""
        networks = self.original, self.compression.network
        return removed_percent(*(network.kinds.total() for network in networks))

    def provenance(self) -> dict[str, str]:
        """What the written file says of where it comes from."""
        domain, version = self.stability.domain, describe_versions()["leo-opt"]
        box = describe_domain(domain)
        how = "within a tolerance" if self.spent else "losslessly"
        return {
            "version": version,
            "content_hash": self.stored.content_hash,
            "source_hash": self.original.content_hash,
            "box": box,
            "box_hash": domain.content_hash,
            "max_deviation": repr(self.deviation),
            "max_deviation_written": repr(self.deviation_written),
            "summary": f"Compressed {how} by leo_opt {version} from network "
            f"{self.original.content_hash} ({self.original.kinds.total()} hidden units) on a box "
            f"of {box}; on that box outputs differ from those of its file by at most "
            f"{self.deviation_written:.3g} in real arithmetic. Outside the box nothing is "
            "guaranteed.",
        }

    def save(self, path: AnyPath) -> None:
        """Write the file that the figures are of: `stored`, or the smaller graph.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if isinstance(self.compression, GraphCompression):
            save_model(self.compression.model, path, self.provenance())
        else:
            save(self.stored, path, dtype=self.dtype, provenance=self.provenance())


def measure(
    original: Network,
    stability: Stability,
    compression: Compression | GraphCompression,
    dtype: str,
    start: float,
) -> CompressionRun:
    """Prove how far the result, and the result as stored in `dtype`, can be from the original.

    Parameters
    ----------
    start
        `time.monotonic()` at the start of the run.
    """
    given = stability.own_bounds(original, certified_only=True)
    stored = compression.as_read
    if isinstance(compression, GraphCompression) or dtype == stored.signature.dtype:
        total = compression.max_deviation_written
    else:
        stored = compression.stored(dtype)
        total = compression.deviation_of(stored)
    as_stored = propagate(stored, stability.domain)
    return CompressionRun(
        original=original,
        stability=stability,
        compression=compression,
        deviation_read=float(np.max(compression.max_deviation_read, initial=0.0)),
        deviation_written=float(np.max(total, initial=0.0)),
        stored=stored,
        dtype=dtype,
        inference_original=float(np.max(inference_error(original, given, dtype))),
        inference_compressed=float(np.max(inference_error(stored, as_stored, dtype))),
        seconds=time.monotonic() - start,
    )


def measured(
    compression: Compression | GraphCompression, path: AnyPath | None = None
) -> CompressionRun:
    """The run of a compression that was made from Python.

    Parameters
    ----------
    path
        Where it is to be saved, which decides on the element type; by default that of the file that
        was read, or double precision where numbers are too large for it.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    """
    original, stability = compression.original, compression.stability
    read = compression.as_read.signature.dtype
    dtype = read if path is None else default_dtype(original, path)
    start = time.monotonic() - stability.statistics.seconds
    return measure(original, stability, compression, dtype, start)


def describe_domain(domain: Domain) -> str:
    """How many inputs there are, and where, in a few words."""
    ends, rows = domain.box, len(domain.rows[1])
    box = f"{domain.size} inputs in [{ends.lower.min():g}, {ends.upper.max():g}]"
    return box + (f" with {rows} linear row{'s' * (rows > 1)}" if rows else "")


def as_code(domain: Domain | None) -> str:
    """A domain as Python has it, with names in the place of long arrays."""
    if domain is None:
        return "None"
    lower, upper = domain.box.lower, domain.box.upper
    low, high = lower.flat[0], upper.flat[0]
    same = (lower == low).all() and (upper == high).all()
    box = f"Box({float(low)!r}, {float(high)!r})" if same else "Box(lower, upper)"
    return f"Polytope({box}, weight, bound)" if len(domain.rows[1]) else box


def describe_network(network: Network, parameters: int) -> NetworkRecord:
    """What a report says of a network."""
    kinds = network.kinds
    return {
        "units": [layer.n_out for layer in network.layers[:-1]],
        "rectifiers": kinds["rectifiers"],
        "linear": kinds["linear"],
        "other_pieces": kinds["other pieces"],
        "parameters": parameters,
    }


def describe_sequential(compression: Compression | GraphCompression) -> dict[str, int]:
    """What became of linear units where a network was made sequential; empty where none was."""
    counts: Counter[str] = Counter()
    for step in compression.steps if isinstance(compression, Compression) else ():
        if step.rewrite in (PASSED, SHIFTED, SPLIT):
            counts[step.rewrite] += len(step.removed)
    return dict(counts)


def describe_stability(stability: Stability) -> dict[str, list[int]]:
    """Counts of each phase a layer, of the certified verdicts, and of evidence by method."""
    phased = [k for k, has in enumerate(stability.has_phases) if has]
    counts = {
        str(phase): [stability.count(layer, phase) for layer in phased]
        for phase in phases_shown(stability)
    }
    counts["certified"] = [stability.certified_phases(layer) for layer in phased]
    return counts


def describe_evidence(stability: Stability) -> dict[str, int]:
    """How many directions each kind of evidence settles, over all units with phases."""
    tally: Counter[str] = Counter()
    for layer, phases in enumerate(stability.phases):
        for unit, phase in enumerate(phases):
            tally.update(_evidence_of(stability, layer, unit, phase))
    return dict(sorted(tally.items()))


def left_open(stability: Stability) -> dict[str, int]:
    """Why directions are undecided, as far as it is on record, the most common reasons first."""
    reasons = Counter(
        side.anomaly
        for layer, phases in enumerate(stability.phases)
        for unit, phase in enumerate(phases)
        if phase is Phase.UNDECIDED
        for side in (stability.lower_evidence[layer][unit], stability.upper_evidence[layer][unit])
        if side.anomaly and side.witness is None
    )
    return dict(reasons.most_common(_REASONS))


def phases_shown(stability: Stability) -> list[Phase]:
    """The phases that a table tells of; of linear units only where rectifiers stand beside some."""
    mixed = any(Phase.LINEAR in phases for phases in stability.phases)
    return [phase for phase in Phase if mixed or phase is not Phase.LINEAR]


def _evidence_of(stability: Stability, index: int, unit: int, phase: Phase) -> list[str]:
    """The kinds of evidence that a phase rests on."""
    if phase is Phase.LINEAR:
        return []
    lower, upper = stability.lower_evidence[index][unit], stability.upper_evidence[index][unit]
    if phase is Phase.STABLY_ACTIVE:
        return [lower.method]
    if phase is Phase.STABLY_INACTIVE:
        return [upper.method]
    return ["witness" if side.witness is not None else "undecided" for side in (lower, upper)]


def describe_compression(run: CompressionRun) -> CompressionRecord:
    """The report of one run."""
    statistics, compression = run.stability.statistics, run.compression
    before, after = run.parameters
    graph = compression if isinstance(compression, GraphCompression) else None
    return {
        "format": COMPRESSION,
        "form": "graph" if graph else "chain",
        "original": describe_network(run.original, before),
        "compressed": describe_network(compression.network, after),
        "outputs": list(compression.kept[-1]) if isinstance(compression, Compression) else None,
        "parts": list(graph.parts) if graph else [],
        "made_sequential": describe_sequential(compression),
        "tolerance_spent": run.spent,
        "compression_percent": round(run.percent, 2),
        "stability": describe_stability(run.stability),
        "evidence": describe_evidence(run.stability),
        "settled": dict(statistics.settled),
        "stage_seconds": {k: round(v, 3) for k, v in statistics.stage_seconds.items()},
        "milps_solved": statistics.milps_solved,
        "lps_solved": statistics.lps_solved,
        "nodes": statistics.nodes,
        "max_deviation_read": run.deviation_read,
        "max_deviation": run.deviation,
        "max_deviation_written": run.deviation_written,
        "dtype": run.dtype,
        "inference_rounding": {
            "original": run.inference_original,
            "compressed": run.inference_compressed,
        },
        "seconds": round(run.seconds, 3),
        "solver": statistics.solver,
        "formulation": statistics.formulation,
        "strategy": statistics.strategy,
        "network_hash": run.stability.network_hash,
        "versions": describe_versions(),
    }


def describe_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    versions = {"python": platform.python_version(), "leo-opt": leo_opt.__version__}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def removed_percent(before: int, after: int) -> float:
    """What went, in percent of what was there."""
    return 100.0 * (before - after) / before if before else 0.0
