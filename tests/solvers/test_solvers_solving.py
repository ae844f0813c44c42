"""One call solves a Pyomo model and puts the values back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct, Disjunction

from leo_opt import Box, Network, formulate
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import fill
from leo_opt.formulations import find as find_formulation
from leo_opt.formulations import names as formulation_names
from leo_opt.solvers import SolverOptions, find, find_conflict, names, solve

NETWORK = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0]]], [[0.0, 0.5], [0.0]])
SOLVERS = names()


def installed(name: str) -> str:
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed: {solver.install}")
    return name


def knapsack(sense: Any = pyo.maximize) -> Any:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.NonNegativeIntegers, bounds=(0, 6))
    model.x[2].fix(1)
    model.idle = pyo.Var(bounds=(1, 2))
    model.row = pyo.Constraint(expr=3 * model.x[0] + 2 * model.x[1] + model.x[2] <= 12)
    sign = 1 if sense == pyo.maximize else -1
    model.goal = pyo.Objective(expr=sign * (2 * model.x[0] + model.x[1]) + 5, sense=sense)
    return model


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("sense", "right"), [(pyo.maximize, 12.0), (pyo.minimize, -2.0)])
def test_values_are_loaded_and_the_result_says_how_it_ended(
    name: str, sense: Any, right: float
) -> None:
    model = knapsack(sense)
    result = solve(model, installed(name))
    assert (result.status, result.loaded) == ("optimal", True)
    assert result.objective == pytest.approx(right) == pyo.value(model.goal)
    assert result.bound == pytest.approx(right)
    assert result.gap == pytest.approx(0.0, abs=1e-6)
    assert result.solver.startswith(name)
    assert "optimal" in str(result)
    assert [type(variable.value) for variable in model.x.values()] == [int, int, int]
    assert model.x[2].fixed
    assert not model.x[0].stale
    assert 1 <= model.idle.value <= 2


@pytest.mark.parametrize("name", SOLVERS)
def test_infeasible_unbounded_and_limits_are_results(name: str) -> None:
    model = knapsack()
    model.x[0].value = 4
    model.more = pyo.Constraint(expr=model.x[0] + model.x[1] >= 7)
    result = solve(model, installed(name))
    assert result.status in ("infeasible", "infeasibleOrUnbounded")
    assert (result.objective, result.bound, result.gap, result.loaded) == (None, None, None, False)
    assert (model.x[0].value, model.x[0].stale) == (4, True)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, None))
    model.goal = pyo.Objective(expr=model.x, sense=pyo.maximize)
    assert solve(model, name).status in ("unbounded", "infeasibleOrUnbounded")
    assert solve(knapsack(), name, time_limit=1e-9).status == "maxTimeLimit"


def test_a_model_without_objective_and_one_that_is_not_loaded() -> None:
    model = knapsack()
    result = solve(model, "highs", load=False)
    assert result.objective == pytest.approx(12.0)
    assert (result.loaded, model.x[0].value) == (False, None)
    model.goal.deactivate()
    result = solve(model, "highs")
    assert (result.status, result.objective) == ("optimal", 0.0)
    assert pyo.value(model.row.body) <= 12


def test_arguments_of_another_kind_are_refused() -> None:
    for arguments in ({"time_limit": "10"}, {"time_limit": -1.0}, {"start": 1}, {"load": None}):
        with pytest.raises(InvalidInputError, match=next(iter(arguments))):
            solve(knapsack(), "highs", **arguments)
    with pytest.raises(InvalidInputError, match="time_limit"):
        find_conflict(knapsack(), "highs", time_limit=0.0)
    with pytest.raises(InvalidInputError, match="give a ConcreteModel"):
        solve(NETWORK, "highs")


def test_indicators_of_disjuncts_are_loaded() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 10))
    model.low, model.high = Disjunct(), Disjunct()
    model.low.row = pyo.Constraint(expr=model.x <= 3)
    model.high.row = pyo.Constraint(expr=model.x >= 8)
    model.choice = Disjunction(expr=[model.low, model.high])
    model.goal = pyo.Objective(expr=model.x, sense=pyo.maximize)
    for name in ("scip", "gurobi", "cplex"):
        if not find(name).available():
            continue
        assert solve(model, name).objective == pytest.approx(10.0)
        assert (model.low.indicator_var.value, model.high.indicator_var.value) == (False, True)
        assert model.high.binary_indicator_var.value == 1


@pytest.mark.parametrize("name", SOLVERS)
def test_present_values_are_a_start(name: str) -> None:
    """Subset sums whose only known solution no solver finds at the root."""
    generator = np.random.default_rng(7)
    planted = generator.integers(0, 2, 40)
    weights = generator.integers(0, 100, (4, 40))
    model = pyo.ConcreteModel()
    model.z = pyo.Var(range(40), domain=pyo.Binary)
    model.row = pyo.Constraint(
        range(4),
        rule=lambda m, i: (
            sum(int(w) * z for w, z in zip(weights[i], m.z.values(), strict=True))
            == int(weights[i] @ planted)
        ),
    )
    options = SolverOptions(node_limit=1)
    assert not solve(model, installed(name), options=options).loaded
    for variable, value in zip(model.z.values(), planted.tolist(), strict=True):
        variable.value = value
    assert solve(model, name, options=options, start=True).loaded
    assert [variable.value for variable in model.z.values()] == planted.tolist()


@pytest.mark.parametrize("name", SOLVERS)
def test_a_filled_block_is_a_start(name: str) -> None:
    """The answer is no worse than the input that the block was filled from."""
    generator = np.random.default_rng(0)
    network = Network.from_arrays(
        [generator.normal(size=(8, 3)), generator.normal(size=(1, 8))],
        [generator.normal(size=8), np.zeros(1)],
    )
    points = Box(-1, 1).spread(3).sample(500, generator)
    best = points[int(network(points)[:, 0].argmax())]
    model = pyo.ConcreteModel()
    model.net = formulate(network, Box(-1, 1))
    model.goal = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    fill(model.net, best)
    reached = float(pyo.value(model.goal))
    assert reached == pytest.approx(float(network(best)[0]))
    result = solve(model, installed(name), start=True)
    assert result.objective is not None
    assert result.objective >= reached - 1e-5
    assert pyo.value(model.goal) == pytest.approx(result.objective)


@pytest.mark.parametrize("formulation", formulation_names())
def test_a_network_is_solved_in_every_formulation(formulation: str) -> None:
    model = pyo.ConcreteModel()
    model.net = formulate(NETWORK, Box(-1, 1), formulation=formulation)
    model.goal = pyo.Objective(expr=model.net.outputs[0])
    needs = find_formulation(formulation).needs
    able = [n for n in SOLVERS if find(n).available() and needs <= find(n).features]
    if not able:
        pytest.skip(f"no installed solver offers {needs}")
    result = solve(model, able[0])
    if formulation == "triangle":
        assert result.objective is not None
        assert result.objective <= -1.5
        return
    assert result.objective == pytest.approx(-1.5, abs=1e-6)
    inputs = [variable.value for variable in model.net.inputs.values()]
    assert NETWORK(np.array(inputs))[0] == pytest.approx(-1.5, abs=1e-5)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_conflict_is_infeasible_and_irreducible(name: str) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(6), bounds=(0, 10))
    model.z = pyo.Var(domain=pyo.Binary)
    model.some = pyo.Constraint(range(5), rule=lambda m, k: m.x[k] + m.x[k + 1] <= 15 + k)
    model.least = pyo.Constraint(expr=model.x[2] >= 4 + 3 * model.z)
    model.most = pyo.Constraint(expr=model.x[2] + model.x[3] <= 3)
    conflict = find_conflict(model, installed(name))
    assert conflict.rows == ("least", "most")
    assert conflict.bounds == (("x[3]", "lower"),)
    assert conflict.irreducible
    assert "3" not in str(conflict).splitlines()[0]
    model.most.deactivate()
    with pytest.raises(InvalidInputError, match="not infeasible"):
        find_conflict(model, name)
    model.x[2].fix(1.0)
    assert find_conflict(model, name).bounds == (("x[2]", "fixed"),)


def test_a_conflict_names_disjunctions_and_rows_of_disjuncts() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 10))
    model.low, model.high = Disjunct(), Disjunct()
    model.low.row = pyo.Constraint(expr=model.x <= 3)
    model.high.row = pyo.Constraint(expr=model.x >= 8)
    model.choice = Disjunction(expr=[model.low, model.high])
    model.between = pyo.Constraint(expr=(4, model.x, 7))
    able = [name for name in ("scip", "gurobi", "cplex") if find(name).available()]
    if not able:
        pytest.skip("no installed solver offers indicator rows: pip install 'leo-opt[scip]'")
    conflict = find_conflict(model, able[0])
    assert set(conflict.rows) == {"low.row", "high.row", "choice", "between"}
    assert conflict.bounds == ()
