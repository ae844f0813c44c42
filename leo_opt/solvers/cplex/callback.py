"""What CPLEX calls while it solves a MILP."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.questions import Question, Separator
from leo_opt.solvers.watch import Watch


class CplexCallback:
    """What CPLEX calls; it must not raise."""

    def __init__(self, watch: Watch, question: Question) -> None:
        self._watch = watch
        self._question = question
        self._best: float | None = None

    def invoke(self, context: Any) -> None:
        """CPLEX calls this in the contexts that were asked for."""
        watch = self._watch
        if context.in_candidate():
            if context.is_candidate_point():
                self._look_at_candidate(context)
        elif context.in_relaxation():
            self._separate(context)
        else:
            watch.see_bound(context.get_double_info(context.info.best_bound))
            if self._question.stop_above is not None:
                self._look_at_incumbent(context)
        if watch.should_stop():
            context.abort()

    def _look_at_candidate(self, context: Any) -> None:
        point = np.array(context.get_candidate_point())
        rows = self._rows(self._question.lazy, point)
        if rows is not None:
            body, senses, sides = rows
            context.reject_candidate(body, senses, sides)

    def _look_at_incumbent(self, context: Any) -> None:
        if context.get_int_info(context.info.feasible):
            objective = context.get_incumbent_objective()
            if objective != self._best:
                self._best = objective
                self._watch.see_incumbent(np.array(context.get_incumbent()))

    def _separate(self, context: Any) -> None:
        rows = self._rows(self._question.separate, np.array(context.get_relaxation_point()))
        if rows is not None:
            body, senses, sides = rows
            count = len(body)
            context.add_user_cuts(body, senses, sides, [0] * count, [0] * count)

    def _rows(self, separator: Separator | None, point: FloatArray) -> Any:
        """Rows with one side each, as lists, or None."""
        rows = self._watch.rows_from(separator, point)
        if rows is None:
            return None
        lists = rows_as_lists(rows.matrix)
        parts = [
            (lists[k], sense, float(side[k]))
            for sense, side in (("L", rows.upper), ("G", rows.lower))
            for k in np.flatnonzero(np.isfinite(side))
        ]
        body, senses, sides = (list(part) for part in zip(*parts, strict=True))
        return body, "".join(senses), sides


def rows_as_lists(matrix: Any) -> list[list[list[Any]]]:
    """A compressed-row matrix as CPLEX takes rows: indices and values of each."""
    indices, values = matrix.indices.tolist(), matrix.data.tolist()
    return [[indices[i:j], values[i:j]] for i, j in itertools.pairwise(matrix.indptr.tolist())]
