"""What a classification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType

from numpy.typing import ArrayLike

from leo_opt.arguments import (
    MOST_SEED,
    MOST_WORKERS,
    Reader,
    at_most,
    not_negative,
    optional,
    positive,
    read_callback,
    read_executor,
    read_number,
    read_options,
    read_path,
    read_whole,
)
from leo_opt.deadline import Deadline, check_limit, read_limit
from leo_opt.formulations import FormulationLike, read_choice
from leo_opt.storage.files import AnyPath


@dataclass(frozen=True)
class Progress:
    """Where a classification stands.

    Parameters
    ----------
    layer
        The layer at work, an index into network.layers.
    stage
        "bounds", "witness", "tighten", "joint" or one of `cascade.STAGES`.
    open, asked
        Directions of this layer still without an answer, and those the stage began with.
    remaining
        Seconds left of the time limit, or None without one.
    share
        Of the work of the stage that is done, where that says more than `open`: of the box, for
        input splitting, which settles everything at its end.
    """

    layer: int
    stage: str
    open: int
    asked: int
    remaining: float | None
    share: float | None = None


@dataclass(frozen=True)
class Settings:
    """Options of `classify` that every strategy understands; see there."""

    solver: str = "highs"
    formulation: FormulationLike = "big-m"
    samples: ArrayLike | None = None
    time_limit: float | Deadline | None = None
    unit_time_limit: float | None = 60.0
    node_limit: int | None = None
    margin: float = 2e-6
    workers: int = 1
    executor: Executor | None = None
    checkpoint: AnyPath | None = None
    seed: int = 0
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        check_limit(self.time_limit)
        read_options(self, _READERS)


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "formulation": read_choice,
        "unit_time_limit": read_limit,
        "node_limit": optional(positive(read_whole)),
        "margin": positive(read_number),
        "workers": at_most(MOST_WORKERS, positive(read_whole)),
        "executor": optional(read_executor),
        "checkpoint": optional(read_path),
        "seed": at_most(MOST_SEED, not_negative(read_whole)),
        "progress": optional(read_callback),
    }
)
