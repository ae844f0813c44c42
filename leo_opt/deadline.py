"""What a run may spend, time and memory: made once, and passed on to every stage."""

from __future__ import annotations

import math
import time
from numbers import Real

from leo_opt.errors import InvalidInputError

GIGABYTE = 1e9
MEMORY = 2.0
"""Gigabytes that a run may take unless its caller says otherwise."""


class Deadline:
    """A point in time that a run should not pass, and the memory that it may take.

    What cannot be interrupted, such as one call of a solver, looks at `remaining` beforehand.

    Parameters
    ----------
    seconds
        From the start; None for no limit.
    start
        When the clock was started, as `time.monotonic` tells it; by default now.
    memory
        Gigabytes. CROWN takes rows in batches that fit, and a model is not made that would not
        fit; networks and results count to nobody's share.
    """

    def __init__(
        self, seconds: float | None = None, start: float | None = None, memory: float = MEMORY
    ) -> None:
        self._start = time.monotonic() if start is None else start
        self._seconds = seconds
        self.memory = memory * GIGABYTE
        """In bytes."""

    @classmethod
    def of(cls, time_limit: float | Deadline | None, memory: float | None = None) -> Deadline:
        """The deadline of an option `time_limit`: some seconds from now, or one that is running.

        Parameters
        ----------
        memory
            Gigabytes; None for those of the deadline that is running, or `MEMORY`.

        Raises
        ------
        InvalidInputError
            If the seconds or the gigabytes are not positive.
        """
        running = time_limit if isinstance(time_limit, Deadline) else cls(read_limit(time_limit))
        if memory is None:
            return running
        return cls(running.seconds, running._start, read_memory(memory))

    @classmethod
    def until(
        cls, ends_at: float | None, seconds: float | None = None, memory: float = MEMORY
    ) -> Deadline:
        """The earlier of a time of day (`at` of another deadline) and some seconds from now."""
        limits = [] if ends_at is None else [max(0.0, ends_at - time.time())]
        limits += [] if seconds is None else [seconds]
        return cls(min(limits, default=None), memory=memory)

    def part(self, share: float) -> Deadline:
        """One that leaves the rest of the remaining time to others."""
        seconds = None if self.remaining is None else share * self.remaining
        return Deadline(seconds, memory=self.memory / GIGABYTE)

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


def read_deadline(value: float | Deadline | None, name: str = "time_limit") -> Deadline:  # noqa: ARG001
    """An option `time_limit` as a deadline whose clock runs; see `Deadline.of`."""
    return Deadline.of(value)


def read_limit(value: object, name: str = "time_limit", unit: str = "seconds") -> float | None:
    """A number of seconds, or of something else; None and infinity are no limit.

    Raises
    ------
    InvalidInputError
        If it is not a positive number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInputError(
            f"{name} is {value!r}; give a number of {unit}, or None for no limit"
        )
    seconds = float(value)
    if not seconds > 0:
        raise InvalidInputError(f"{name} is {value}; it must be positive")
    return None if seconds == math.inf else seconds


def read_memory(value: object, name: str = "memory") -> float:
    """A number of gigabytes; None and infinity are no limit.

    Raises
    ------
    InvalidInputError
        If it is not a positive number.
    """
    amount = read_limit(value, name, "gigabytes")
    return math.inf if amount is None else amount


NO_LIMIT = Deadline()
"""For whoever may take as long as it takes."""
