"""What a classification may spend and how it reports, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from numpy.typing import ArrayLike

from leo_opt.deadline import Deadline, check_limit
from leo_opt.errors import InvalidInputError


@dataclass(frozen=True)
class Progress:
    """Where a classification stands.

    Parameters
    ----------
    layer
        The layer at work, an index into network.layers.
    stage
        "bounds", "witness", "tighten", "joint" or a key of `STAGES`.
    open, asked
        Directions of this layer still without an answer, and those the stage began with.
    remaining
        Seconds left of the time limit, or None without one.
    """

    layer: int
    stage: str
    open: int
    asked: int
    remaining: float | None


STAGES = ("splitting", "lp", "branch-and-bound", "milp")
"""Stages of the cascade that can be left out, in their order."""


@dataclass(frozen=True)
class Settings:
    """Options of `classify` that every strategy understands; see there."""

    solver: str = "highs"
    formulation: str = "big-m"
    samples: ArrayLike | None = None
    random_points: int = 1000
    stages: Sequence[str] = STAGES
    splitting_budget: int = 20_000
    search_nodes: int = 250
    time_limit: float | Deadline | None = None
    unit_time_limit: float | None = 60.0
    node_limit: int | None = None
    margin: float = 2e-6
    skip_stable: bool = False
    workers: int = 1
    executor: Executor | None = None
    checkpoint: str | None = None
    seed: int = 0
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        check_limit(self.time_limit)
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} is {value}; it must be positive")
        for name in ("seed", "random_points"):
            if getattr(self, name) < 0:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; it must not be negative")
        for stage in self.stages:
            if stage not in STAGES:
                raise InvalidInputError(
                    f"stage {stage!r} is unknown; known are {', '.join(STAGES)}"
                )


_POSITIVE = (
    "unit_time_limit",
    "node_limit",
    "margin",
    "workers",
    "splitting_budget",
    "search_nodes",
)
