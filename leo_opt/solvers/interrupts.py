"""Ctrl-C while a solver runs in C code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

_LAST_WARNING = 3
"""This many Ctrl-C end the process, should the solver not react to the first."""


class InterruptGuard:
    """Turns Ctrl-C into a flag while it is held, and into KeyboardInterrupt at its end.

    An exception must not travel through a solver's C frames, which may leave it in any state. So
    callbacks look at `hit` and stop the solver, and the exception is raised when it has returned.
    The same holds for exceptions of the caller's own functions, see `call`.

    Parameters
    ----------
    active
        False leaves Ctrl-C as it is until `arm` is called.
    """

    def __init__(self, active: bool = True) -> None:
        self._active = active
        self.hit = False
        self._count = 0
        self._previous: Any = None
        self._error: BaseException | None = None

    def __enter__(self) -> InterruptGuard:
        if self._active:
            self.arm()
        return self

    def arm(self) -> None:
        """Take Ctrl-C over, until the end."""
        # Python runs signal handlers in the main thread only, and only there can set them.
        if self._previous is None and threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._on_signal)

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        if kind is None and self._error is not None:
            raise self._error
        if kind is None and self._count and self._previous is not None:
            self._previous(signal.SIGINT, None)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.hit = True
        self._count += 1
        if self._count >= _LAST_WARNING:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)

    def solver_was_interrupted(self) -> None:
        """Note that the solver's own handler has caught a Ctrl-C."""
        self.hit = True
        self._count += 1

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result | None:
        """`function(*arguments)`, or None where it raised: then `hit`, the error comes later."""
        if self._error is not None:
            return None
        try:
            return function(*arguments)
        except BaseException as error:  # carried past the solver's C frames, then raised again
            self._error = error
            self.hit = True
            return None
