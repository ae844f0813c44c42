"""What SCIP calls while it solves: an event handler, a separator, a constraint handler.

Plugins cannot be taken out of a SCIP model, so they are put in once and look at the question in
hand, which may want nothing of them. PySCIPOpt's classes are subclassed inside a function, as the
package is optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.questions import Question, Rows
from leo_opt.solvers.watch import Watch


class Callbacks:
    """The question in hand, shared by the plugins of a model.

    Parameters
    ----------
    variables
        SCIP's original variables, one a column.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self.variables = variables
        self.question: Question | None = None
        self.watch: Watch | None = None

    def begin(self, question: Question, watch: Watch) -> None:
        """Look at another question."""
        self.question, self.watch = question, watch

    def forget(self) -> None:
        """Look at none."""
        self.question, self.watch = None, None

    def point(self, model: Any, solution: Any) -> FloatArray:
        """A solution as an array over the columns; None is the current LP solution."""
        return np.array([model.getSolVal(solution, x) for x in self.variables])

    def cuts(self, point: FloatArray) -> Rows | None:
        """User cuts that the point violates."""
        if self.question is None or self.watch is None:
            return None
        return self.watch.rows_from(self.question.separate, point)

    def lazy_rows(self, point: FloatArray) -> Rows | None:
        """Lazy rows that the point violates."""
        if self.question is None or self.watch is None:
            return None
        return self.watch.rows_from(self.question.lazy, point)

    @property
    def is_lazy(self) -> bool:
        """Whether the question has lazy rows."""
        return self.question is not None and self.question.lazy is not None


def install_callbacks(model: Any, callbacks: Callbacks) -> None:
    """Put the plugins into a SCIP model."""
    model.includeEventhdlr(_event_handler(callbacks), "leo_opt_watch", "stops the solve")
    model.includeSepa(
        _separator(callbacks), "leo_opt_cuts", "user cuts", priority=1000, freq=1, delay=False
    )
    model.includeConshdlr(
        _constraint_handler(callbacks),
        "leo_opt_lazy",
        "lazy rows",
        enfopriority=-1000000,
        chckpriority=-1000000,
        needscons=False,
    )


def _event_handler(callbacks: Callbacks) -> Any:
    from pyscipopt import SCIP_EVENTTYPE, SCIP_STAGE, Eventhdlr

    kinds = (
        SCIP_EVENTTYPE.BESTSOLFOUND,
        SCIP_EVENTTYPE.DUALBOUNDIMPROVED,
        SCIP_EVENTTYPE.LPSOLVED,
        SCIP_EVENTTYPE.NODESOLVED,
    )
    stages = (SCIP_STAGE.PRESOLVING, SCIP_STAGE.PRESOLVED, SCIP_STAGE.SOLVING)

    class WatchHandler(Eventhdlr):  # type: ignore[misc]
        """Tells the watch of incumbents and bounds, and stops the solve where it says so."""

        def eventinit(self) -> None:
            for kind in kinds:
                self.model.catchEvent(kind, self)

        def eventexit(self) -> None:
            for kind in kinds:
                self.model.dropEvent(kind, self)

        def eventexec(self, event: Any) -> None:
            watch = callbacks.watch
            if watch is None:
                return
            if event.getType() == SCIP_EVENTTYPE.BESTSOLFOUND:
                watch.see_incumbent(callbacks.point(self.model, self.model.getBestSol()))
            watch.see_bound(float(self.model.getDualbound()))
            # In between these stages SCIP cannot be interrupted; the next event is soon.
            if watch.should_stop() and self.model.getStage() in stages:
                self.model.interruptSolve()

    return WatchHandler()


def _separator(callbacks: Callbacks) -> Any:
    from pyscipopt import SCIP_RESULT, Sepa

    class CutSeparator(Sepa):  # type: ignore[misc]
        """Adds user cuts at fractional points."""

        def sepaexeclp(self) -> dict[str, Any]:
            rows = callbacks.cuts(callbacks.point(self.model, None))
            if rows is None:
                return {"result": SCIP_RESULT.DIDNOTFIND}
            for k in range(rows.lower.size):
                row = self.model.createEmptyRowSepa(
                    self, "cut", lhs=_side(rows.lower[k]), rhs=_side(rows.upper[k]), local=False
                )
                self.model.cacheRowExtensions(row)
                for column, value in _entries(rows, k):
                    self.model.addVarToRow(row, callbacks.variables[column], value)
                self.model.flushRowExtensions(row)
                self.model.addCut(row, forcecut=True)
                self.model.releaseRow(row)
            return {"result": SCIP_RESULT.SEPARATED}

    return CutSeparator()


def _constraint_handler(callbacks: Callbacks) -> Any:
    from pyscipopt import SCIP_RESULT, Conshdlr
    from pyscipopt.scip import Expr, ExprCons, Term

    class LazyHandler(Conshdlr):  # type: ignore[misc]
        """Refuses points that violate lazy rows, and adds these."""

        def conscheck(self, _constraints: Any, solution: Any, *_flags: Any) -> dict[str, Any]:
            if callbacks.is_lazy:
                point = callbacks.point(self.model, solution)
                if callbacks.lazy_rows(point) is not None:
                    return {"result": SCIP_RESULT.INFEASIBLE}
            return {"result": SCIP_RESULT.FEASIBLE}

        def _enforce(self) -> dict[str, Any]:
            if not callbacks.is_lazy:
                return {"result": SCIP_RESULT.FEASIBLE}
            rows = callbacks.lazy_rows(callbacks.point(self.model, None))
            if rows is None:
                return {"result": SCIP_RESULT.FEASIBLE}
            for k in range(rows.lower.size):
                body = Expr({Term(callbacks.variables[j]): v for j, v in _entries(rows, k)})
                sides = (_side(rows.lower[k]), _side(rows.upper[k]))
                self.model.addCons(ExprCons(body, lhs=sides[0], rhs=sides[1]))
            return {"result": SCIP_RESULT.CONSADDED}

        def consenfolp(self, *_arguments: Any) -> dict[str, Any]:
            return self._enforce()

        def consenfops(self, *_arguments: Any) -> dict[str, Any]:
            return self._enforce()

        def conslock(self, _constraint: Any, _kind: Any, positive: int, negative: int) -> None:
            # Lazy rows may hold any variable with any sign: presolve must not fix one by its
            # objective alone.
            if callbacks.is_lazy:
                for variable in callbacks.variables:
                    self.model.addVarLocks(variable, positive + negative, positive + negative)

    return LazyHandler()


def _side(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _entries(rows: Rows, k: int) -> list[tuple[int, float]]:
    """Columns and coefficients of one row."""
    matrix = rows.matrix
    part = slice(matrix.indptr[k], matrix.indptr[k + 1])
    return list(zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True))
