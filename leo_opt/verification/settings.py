"""What a verification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType

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
    read_whole,
    words_of,
)
from leo_opt.deadline import Deadline, check_limit
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
class Settings:
    """Options of `verify`; see there."""

    solver: str = "highs"
    formulation: FormulationLike = "big-m"
    stages: Sequence[str] = STAGES
    time_limit: float | Deadline | None = None
    node_limit: int | None = None
    piece_limit: int = 10_000_000
    margin: float = 2e-6
    workers: int = 1
    executor: Executor | None = None
    seed: int = 0
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        check_limit(self.time_limit)
        read_options(self, _READERS)


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "formulation": read_choice,
        "stages": words_of("stage", STAGES),
        "node_limit": optional(positive(read_whole)),
        "piece_limit": positive(read_whole),
        "margin": positive(read_number),
        "workers": at_most(MOST_WORKERS, positive(read_whole)),
        "executor": optional(read_executor),
        "seed": at_most(MOST_SEED, not_negative(read_whole)),
        "progress": optional(read_callback),
    }
)
