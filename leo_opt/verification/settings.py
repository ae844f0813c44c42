"""What a verification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

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
    read_whole,
    words_of,
)
from leo_opt.deadline import Deadline, read_deadline
from leo_opt.formulations import FormulationLike, read_choice

STAGES = ("witness", "splitting", "branch-and-bound", "milp")
"""Stages after CROWN that can be left out, in their order."""


@dataclass(frozen=True)
class Progress:
    """Where a verification stands.

    Parameters
    ----------
    stage
        "crown" or a key of `STAGES`.
    open, cases
        Cases without an answer, and all.
    note
        What the stage itself counts, such as "512 pieces", or "".
    remaining
        Seconds left of the time limit, or None without one.
    """

    stage: str
    open: int
    cases: int
    note: str
    remaining: float | None


@dataclass(frozen=True)
class Settings(Options):
    """Options of `verify`; see there."""

    solver: str = "highs"
    formulation: FormulationLike = option("big-m", read_choice)
    stages: Sequence[str] = option(STAGES, words_of("stage", STAGES))
    time_limit: float | Deadline | None = option(None, read_deadline)
    node_limit: int | None = option(None, optional(positive(read_whole)))
    piece_limit: int = option(10_000_000, positive(read_whole))
    margin: float = option(2e-6, positive(read_number))
    workers: int = option(1, at_most(MOST_WORKERS, positive(read_whole)))
    executor: Executor | None = option(None, optional(read_executor))
    seed: int = option(0, at_most(MOST_SEED, not_negative(read_whole)))
    progress: Callable[[Progress], None] | None = option(None, optional(read_callback))
