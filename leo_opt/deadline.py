"""The point in time that a run should not pass: made once, and passed on to every stage."""

from __future__ import annotations

import math
import time
from numbers import Real

from leo_opt.errors import InvalidInputError


class Deadline:
    """A point in time that a run should not pass.

    What cannot be interrupted, such as one call of a solver, looks at `remaining` beforehand.

    Parameters
    ----------
    seconds
        From the start; None for no limit.
    start
        When the clock was started, as `time.monotonic` tells it; by default now.
    """

    def __init__(self, seconds: float | None = None, start: float | None = None) -> None:
        self._start = time.monotonic() if start is None else start
        self._seconds = seconds

    @classmethod
    def of(cls, time_limit: float | Deadline | None) -> Deadline:
        """The deadline of an option `time_limit`: some seconds from now, or one that is running.

        Raises
        ------
        InvalidInputError
            If the seconds are not positive.
        """
        if isinstance(time_limit, Deadline):
            return time_limit
        return cls(read_seconds(time_limit))

    @classmethod
    def until(cls, ends_at: float | None, seconds: float | None) -> Deadline:
        """The earlier of a time of day (`at` of another deadline) and some seconds from now."""
        limits = [] if ends_at is None else [max(0.0, ends_at - time.time())]
        limits += [] if seconds is None else [seconds]
        return cls(min(limits, default=None))

    def part(self, share: float) -> Deadline:
        """One that leaves the rest of the remaining time to others."""
        return Deadline(None if self.remaining is None else share * self.remaining)

    @property
    def seconds(self) -> float | None:
        """From the start to the end, or None without a limit."""
        return self._seconds

    @property
    def at(self) -> float | None:
        """The time of day when it passes, which other processes understand, or None."""
        return None if self.remaining is None else time.time() + self.remaining

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


def check_limit(time_limit: float | Deadline | None) -> None:
    """Refuse an option `time_limit` that is neither some seconds nor a deadline.

    Raises
    ------
    InvalidInputError
        If it is not a positive number.
    """
    if not isinstance(time_limit, Deadline):
        read_seconds(time_limit)


def read_seconds(value: object, name: str = "time_limit") -> float | None:
    """A number of seconds; None and infinity are no limit.

    Raises
    ------
    InvalidInputError
        If it is not a positive number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInputError(
            f"{name} is {value!r}; give a number of seconds, or None for no limit"
        )
    seconds = float(value)
    if not seconds > 0:
        raise InvalidInputError(f"{name} is {value}; it must be positive")
    return None if seconds == math.inf else seconds


NO_LIMIT = Deadline()
"""For whoever may take as long as it takes."""
