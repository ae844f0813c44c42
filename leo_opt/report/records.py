"""What stands in the JSON files of reports: their entries and types."""

from __future__ import annotations

from typing import TypedDict

from leo_opt.approximation.costs import Cost
from leo_opt.graphs import Thinning
from leo_opt.storage.codec import Extended
from leo_opt.verification import Decision

COMPRESSION = "leo_opt compression report 1"
APPROXIMATION = "leo_opt approximation report 1"
DIFFERENCE = "leo_opt difference 1"


class NetworkRecord(TypedDict):
    """Units of each layer but the last, how many there are of each kind, and weights and biases;
    of a graph, or where indices are kept, all numbers."""

    units: list[int]
    rectifiers: int
    linear: int
    other_pieces: int
    parameters: int


class RoundingRecord(TypedDict):
    """A-priori bounds on the rounding of a forward pass in `dtype`, where outputs are bounded."""

    original: Extended
    compressed: Extended


class DeviationRecord(TypedDict):
    """Proved bounds on the largest difference of an output: by reading, of the networks, and from
    file to file; null where nothing is proved."""

    max_deviation_read: Extended | None
    max_deviation: Extended | None
    max_deviation_written: Extended | None
    inference_rounding: RoundingRecord | None


class CompressionRecord(DeviationRecord):
    """What `compress --report` writes.

    `outputs` are those that are kept, null of a graph, which keeps all and has `parts` instead;
    `stability` has a count a layer for each phase, and how many are certified; `evidence` counts
    directions by the kind of evidence, `settled` by the stage that settled them.
    """

    format: str
    form: str
    original: NetworkRecord
    compressed: NetworkRecord
    outputs: list[int] | None
    parts: list[Thinning]
    made_sequential: dict[str, int]
    tolerance_spent: dict[str, float]
    compression_percent: float
    stability: dict[str, list[int]]
    evidence: dict[str, int]
    settled: dict[str, int]
    stage_seconds: dict[str, float]
    milps_solved: int
    lps_solved: int
    nodes: int
    dtype: str
    seconds: float
    solver: str
    formulation: str
    strategy: str
    network_hash: str
    versions: dict[str, str]


class LayerRecord(TypedDict):
    """What stands in the place of a layer; null where it stays."""

    layer: int
    rank: int | None
    entries: int | None
    parameters: int
    response_error: float
    iterations: int
    converged: bool | None


class CostRecord(TypedDict):
    """Before and after."""

    original: Cost
    compressed: Cost


class SizeRecord(TypedDict):
    """A size that a budget could choose: shares of the original's cost and of its outputs."""

    cost: float
    error: float


class ClassRecord(TypedDict):
    """Whether the class can change: domains by answer, and the answer on each; empty where nobody
    asked."""

    same_class: dict[str, int]
    classes: list[Decision]


class ApproximationRecord(DeviationRecord, ClassRecord):
    """What `approximate --report` writes; `bytes` are of the files, before and after."""

    format: str
    original: NetworkRecord
    compressed: NetworkRecord
    compression_percent: float
    method: str
    budget: str
    share: float
    cost: CostRecord
    response_error: float
    layers: list[LayerRecord]
    frontier: list[SizeRecord]
    max_deviation_separate: Extended | None
    max_deviation_found: Extended | None
    dtype: str
    notes: list[str]
    bytes: dict[str, int]
    network_hash: str
    versions: dict[str, str]


class DifferenceRecord(ClassRecord):
    """What `difference --json` writes: an entry an output, of the second network's minus the
    first's; `points` are where what was found is."""

    format: str
    lower: list[Extended]
    upper: list[Extended]
    max_deviation: Extended
    max_deviation_separate: Extended
    max_deviation_found: Extended
    found: list[Extended]
    points: list[list[float]]
    domain: str
    network_hashes: list[str]
    versions: dict[str, str]
