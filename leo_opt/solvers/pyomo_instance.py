"""One Pyomo model made of arrays, of a session of a `pyomo:NAME` solver."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.errors import SolverError
from leo_opt.locks import PYOMO
from leo_opt.solvers.instances import Instance
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import BOUNDLESS, Answer, Question, Rows, Termination
from leo_opt.solvers.standard_form import FloatArray, IntArray, StandardForm
from leo_opt.solvers.state import ModelState

OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cbc": {
            "relative_gap": "ratioGap",
            "absolute_gap": "allowableGap",
            "threads": "threads",
            "seed": "randomSeed",
        },
        "glpk": {"relative_gap": "mipgap"},
        # HiGHS keeps one number of threads for all that runs in a process.
        "appsi_highs": {
            "relative_gap": "mip_rel_gap",
            "absolute_gap": "mip_abs_gap",
            "seed": "random_seed",
        },
        "gurobi_direct": {
            "relative_gap": "MIPGap",
            "absolute_gap": "MIPGapAbs",
            "threads": "Threads",
            "seed": "Seed",
            "time_limit": "TimeLimit",
        },
    }
)
"""By interface, the solver's names for fields of `SolverOptions`."""

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


class PyomoInstance(Instance):
    """One Pyomo model made of arrays."""

    @PYOMO
    def __init__(
        self,
        factory: Any,
        interface: str,
        state: ModelState,
        settings: Mapping[str, object],
        log_file: str | None,
        relaxation: bool,
    ) -> None:
        import pyomo.environ as pyo

        self._factory = factory
        self._interface = interface
        self._settings = settings
        self._log_file = log_file
        self._state = state
        self._relaxation = relaxation
        form = state.form
        self._model: Any = pyo.ConcreteModel()
        self._model.x = pyo.Var(range(form.columns))
        self._x = [self._model.x[k] for k in range(form.columns)]
        for k in np.flatnonzero(form.integer & (not relaxation)):
            self._x[k].domain = pyo.Integers
        self.set_bounds(np.arange(form.columns), state.lower, state.upper)
        self._model.rows = pyo.ConstraintList()
        self._rows: list[Any] = []
        matrix, lower, upper = state.rows()
        self.add_rows(Rows(matrix, lower, upper))

    @property
    def tolerances(self) -> dict[str, float]:
        """What was asked of the solver; its defaults are not known."""
        return {
            name: float(value)
            for name, value in self._settings.items()
            if isinstance(value, int | float)
        }

    @PYOMO
    def set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        for k, low, high in zip(columns, lower, upper, strict=True):
            self._x[k].setlb(float(low) if math.isfinite(low) else None)
            self._x[k].setub(float(high) if math.isfinite(high) else None)

    @PYOMO
    def add_rows(self, rows: Rows) -> None:
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
    def remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        for row in self._rows[first : first + count]:
            if row is not None:
                del self._model.rows[row.index()]
        del self._rows[first : first + count]

    def forget(self) -> None:
        """Nothing is kept between questions."""

    def close(self) -> None:
        """Drop the model."""
        self._rows.clear()

    @PYOMO
    def solve(self, question: Question, guard: InterruptGuard) -> Answer:  # noqa: ARG002
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
        named = OPTIONS.get(self._interface, {}).get("time_limit")
        given: dict[str, object] = {}
        if self._log_file is not None:
            given["logfile"] = self._log_file
        if named is not None:
            self._factory.options[named] = 1e20 if time_limit is None else time_limit
        elif time_limit is not None:
            # GLPK refuses a limit that is not whole.
            given["timelimit"] = math.ceil(time_limit) if self._interface == "glpk" else time_limit
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
        state = self._state
        anywhere = np.clip(0.0, state.lower, state.upper)
        point = np.array(
            [
                other if value is None else value
                for value, other in zip(values, anywhere, strict=True)
            ]
        )
        return point if self._violation(point) <= _FEASIBLE else None

    def _violation(self, point: FloatArray) -> float:
        """Largest violation of what this model holds: added rows and changed bounds too."""
        form, (matrix, lower, upper) = self._state.form, self._state.rows()
        now = StandardForm(
            matrix=matrix,
            row_lower=lower,
            row_upper=upper,
            column_lower=self._state.lower,
            column_upper=self._state.upper,
            integer=form.integer & (not self._relaxation),
        )
        return now.violation(point)


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
