"""What a classification may spend and how it reports, as values."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from leo_opt.errors import InvalidInputError


@dataclass(frozen=True)
class Progress:
    """Where a classification stands.

    Parameters
    ----------
    layer
        The layer at work, an index into network.layers.
    stage
        "witness", "lp", "branch-and-bound" or "milp".
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


@dataclass(frozen=True)
class Settings:
    """Options of `classify` that every strategy understands; see there."""

    solver: str = "highs"
    formulation: str = "big-m"
    samples: ArrayLike | None = None
    random_points: int = 1000
    time_limit: float | None = None
    unit_time_limit: float | None = None
    node_limit: int | None = None
    margin: float = 1e-6
    skip_stable: bool = False
    seed: int = 0
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        for name in ("time_limit", "unit_time_limit", "node_limit", "margin"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} is {value}; it must be positive")


class Deadline:
    """A point in time that a run should not pass.

    Parameters
    ----------
    seconds
        From now; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._start = time.monotonic()
        self._seconds = seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0, or None without a limit."""
        return None if self._seconds is None else max(0.0, self._seconds - self.elapsed)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining == 0.0
