"""A model written down as a Pyomo model, which each question writes out for the solver."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import SolverError
from leo_opt.solvers.identity import SolverIdentity
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.pyomo_interfaces.options import names_of
from leo_opt.solvers.questions import (
    BOUNDLESS,
    Answer,
    Question,
    Rows,
    SolverOptions,
    Termination,
)
from leo_opt.solvers.session import Session
from leo_opt.solvers.state import ModelState
from leo_opt.storage.locks import PYOMO

_TERMINATION = MappingProxyType(
    {
        **{str(word): word for word in Termination},
        "maxIterations": Termination.ITERATION_LIMIT,
        "maxEvaluations": Termination.NODE_LIMIT,
        "userInterrupt": Termination.INTERRUPTED,
    }
)
"""Words of this package for Pyomo's; what is missing is unknown."""

_FEASIBLE = 1e-5
"""Violation up to which a point counts as a point of the model."""


class PyomoSession(Session):
    """One Pyomo model made of arrays."""

    def __init__(
        self,
        solver: SolverIdentity,
        state: ModelState,
        options: SolverOptions,
        factory: Callable[[], Any],
        settings: Mapping[str, object],
        relaxation: bool = False,
    ) -> None:
        self._interface = solver.package
        self._make, self._factory = factory, factory()
        self._settings = settings
        super().__init__(solver, state, options, relaxation)

    def _relaxed(self) -> Session:
        return PyomoSession(
            self.solver, self.state, self.options, self._make, self._settings, relaxation=True
        )

    def _guards(self, question: Question) -> bool:  # noqa: ARG002
        """Ctrl-C may pass: the solver is a process, or Pyomo handles it."""
        return False

    @PYOMO
    def _load(self) -> None:
        import pyomo.environ as pyo

        form, state = self.form, self.state
        self._model: Any = pyo.ConcreteModel()
        self._model.x = pyo.Var(range(form.columns))
        self._x = [self._model.x[k] for k in range(form.columns)]
        for k in np.flatnonzero(form.integer & (not self.relaxation)):
            self._x[k].domain = pyo.Integers
        self._set_bounds(np.arange(form.columns), state.lower, state.upper)
        self._model.rows = pyo.ConstraintList()
        self._rows: list[Any] = []
        self._add_rows(Rows(*state.rows()))

    @property
    def tolerances(self) -> Mapping[str, float]:
        """What was asked of the solver; its defaults are not known."""
        return {
            name: float(value)
            for name, value in self._settings.items()
            if isinstance(value, int | float)
        }

    @PYOMO
    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        for k, low, high in zip(columns, lower, upper, strict=True):
            self._x[k].setlb(float(low) if math.isfinite(low) else None)
            self._x[k].setub(float(high) if math.isfinite(high) else None)

    @PYOMO
    def _add_rows(self, rows: Rows) -> None:
        """Append rows; one without entries or sides stands for nothing or makes all infeasible."""
        matrix = rows.matrix
        for k, (low, high) in enumerate(zip(rows.lower, rows.upper, strict=True)):
            part = slice(matrix.indptr[k], matrix.indptr[k + 1])
            body = self._linear(matrix.data[part], matrix.indices[part])
            sides = (
                float(low) if math.isfinite(low) else None,
                float(high) if math.isfinite(high) else None,
            )
            if sides == (None, None) or (matrix.indptr[k] == matrix.indptr[k + 1]):
                if not low <= 0.0 <= high:
                    raise SolverError(f"row {k} has no entries and the sides [{low}, {high}]")
                self._rows.append(None)
                continue
            self._rows.append(self._model.rows.add((sides[0], body, sides[1])))

    def _linear(self, coefficients: FloatArray, columns: IntArray, constant: float = 0.0) -> Any:
        from pyomo.core.expr import LinearExpression

        return LinearExpression(
            constant=constant,
            linear_coefs=coefficients.tolist(),
            linear_vars=[self._x[k] for k in columns],
        )

    @PYOMO
    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        for row in self._rows[first : first + count]:
            if row is not None:
                del self._model.rows[row.index()]
        del self._rows[first : first + count]

    def _close(self) -> None: ...

    @PYOMO
    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:  # noqa: ARG002
        """Answer one question."""
        import pyomo.environ as pyo

        used = np.flatnonzero(question.objective)
        if "goal" in self._model.component_map(pyo.Objective):
            self._model.del_component("goal")
        self._model.goal = pyo.Objective(
            expr=self._linear(question.objective[used], used, question.constant),
            sense=pyo.maximize,
        )
        if question.time_limit is not None and question.time_limit <= 0.0:
            return Answer(Termination.TIME_LIMIT, message="no time")
        for variable in self._x:
            variable.set_value(None)
        for name, value in self._settings.items():
            self._factory.options[name] = value
        begin = time.monotonic()
        answer = self._read(self._run(question.time_limit))
        limit = math.inf if question.time_limit is None else question.time_limit
        if answer.termination_condition == Termination.UNKNOWN and (
            time.monotonic() - begin >= limit
        ):
            return replace(answer, termination_condition=Termination.TIME_LIMIT)
        return answer

    def _run(self, time_limit: float | None) -> Any:
        """Call the solver through Pyomo."""
        from pyomo.solvers.plugins.solvers.persistent_solver import PersistentSolver

        named = names_of(self._interface).get("time_limit")
        given: dict[str, object] = {}
        if self.options.log_file is not None:
            given["logfile"] = self.options.log_file
        if named is not None:
            self._factory.options[named] = 1e20 if time_limit is None else time_limit
        elif time_limit is not None:
            # GLPK refuses a limit that is not whole.
            given["timelimit"] = math.ceil(time_limit) if self._interface == "glpk" else time_limit
        if isinstance(self._factory, PersistentSolver):
            self._factory.set_instance(self._model)
        return self._factory.solve(self._model, load_solutions=False, **given)

    def _read(self, results: Any) -> Answer:
        word = str(results.solver.termination_condition)
        condition = _TERMINATION.get(word, Termination.UNKNOWN)
        point = None
        if len(results.solution) and condition not in BOUNDLESS:
            with _quiet():
                self._model.solutions.load_from(results)
            point = self._filled([variable.value for variable in self._x])
        bound = results.problem.upper_bound
        return Answer(
            termination_condition=condition,
            objective_bound=None if bound is None else float(bound),
            point=point,
            message=f"{self._interface}: {word}",
        )

    def _filled(self, values: list[float | None]) -> FloatArray | None:
        """A point, if the solver gave one that is a point of the model.

        Interfaces leave variables that stand in no row without value, and load rubbish where
        there is no point.
        """
        if all(value is None for value in values):
            return None
        state = self.state
        anywhere = np.clip(0.0, state.lower, state.upper)
        point = np.array(
            [
                other if value is None else value
                for value, other in zip(values, anywhere, strict=True)
            ]
        )
        now = state.current()
        if self.relaxation:
            now = replace(now, integer=np.zeros_like(now.integer))
        return point if now.violation(point) <= _FEASIBLE else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Pyomo without its warning that a solve ended early, which the answer says anyway."""
    logger = logging.getLogger("pyomo.core")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
