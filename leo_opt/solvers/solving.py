"""A Pyomo model solved in one call, and its values put back."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt.arguments import read_flag, read_instance
from leo_opt.arrays import FloatArray
from leo_opt.deadline import read_limit
from leo_opt.errors import InvalidInputError
from leo_opt.solvers.base import Solver
from leo_opt.solvers.catalogue import find
from leo_opt.solvers.compilation import Compiled, compile_model
from leo_opt.solvers.questions import Answer, SolverOptions, Termination

_USUAL_GAP = 1e-4
"""Relative gap of a solve whose options say nothing."""


@dataclass(frozen=True)
class Result:
    """How a solve ended. Infeasible, unbounded and limits are results.

    Parameters
    ----------
    status
        Why the solve ended; equal to Pyomo's word for it, such as "optimal".
    objective
        The model's objective at the point found, in its own sense, constant included; None
        without a point.
    bound
        Dual bound: no point is better. None where there is none.
    gap
        `abs(bound - objective) / max(1, abs(objective))`, None where one is missing.
    loaded
        Whether the variables hold the point.
    seconds
        Wall-clock time, compilation included.
    solver
        Name and version of the solver that answered.
    message
        The solver's own status, and what was found wrong with its answer.
    """

    status: Termination
    objective: float | None
    bound: float | None
    gap: float | None
    loaded: bool
    seconds: float
    solver: str
    message: str

    def __str__(self) -> str:
        parts = [f"{self.status} by {self.solver} in {self.seconds:.2f} s"]
        numbers = {"objective": self.objective, "bound": self.bound, "gap": self.gap}
        parts += [f"{name} {value:.8g}" for name, value in numbers.items() if value is not None]
        return ", ".join([*parts, *([self.message] if self.objective is None else [])])


def solve(
    model: Any,
    solver: str | Solver = "auto",
    *,
    options: SolverOptions | None = None,
    time_limit: float | None = None,
    start: bool = False,
    load: bool = True,
) -> Result:
    """Solve a Pyomo model for its own objective and load the values.

    Parameters
    ----------
    model
        What `compile_model` takes. Without an objective any point will do.
    solver
        A name that `find` takes, or a solver.
    options
        By default a relative gap of 1e-4.
    time_limit
        Seconds, instead of the one of the options.
    start
        Hand the variables' present values to the solver, where it takes a start; see
        `leo_opt.formulations.fill`. What has no value stays open.
    load
        Put the point found into the variables that are not fixed, integers rounded, and into
        Boolean ones. All others become stale, as are all where no point was found.

    Raises
    ------
    InvalidInputError
        If the model cannot be compiled, or an argument is of another kind.
    SolverError
        If the solver is not installed, or the model needs what it lacks.

    Examples
    --------
    >>> import pyomo.environ as pyo
    >>> from leo_opt.solvers import solve
    >>> model = pyo.ConcreteModel()
    >>> model.x = pyo.Var(domain=pyo.Integers, bounds=(0, 5))
    >>> model.goal = pyo.Objective(expr=2 * model.x + 1, sense=pyo.maximize)
    >>> result = solve(model, "highs")
    >>> print(result.status, result.objective, model.x.value)
    optimal 11.0 5
    """
    begin = time.monotonic()
    time_limit = read_limit(time_limit)
    start, load = read_flag(start, "start"), read_flag(load, "load")
    chosen = find(solver)
    compiled = compile_model(model)
    cure = "give SolverOptions(time_limit=10.0) or the like"
    # A solver behind Pyomo whose names are not known keeps its own gap.
    usual = SolverOptions(relative_gap=_USUAL_GAP) if chosen.checks_options else SolverOptions()
    options = usual if options is None else options
    read_instance(options, "options", SolverOptions, cure)
    limit = options.time_limit if time_limit is None else time_limit
    given = _present_values(compiled) if start else None
    with chosen.open(compiled.form, replace(options, time_limit=None)) as session:
        if limit is not None:
            # The clock started with the call.
            limit = max(0.0, limit - (time.monotonic() - begin))
        ask = session.maximize if compiled.form.maximize else session.minimize
        answer = ask(
            compiled.form.objective,
            constant=compiled.form.constant,
            start=given,
            time_limit=limit,
        )
    if load:
        load_values(model, compiled, answer)
    # Adding 0 makes -0 a plain zero.
    objective, bound = (
        None if value is None else value + 0.0
        for value in (answer.incumbent_objective, answer.objective_bound)
    )
    gap = None
    if objective is not None and bound is not None:
        gap = abs(bound - objective) / max(1.0, abs(objective))
    return Result(
        status=answer.termination_condition,
        objective=objective,
        bound=bound,
        gap=gap,
        loaded=load and answer.point is not None,
        seconds=time.monotonic() - begin,
        solver=answer.solver,
        message=answer.message,
    )


def load_values(model: Any, compiled: Compiled, answer: Answer) -> None:
    """Put the point of an answer into the variables of the model that was compiled.

    Raises
    ------
    InvalidInputError
        If the point is of another model.
    """
    from pyomo.environ import Block, BooleanVar
    from pyomo.gdp import Disjunct

    for variable in compiled.variables:
        if not variable.fixed:
            variable.stale = True
    if answer.point is None:
        return
    if answer.point.size != compiled.form.columns:
        raise InvalidInputError(
            f"the point has {answer.point.size} entries; the model has {compiled.form.columns} "
            "columns"
        )
    for column, variable in enumerate(compiled.variables):
        if variable.fixed:
            continue
        value = float(answer.point[column])
        # Sets `stale` to False.
        variable.set_value(
            round(value) if compiled.form.integer[column] else value, skip_validation=True
        )
    inside = (Block, Disjunct)
    for flag in model.component_data_objects(BooleanVar, descend_into=inside):
        binary = flag.get_associated_binary()
        if binary is not None and not flag.fixed and binary.value is not None:
            flag.set_value(bool(round(binary.value)), skip_validation=True)


def _present_values(compiled: Compiled) -> FloatArray:
    """What the variables are worth, NaN where nothing is known."""
    values = [variable.value for variable in compiled.variables]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
