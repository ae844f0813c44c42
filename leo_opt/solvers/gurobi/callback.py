"""What Gurobi calls while it solves, and rows as Gurobi has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.solvers.questions import Question, Separator
from leo_opt.solvers.watch import Watch

_OPTIMAL = 2
"""Gurobi's code for an optimal model, or node relaxation."""


@dataclass(frozen=True)
class SplitRows:
    """Rows as Gurobi has them: with one side each, or equal."""

    rows: IntArray
    senses: Any
    values: FloatArray


def split_sides(lower: FloatArray, upper: FloatArray) -> SplitRows:
    """Which of the rows' sides become rows of Gurobi; rows without sides become none."""
    equal = lower == upper
    parts = (
        (equal, "=", upper),
        (np.isfinite(upper) & ~equal, "<", upper),
        (np.isfinite(lower) & ~equal, ">", lower),
    )
    rows = np.concatenate([np.flatnonzero(where) for where, _, _ in parts])
    senses = np.concatenate([np.full(int(where.sum()), sense) for where, sense, _ in parts])
    values = np.concatenate([side[where] for where, _, side in parts])
    return SplitRows(rows, senses, values)


class GurobiCallback:
    """What Gurobi calls; it must not raise."""

    def __init__(self, watch: Watch, question: Question, x: Any) -> None:
        import gurobipy

        self._codes = gurobipy.GRB.Callback
        self._watch = watch
        self._question = question
        self._x = x

    def __call__(self, model: Any, where: int) -> None:
        codes, watch = self._codes, self._watch
        if where == codes.MIP:
            watch.see_bound(model.cbGet(codes.MIP_OBJBND))
        elif where == codes.MIPSOL:
            point = np.asarray(model.cbGetSolution(self._x))
            if not self._add(model.cbLazy, self._question.lazy, point):
                watch.see_incumbent(point)
        elif where == codes.MIPNODE:
            watch.see_bound(model.cbGet(codes.MIPNODE_OBJBND))
            separate = self._question.separate
            if separate is not None and model.cbGet(codes.MIPNODE_STATUS) == _OPTIMAL:
                self._add(model.cbCut, separate, np.asarray(model.cbGetNodeRel(self._x)))
        if watch.should_stop():
            model.terminate()

    def _add(self, add: Callable[..., None], separator: Separator | None, point: Any) -> bool:
        """Add the rows that a separator has at a point; whether there are any."""
        rows = self._watch.rows_from(separator, point)
        if rows is None:
            return False
        sides = split_sides(rows.lower, rows.upper)
        for row, sense, value in zip(sides.rows, sides.senses, sides.values, strict=True):
            entries = rows.matrix[[row]]
            body = self._x[entries.indices] @ entries.data
            add(body, str(sense), float(value))
        return True
