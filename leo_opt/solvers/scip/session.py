"""A MILP loaded in SCIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import SolverError
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Question, Rows, SolverOptions, Termination
from leo_opt.solvers.scip.callback import Callbacks, install_callbacks
from leo_opt.solvers.scip.parameters import (
    INFINITY,
    TOLERANCES,
    clipped,
    set_parameters,
    tolerances_of,
)
from leo_opt.solvers.scip.relaxation import ScipRelaxation
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.watch import Watch

_TERMINATION = MappingProxyType(
    {
        "optimal": Termination.OPTIMAL,
        "infeasible": Termination.INFEASIBLE,
        "unbounded": Termination.UNBOUNDED,
        "inforunbd": Termination.INFEASIBLE_OR_UNBOUNDED,
        "timelimit": Termination.TIME_LIMIT,
        "nodelimit": Termination.NODE_LIMIT,
        "totalnodelimit": Termination.NODE_LIMIT,
        "memlimit": Termination.ERROR,
        "gaplimit": Termination.OPTIMAL,
        "userinterrupt": Termination.INTERRUPTED,
    }
)
"""Words for SCIP's status; what is missing is unknown."""


class ScipSession(Session):
    """One SCIP model; each question presolves it anew."""

    _model: Any = None

    def _relaxed(self) -> Session:
        return ScipRelaxation(self.solver, self.state, self.options, relaxation=True)

    def _load(self) -> None:
        """Build the model as it is now."""
        from pyscipopt import Model

        state = self.state
        self._close()
        self._model = Model()
        self._model.hideOutput()
        self._set_options(self.options)
        kinds = np.where(self.form.integer, "I", "C")
        bounds = (clipped(state.lower), clipped(state.upper))
        self._variables = [
            self._model.addVar(name="", vtype=str(kind), lb=low, ub=high)
            for kind, low, high in zip(kinds, *bounds, strict=True)
        ]
        self._rows: list[list[Any]] = []
        self._add_rows(Rows(*state.rows()))
        self._add_logic(self.form)
        self._callbacks = Callbacks(self._variables)
        install_callbacks(self._model, self._callbacks)

    def _set_options(self, options: SolverOptions) -> None:
        settings: dict[str, object] = {
            "randomization/randomseedshift": options.seed,
            "limits/gap": options.relative_gap,
            "limits/absgap": options.absolute_gap,
            **tolerances_of(options),
            # Solutions of one question would otherwise start the next.
            "limits/maxorigsol": 0,
            # Presolving looks for implications between all members of SOS sets without a look at
            # the clock: 23 s for a limit of 5 s with 250 units in two layers, and no bound.
            "constraints/SOS1/maxsosadjacency": 0,
            **options.extra,
        }
        set_parameters(self._model, settings)
        if options.log_file is not None:
            self._model.setLogfile(options.log_file)

    def _add_logic(self, form: StandardForm) -> None:
        """SOS sets and indicators."""
        add = {1: self._model.addConsSOS1, 2: self._model.addConsSOS2}
        for group in form.sos:
            members = [self._variables[k] for k in group.columns]
            add[group.kind](members, group.weights.tolist())
        for row in form.indicators:
            body = _expression(row.coefficients, [self._variables[k] for k in row.columns])
            for side, sign in ((row.upper, 1.0), (row.lower, -1.0)):
                if np.isfinite(side):
                    self._model.addConsIndicator(
                        sign * body <= sign * side,
                        self._variables[row.binary],
                        activeone=row.active_value,
                    )

    @property
    def tolerances(self) -> Mapping[str, float]:
        """SCIP's own names."""
        return {name: float(self._model.getParam(name)) for name in TOLERANCES}

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        self._model.freeTransform()
        for k, low, high in zip(columns, clipped(lower), clipped(upper), strict=True):
            # SCIP makes an integer variable between 0 and 1 a binary one, which cannot be wider.
            if self._variables[k].vtype() == "BINARY" and (low < 0.0 or high > 1.0):
                self._model.chgVarType(self._variables[k], "I")
            # The order keeps lower <= upper all the time.
            if low > self._variables[k].getUbOriginal():
                self._model.chgVarUb(self._variables[k], high)
                self._model.chgVarLb(self._variables[k], low)
            else:
                self._model.chgVarLb(self._variables[k], low)
                self._model.chgVarUb(self._variables[k], high)

    def _add_rows(self, rows: Rows) -> None:
        """Append rows."""
        from pyscipopt.scip import ExprCons

        self._model.freeTransform()
        matrix = rows.matrix
        largest = float(np.abs(matrix.data).max(initial=0.0))
        if largest >= INFINITY:
            raise SolverError(
                f"the model has a coefficient of {largest:g}, which is infinite to scip; scale it"
            )
        for k, (low, high) in enumerate(zip(clipped(rows.lower), clipped(rows.upper), strict=True)):
            entries = slice(matrix.indptr[k], matrix.indptr[k + 1])
            members = [self._variables[j] for j in matrix.indices[entries]]
            body = _expression(matrix.data[entries], members)
            # SCIP 10.0.2 returns wrong optima where the two sides of one row are closer than its
            # tolerance, and right ones where they are two rows.
            sides = [(low, high)]
            if low < high and low > -INFINITY and high < INFINITY:
                sides = [(low, INFINITY), (-INFINITY, high)]
            self._rows.append(
                [self._model.addCons(ExprCons(body, lhs=left, rhs=right)) for left, right in sides]
            )

    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        self._model.freeTransform()
        for parts in self._rows[first : first + count]:
            for part in parts:
                self._model.delCons(part)
        del self._rows[first : first + count]

    def _forget(self) -> None:
        """Drop the transformed problem."""
        self._model.freeTransform()

    def _close(self) -> None:
        """Free the model."""
        if self._model is not None:
            self._callbacks.forget()
            self._model.freeProb()
            self._model = None

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question."""
        model = self._model
        model.freeTransform()
        expression = _expression(question.objective, self._variables) + question.constant
        model.setObjective(expression, "maximize")
        limit = INFINITY if question.time_limit is None else question.time_limit
        model.setParam("limits/time", min(limit, INFINITY))
        nodes = question.node_limit
        model.setParam("limits/totalnodes", -1 if nodes is None else nodes)
        if question.start is not None:
            self._give_start(question.start)
        watch = Watch(question, guard)
        self._callbacks.begin(question, watch)
        try:
            model.optimize()
        finally:
            self._callbacks.forget()
        return self._read(watch)

    def _give_start(self, start: FloatArray) -> None:
        """Hand SCIP a starting point, whole or in part."""
        known = np.flatnonzero(~np.isnan(start))
        whole = known.size == start.size
        self._model.setParam("limits/maxorigsol", 1)
        solution = self._model.createSol() if whole else self._model.createPartialSol()
        for k in known:
            self._model.setSolVal(solution, self._variables[k], float(start[k]))
        self._model.addSol(solution)

    def _read(self, watch: Watch) -> Answer:
        model, name = self._model, str(self._model.getStatus())
        condition = _TERMINATION.get(name, Termination.UNKNOWN)
        if condition == Termination.INTERRUPTED:
            condition = watch.interrupted()
        point = watch.confirmed
        if point is None and model.getNSols() > 0 and condition in _WITH_POINT:
            best = model.getBestSol()
            point = np.array([model.getSolVal(best, x) for x in self._variables])
        stopped = condition == Termination.OBJECTIVE_LIMIT
        answer = Answer(
            termination_condition=condition,
            objective_bound=float(model.getDualbound()),
            stopped_by=watch.stopped_by if stopped else None,
            point=point,
            nodes=int(model.getNTotalNodes()),
            iterations=int(model.getNLPIterations()),
            message=name,
        )
        model.freeTransform()
        model.setParam("limits/maxorigsol", 0)
        return answer


_WITH_POINT = frozenset(
    {
        Termination.OPTIMAL,
        Termination.TIME_LIMIT,
        Termination.NODE_LIMIT,
        Termination.OBJECTIVE_LIMIT,
        Termination.INTERRUPTED,
        Termination.UNKNOWN,
    }
)
"""Ends of a solve after which SCIP's best point is a point of the model."""


def _expression(coefficients: FloatArray, variables: Sequence[Any]) -> Any:
    """A linear expression at once, without SCIP's cost of adding term by term."""
    from pyscipopt.scip import Expr, Term

    terms = zip(variables, coefficients.tolist(), strict=True)
    return Expr({Term(variable): value for variable, value in terms if value})
