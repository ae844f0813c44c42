"""What a verification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from leo_opt.deadline import Deadline, check_limit
from leo_opt.errors import InvalidInputError

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
    formulation: str = "big-m"
    stages: tuple[str, ...] = STAGES
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
        for name in ("node_limit", "piece_limit", "margin", "workers"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} is {value}; it must be positive")
        if self.seed < 0:
            raise InvalidInputError(f"seed is {self.seed}; it must not be negative")
        for stage in self.stages:
            if stage not in STAGES:
                raise InvalidInputError(
                    f"stage {stage!r} is unknown; known are {', '.join(STAGES)}"
                )
