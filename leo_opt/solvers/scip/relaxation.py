"""A linear relaxation loaded in SCIP's LP interface, which keeps its basis."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Question, Rows, Termination
from leo_opt.solvers.scip.parameters import (
    INFINITY,
    check_tolerance,
    clipped,
    set_parameters,
    tolerances_of,
)
from leo_opt.solvers.session import Session

_NAMES = MappingProxyType({"numerics/feastol": "FEASTOL", "numerics/dualfeastol": "DUALFEASTOL"})
"""The LP solver's words for tolerances of SCIP."""


class ScipRelaxation(Session):
    """One linear program in SCIP's LP interface, which keeps its basis."""

    _lp: Any = None

    def _load(self) -> None:
        from pyscipopt import LP, SCIP_LPPARAM, Model

        state, tolerances = self.state, tolerances_of(self.options)
        self._parameters: Any = SCIP_LPPARAM
        self._lp: Any = LP("relaxation", "maximize")
        columns = state.form.columns
        self._lp.addCols(
            [[] for _ in range(columns)],
            objs=[0.0] * columns,
            lbs=self._bounds(state.lower),
            ubs=self._bounds(state.upper),
        )
        self._lp.setIntParam(self._parameters.LPINFO, 0)
        # Other parameters are about branch and bound, and only their names can be wrong here.
        if self.options.extra:
            set_parameters(Model(), self.options.extra)
        for name, key in _NAMES.items():
            if name in tolerances:
                check_tolerance(name, tolerances[name])
                self._lp.setRealParam(getattr(self._parameters, key), tolerances[name])
        self._add_rows(Rows(*state.rows()))

    def _bounds(self, values: FloatArray) -> list[float]:
        return clipped(values, self._lp.infinity())

    @property
    def tolerances(self) -> Mapping[str, float]:
        """Of the LP solver inside SCIP."""
        return {
            name: float(self._lp.getRealParam(getattr(self._parameters, key)))
            for name, key in _NAMES.items()
        }

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        for k, low, high in zip(columns, self._bounds(lower), self._bounds(upper), strict=True):
            self._lp.chgBound(int(k), low, high)

    def _add_rows(self, rows: Rows) -> None:
        """Append rows."""
        matrix = rows.matrix
        if matrix.shape[0] == 0:
            return
        pairs = list(zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True))
        ends = matrix.indptr.tolist()
        self._lp.addRows(
            [pairs[i:j] for i, j in itertools.pairwise(ends)],
            lhss=self._bounds(rows.lower),
            rhss=self._bounds(rows.upper),
        )

    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        self._lp.delRows(first, first + count - 1)

    def _forget(self) -> None:
        """Drop the basis."""
        self._load()

    def _close(self) -> None:
        """Free the linear program."""
        if self._lp is not None:
            self._lp.clear()

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question; Ctrl-C waits for the end of the linear program."""
        lp = self._lp
        for k, value in enumerate(question.objective.tolist()):
            lp.chgObj(k, value)
        limit = INFINITY if question.time_limit is None else question.time_limit
        if limit <= 0.0 or guard.hit:
            return Answer(Termination.TIME_LIMIT, message="no time")
        lp.setRealParam(self._parameters.LPTILIM, min(limit, INFINITY))
        begin = time.monotonic()
        lp.solve(dual=True)
        condition = self._condition(time.monotonic() - begin >= limit)
        if condition != Termination.OPTIMAL:
            ray = lp.getDualRay() if condition == Termination.INFEASIBLE else None
            return Answer(condition, ray=None if ray is None else np.array(ray))
        point = np.array(lp.getPrimal())
        return Answer(
            condition,
            objective_bound=question.value(point),
            point=point,
            row_duals=np.array(lp.getDual()),
            iterations=int(lp.getNIterations()),
        )

    def _condition(self, out_of_time: bool) -> Termination:
        """What the linear program's end means."""
        if self._lp.isOptimal():
            return Termination.OPTIMAL
        if self._lp.getDualRay() is not None:
            return Termination.INFEASIBLE
        if self._lp.getPrimalRay() is not None:
            return Termination.UNBOUNDED
        return Termination.TIME_LIMIT if out_of_time else Termination.UNKNOWN
