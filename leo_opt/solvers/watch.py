"""When to stop a solve: the part that is the same in every solver's callback."""

from __future__ import annotations

import math
import time

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Question, Rows, Separator, Termination


class Watch:
    """What one solve looks for, and what it has found.

    A backend's callback tells it of incumbents and bounds and stops the solver when
    `should_stop` says so.

    Attributes
    ----------
    confirmed : (n,) array or None
        The incumbent that the question was looking for.
    guard
        Its `hit` tells of Ctrl-C.
    stopped_by
        "incumbent", "bound" or "limit" once there is a reason to stop, else None.
    """

    def __init__(self, question: Question, guard: InterruptGuard) -> None:
        self.confirmed: FloatArray | None = None
        self.stopped_by: str | None = None
        self._question = question
        self.guard = guard
        limit = math.inf if question.time_limit is None else question.time_limit
        self._deadline = time.monotonic() + limit

    def see_incumbent(self, point: FloatArray) -> None:
        """Look at the point (n,) of a new incumbent; it is copied where it is kept."""
        self.guard.call(self._look_at, point)

    def _look_at(self, point: FloatArray) -> None:
        question = self._question
        if question.stop_above is None or self.stopped_by is not None:
            return
        if question.value(point) > question.stop_above:
            kept = np.array(point, dtype=np.float64)
            if question.confirm is None or question.confirm(kept):
                self.confirmed = kept
                self.stopped_by = "incumbent"

    def see_bound(self, bound: float) -> None:
        """Look at a dual bound; -inf is what solvers have for infeasible, which is no bound."""
        below = self._question.stop_below
        if below is not None and self.stopped_by is None and -1e20 < bound < below:
            self.stopped_by = "bound"

    def rows_from(self, separator: Separator | None, point: FloatArray) -> Rows | None:
        """Rows that a separator has at a point; None where it has none or raised."""
        if separator is None:
            return None
        rows = self.guard.call(separator, np.array(point, dtype=np.float64))
        return None if rows is None or rows.lower.size == 0 else rows

    def should_stop(self) -> bool:
        """Whether the solve has found what it was for, is out of time, or was interrupted."""
        if self.guard.hit:
            return True
        if self.stopped_by is None and time.monotonic() > self._deadline:
            self.stopped_by = "limit"
        return self.stopped_by is not None

    def interrupted(self) -> Termination:
        """What it means that the solver was interrupted: by this watch, or else by Ctrl-C."""
        if self.guard.hit or self.stopped_by is None:
            # Some solvers catch Ctrl-C by themselves, before Python sees it.
            if not self.guard.hit:
                self.guard.solver_was_interrupted()
            return Termination.INTERRUPTED
        stopped_by_time = self.stopped_by == "limit"
        return Termination.TIME_LIMIT if stopped_by_time else Termination.OBJECTIVE_LIMIT
