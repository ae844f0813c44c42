"""Traps of CPLEX."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from solvers.random_disjunctions import add_disjunction, random_row

from leo_opt.errors import InvalidInputError
from leo_opt.solvers import SolverOptions, compile_model, find
from leo_opt.solvers.cplex import session as module
from leo_opt.testing.models import knapsack

cplex = pytest.importorskip("cplex")


@pytest.mark.parametrize("name", ["mip.strategy.luck", "no", "threads.more"])
def test_parameters_that_are_not_there_are_refused(name: str) -> None:
    form, _, _ = knapsack()
    with pytest.raises(InvalidInputError, match=f"CPLEX refuses parameter {name} = 1"):
        find("cplex").open(form, SolverOptions(extra={name: 1}))


def test_status_codes_are_those_of_the_package() -> None:
    with cplex.Cplex() as model:
        status = model.solution.status
        known = {getattr(status, name): name for name in dir(status) if name[0] != "_"}
    words = {code: known[code].lower() for code in module._TERMINATION}
    for code, condition in module._TERMINATION.items():
        name = words[code]
        if condition == "infeasibleOrUnbounded":
            assert name.endswith("infeasible_or_unbounded")
        elif condition in ("infeasible", "unbounded"):
            assert name.removeprefix("mip_") == condition
        elif condition == "optimal":
            assert "optimal" in name
            assert "infeasible" not in name
        else:
            assert "limit" in name or "fail" in name or "abort" in name


def test_a_solution_is_no_start_of_the_next_question() -> None:
    """Answers would depend on what was asked before."""
    form, objective, best = knapsack()
    with find("cplex").open(form) as session:
        first = session.maximize(objective, node_limit=0)
        assert session.maximize(objective).objective_bound == pytest.approx(best)
        again = session.maximize(objective, node_limit=0)
    assert again.incumbent_objective == first.incumbent_objective
    assert again.objective_bound == first.objective_bound


def test_a_bound_is_true_where_nobody_looks_at_candidates() -> None:
    """With a callback for candidates that does nothing it says 3 and has a point worth 1."""
    generator = np.random.default_rng((7, 593))
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.Integers, bounds=(-1, 1))
    add_disjunction(generator, model, model, depth=int(generator.integers(1, 3)))
    if generator.random() < 0.5:
        model.row = pyo.Constraint(expr=random_row(generator, model))
    goal = [int(c) for c in generator.integers(-5, 6, 3)]
    model.goal = pyo.Objective(expr=sum(c * x for c, x in zip(goal, model.x.values(), strict=True)))
    compiled = compile_model(model)
    cost, constant = compiled.linear(model.goal.expr)
    with find("cplex").open(compiled.form) as session:
        answers = [
            session.solve(),
            # Incumbents are looked at where progress is told, too late for this to be wrong.
            session.minimize(cost, constant=constant, stop_below=-100.0),
        ]
    for answer in answers:
        assert answer.termination_condition == "optimal"
        assert answer.objective_bound == pytest.approx(1.0)
