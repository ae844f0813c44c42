"""A model loaded in Gurobi."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers.gurobi import environment
from leo_opt.solvers.gurobi.callback import GurobiCallback, split_sides
from leo_opt.solvers.identity import SolverIdentity
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import (
    Answer,
    Question,
    Rows,
    SolverOptions,
    Termination,
)
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState
from leo_opt.solvers.watch import Watch

TOO_LARGE = 10010
"""Gurobi's error code for a model beyond a size-limited licence."""

_TERMINATION = MappingProxyType(
    {
        2: Termination.OPTIMAL,
        3: Termination.INFEASIBLE,
        4: Termination.INFEASIBLE_OR_UNBOUNDED,
        5: Termination.UNBOUNDED,
        6: Termination.OBJECTIVE_LIMIT,
        7: Termination.ITERATION_LIMIT,
        8: Termination.NODE_LIMIT,
        9: Termination.TIME_LIMIT,
        11: Termination.INTERRUPTED,
        12: Termination.ERROR,
        15: Termination.OBJECTIVE_LIMIT,
    }
)
"""Words for Gurobi's status codes; what is missing is unknown."""

_WITHOUT_BOUND = frozenset({Termination.INFEASIBLE, Termination.UNBOUNDED, Termination.ERROR})

_TOLERANCES = ("FeasibilityTol", "IntFeasTol", "OptimalityTol", "MIPGap", "MIPGapAbs")


class GurobiSession(Session):
    """One Gurobi model, in an environment that no other thread uses meanwhile.

    Parameters
    ----------
    lent
        The environment of the session whose relaxations this one answers.
    """

    _model: Any = None

    def __init__(
        self, solver: SolverIdentity, state: ModelState, options: SolverOptions, lent: Any = None
    ) -> None:
        self._lent = self._environment = lent
        super().__init__(solver, state, options, relaxation=lent is not None)

    def _relaxed(self) -> Session:
        return GurobiSession(self.solver, self.state, self.options, self._environment)

    def _load(self) -> None:
        """Make a model, and set options, columns and rows."""
        import gurobipy

        self._gurobipy: Any = gurobipy
        if self._model is not None:
            self._model.dispose()
        try:
            if self._environment is None:
                self._environment = environment.acquire()
            self._model = gurobipy.Model(env=self._environment)
        except gurobipy.GurobiError as error:
            raise SolverError(f"Gurobi does not start: {error}") from error
        self._set_options(self.options)
        state, form = self.state, self.form
        kinds = np.where(form.integer & (not self.relaxation), "I", "C")
        self._x: Any = self._model.addMVar(
            form.columns, lb=state.lower, ub=state.upper, vtype=kinds
        )
        self._model.ModelSense = gurobipy.GRB.MAXIMIZE
        # Row k of the model is owned by the Gurobi rows at which _owners is k.
        self._row_count = 0
        self._owners = np.zeros(0, dtype=np.int64)
        self._constraints: list[Any] = []
        self._add_rows(Rows(*state.rows()))
        if not self.relaxation:
            self._add_logic(form)

    def _close(self) -> None:
        """Free the model, and give the environment back that the session took."""
        if self._model is not None:
            self._model.dispose()
        if self._lent is None and self._environment is not None:
            environment.release(self._environment)

    def _set_options(self, options: SolverOptions) -> None:
        settings: dict[str, object] = {
            "LogToConsole": 0,
            "OutputFlag": int(options.log_file is not None),
            "LogFile": options.log_file or "",
            "Threads": options.threads,
            "Seed": options.seed,
            "MIPGap": options.relative_gap,
            "MIPGapAbs": options.absolute_gap,
            "FeasibilityTol": options.feasibility_tolerance,
            "OptimalityTol": options.feasibility_tolerance,
            "IntFeasTol": options.integrality_tolerance,
            # Without these a model is "infeasible or unbounded", and there is no ray.
            "DualReductions": 0 if self.relaxation else None,
            "InfUnbdInfo": 1 if self.relaxation else None,
            **options.extra,
        }
        for name, value in settings.items():
            if value is None:
                continue
            try:
                self._model.setParam(name, value)
            except (self._gurobipy.GurobiError, TypeError, ValueError) as error:
                raise InvalidInputError(
                    f"Gurobi refuses parameter {name} = {value!r}: {error}"
                ) from error

    def _add_logic(self, form: StandardForm) -> None:
        """SOS sets and indicators."""
        variables = self._x.tolist()
        for group in form.sos:
            members = [variables[k] for k in group.columns]
            self._model.addSOS(group.kind, members, group.weights.tolist())
        for row in form.indicators:
            body = self._gurobipy.LinExpr(
                row.coefficients.tolist(), [variables[k] for k in row.columns]
            )
            sides = split_sides(np.array([row.lower]), np.array([row.upper]))
            for sense, value in zip(sides.senses, sides.values, strict=True):
                self._model.addGenConstrIndicator(
                    variables[row.binary], row.active_value, body, str(sense), float(value)
                )

    @property
    def tolerances(self) -> Mapping[str, float]:
        """Gurobi's own names."""
        return {name: float(getattr(self._model.Params, name)) for name in _TOLERANCES}

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        chosen = self._x[columns]
        chosen.LB, chosen.UB = lower, upper

    def _add_rows(self, rows: Rows) -> None:
        """Append rows."""
        sides = split_sides(rows.lower, rows.upper)
        if sides.rows.size:
            added = self._model.addMConstr(
                rows.matrix[sides.rows], self._x, sides.senses, sides.values
            )
            self._constraints += added.tolist()
        self._owners = np.append(self._owners, self._row_count + sides.rows)
        self._row_count += rows.lower.size

    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        gone = (self._owners >= first) & (self._owners < first + count)
        for k in np.flatnonzero(gone):
            self._model.remove(self._constraints[k])
        self._constraints = [
            row for row, out in zip(self._constraints, gone, strict=True) if not out
        ]
        owners = self._owners[~gone]
        self._owners = np.where(owners >= first + count, owners - count, owners)
        self._row_count -= count
        # Duals are read by position, so the removal must not wait for the next solve.
        self._model.update()

    def _forget(self) -> None:
        """Drop basis and solution."""
        self._model.reset(1)

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question."""
        model, grb = self._model, self._gurobipy.GRB
        if not self.relaxation:
            model.reset(1)
        self._x.Obj = question.objective
        model.ObjCon = question.constant
        model.Params.TimeLimit = (
            grb.INFINITY if question.time_limit is None else question.time_limit
        )
        model.Params.NodeLimit = (
            grb.INFINITY if question.node_limit is None else question.node_limit
        )
        model.Params.LazyConstraints = int(question.lazy is not None)
        model.Params.PreCrush = int(question.separate is not None)
        if question.start is not None and not self.relaxation:
            self._x.Start = np.where(np.isnan(question.start), grb.UNDEFINED, question.start)
        watch = Watch(question, guard)
        try:
            model.optimize(GurobiCallback(watch, question, self._x))
        except self._gurobipy.GurobiError as error:
            if error.errno == TOO_LARGE:
                raise SolverError(
                    f"the model has {model.NumConstrs} rows and {self.form.columns} columns, more "
                    "than the licence of gurobi takes; install a full licence or take another "
                    "solver"
                ) from error
            raise
        return self._read_relaxation(watch) if self.relaxation else self._read(watch)

    def _read_relaxation(self, watch: Watch) -> Answer:
        """The answer of a linear program, with duals or a ray."""
        model = self._model
        condition = _condition(model.Status, watch)
        solved = condition == Termination.OPTIMAL
        infeasible = condition == Termination.INFEASIBLE
        return Answer(
            termination_condition=condition,
            objective_bound=model.ObjVal if solved else None,
            point=np.array(self._x.X) if solved else None,
            row_duals=self._by_row("Pi") if solved else None,
            ray=self._by_row("FarkasDual") if infeasible else None,
            iterations=int(model.IterCount),
            message=f"status {model.Status}",
        )

    def _by_row(self, attribute: str) -> FloatArray | None:
        """An attribute of Gurobi's rows, summed over the two sides of a row."""
        try:
            values = self._model.getAttr(attribute, self._constraints)
        except (AttributeError, self._gurobipy.GurobiError):
            return None
        result = np.zeros(self._row_count)
        np.add.at(result, self._owners, np.array(values))
        return result

    def _read(self, watch: Watch) -> Answer:
        """The answer of branch and bound."""
        model = self._model
        condition = _condition(model.Status, watch)
        point = watch.confirmed
        if point is None and model.SolCount > 0:
            point = np.array(self._x.X)
        stopped = condition == Termination.OBJECTIVE_LIMIT
        return Answer(
            termination_condition=condition,
            objective_bound=model.ObjBound if condition not in _WITHOUT_BOUND else None,
            stopped_by=watch.stopped_by if stopped else None,
            point=point,
            nodes=int(model.NodeCount),
            iterations=int(model.IterCount),
            message=f"status {model.Status}",
        )


def _condition(status: int, watch: Watch) -> Termination:
    """A status in Pyomo's words; an interrupt has the reason that the watch gave."""
    condition = _TERMINATION.get(status, Termination.UNKNOWN)
    return watch.interrupted() if condition == Termination.INTERRUPTED else condition
