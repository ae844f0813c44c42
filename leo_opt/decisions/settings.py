"""What a classification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from numpy.typing import ArrayLike

from leo_opt.arguments import (
    MOST_SEED,
    MOST_WORKERS,
    Options,
    at_most,
    not_negative,
    option,
    optional,
    positive,
    read_callback,
    read_executor,
    read_number,
    read_path,
    read_whole,
)
from leo_opt.deadline import Deadline, read_deadline, read_limit
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
class Settings(Options):
    """Options of `classify` that every strategy understands; see there."""

    solver: str = "highs"
    formulation: FormulationLike = option("big-m", read_choice)
    samples: ArrayLike | None = None
    time_limit: float | Deadline | None = option(None, read_deadline)
    unit_time_limit: float | None = option(60.0, read_limit)
    node_limit: int | None = option(None, optional(positive(read_whole)))
    margin: float = option(2e-6, positive(read_number))
    workers: int = option(1, at_most(MOST_WORKERS, positive(read_whole)))
    executor: Executor | None = option(None, optional(read_executor))
    checkpoint: AnyPath | None = option(None, optional(read_path))
    seed: int = option(0, at_most(MOST_SEED, not_negative(read_whole)))
    progress: Callable[[Progress], None] | None = option(None, optional(read_callback))
