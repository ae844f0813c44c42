"""Disjunctions, sets and logic are translated exactly, or refused by name."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.dae import ContinuousSet, DerivativeVar
from pyomo.gdp import Disjunct, Disjunction
from pyomo.mpec import Complementarity, complements
from pyomo.network import Arc, Port
from solvers.random_disjunctions import add_disjunction, random_row

from leo_opt import Box, Network, formulate
from leo_opt.errors import InvalidInputError
from leo_opt.solvers import Feature, compile_model, find

SEEDS = range(40)
VALUES = (-1.0, 0.0, 1.0)


def random_model(seed: int) -> Any:
    """A model of three bounded variables with disjunctions up to two deep."""
    generator = np.random.default_rng(seed)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.Integers, bounds=(min(VALUES), max(VALUES)))
    add_disjunction(generator, model, model, depth=1)
    if generator.random() < 0.5:
        model.row = pyo.Constraint(expr=random_row(generator, model))
    goal = [int(c) for c in generator.integers(-5, 6, 3)]
    model.goal = pyo.Objective(
        expr=sum(c * x for c, x in zip(goal, model.x.values(), strict=True)), sense=pyo.maximize
    )
    return model


def holds(owner: Any) -> bool:
    """Whether the variables can satisfy what stands in a block, or in a disjunct that is true.

    Written from what Pyomo says that disjunctions mean, without any row of a compiler.
    """
    rows = all(
        (row.lower is None or pyo.value(row.body) >= pyo.value(row.lower))
        and (row.upper is None or pyo.value(row.body) <= pyo.value(row.upper))
        for row in owner.component_data_objects(pyo.Constraint, active=True)
    )
    groups = owner.component_data_objects(pyo.SOSConstraint, active=True)
    choices = owner.component_data_objects(Disjunction, active=True)
    return rows and all(map(set_holds, groups)) and all(can_choose(owner, c) for c in choices)


def set_holds(group: Any) -> bool:
    used = [k for k, variable in enumerate(group.variables) if variable.value != 0.0]
    return not used or (len(used) <= group.level and used[-1] - used[0] < group.level)


def can_choose(owner: Any, choice: Any) -> bool:
    """Whether some of the disjuncts hold, as many as the disjunction and its logic ask for."""
    possible = [disjunct for disjunct in choice.disjuncts if disjunct.active and holds(disjunct)]
    for values in itertools.product((False, True), repeat=len(choice.disjuncts)):
        chosen = [d for d, value in zip(choice.disjuncts, values, strict=True) if value]
        fixed = all(
            d.indicator_var.value == value
            for d, value in zip(choice.disjuncts, values, strict=True)
            if d.indicator_var.fixed
        )
        counted = len(chosen) == 1 if choice.xor else len(chosen) >= 1
        if not (fixed and counted and all(d in possible for d in chosen)):
            continue
        if logic_holds(owner, dict(zip(map(id, choice.disjuncts), values, strict=True)), choice):
            return True
    return False


def logic_holds(owner: Any, values: dict[int, bool], choice: Any) -> bool:
    before = [(d.indicator_var, d.indicator_var.value) for d in choice.disjuncts]
    for disjunct in choice.disjuncts:
        disjunct.indicator_var.set_value(values[id(disjunct)])
    rows = owner.component_data_objects(pyo.LogicalConstraint, active=True)
    answer = all(bool(pyo.value(row.expr)) for row in rows)
    for variable, value in before:
        variable.set_value(value)
    return answer


def brute_force(model: Any) -> float | None:
    """The largest objective over all points, None without any."""
    best = None
    for point in itertools.product(VALUES, repeat=len(model.x)):
        for variable, value in zip(model.x.values(), point, strict=True):
            variable.set_value(value)
        if holds(model):
            value = float(pyo.value(model.goal))
            best = value if best is None else max(best, value)
    return best


@functools.cache
def right_answer(seed: int) -> float | None:
    return brute_force(random_model(seed))


def able_solver(*features: Feature) -> Any:
    """The first installed solver that offers the features."""
    for name in ("scip", "gurobi", "cplex"):
        solver = find(name)
        if solver.available() and solver.features >= set(features):
            return solver
    pytest.skip(f"no installed solver offers {features}: pip install 'leo-opt[scip]'")


def optimum(model: Any) -> float | None:
    solver = able_solver(Feature.INDICATOR, Feature.SOS1, Feature.SOS2)
    with solver.open(compile_model(model).form) as session:
        answer = session.solve()
    if answer.termination_condition == "infeasible":
        return None
    assert answer.termination_condition == "optimal"
    return answer.incumbent_objective


@pytest.mark.parametrize("seed", SEEDS)
def test_random_disjunctive_models_have_the_optimum_of_enumeration(seed: int) -> None:
    right = right_answer(seed)
    found = optimum(random_model(seed))
    assert found == (None if right is None else pytest.approx(right, abs=1e-6))


def test_random_models_have_all_that_is_tested() -> None:
    """Nested disjunctions, both kinds of choice, sets, logic, and models without a point."""
    models = [random_model(seed) for seed in SEEDS]
    inside = (pyo.Block, Disjunct)
    kinds = {
        (part.ctype.__name__, getattr(part, "xor", None), part.parent_block() is model)
        for model in models
        for kind in (Disjunction, pyo.SOSConstraint, pyo.LogicalConstraint)
        for part in model.component_data_objects(kind, active=True, descend_into=inside)
    }
    assert len(kinds) == 7
    answers = [right_answer(seed) for seed in SEEDS]
    assert 2 <= answers.count(None) <= len(answers) // 2


def test_a_nested_disjunction_binds_only_where_its_disjunct_is_true() -> None:
    model = pyo.ConcreteModel()
    model.x, model.y = pyo.Var(bounds=(0, 10)), pyo.Var(bounds=(0, 10))
    model.a, model.b = Disjunct(), Disjunct()
    model.a.row = pyo.Constraint(expr=model.x <= 3)
    model.a.choice = Disjunction(expr=[[model.y <= 2], [model.y <= 1]])
    model.b.row = pyo.Constraint(expr=model.x <= 8)
    model.choice = Disjunction(expr=[model.a, model.b])
    model.goal = pyo.Objective(expr=model.x + model.y, sense=pyo.maximize)
    assert optimum(model) == pytest.approx(18.0)


@pytest.mark.parametrize("formulation", ["sos1", "indicator", "big-m"])
def test_a_network_in_a_disjunct(formulation: str) -> None:
    """The minimum is that of the network, not of a relaxation without its phases."""
    network = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0]]], [[0.0, 0.5], [0.0]])
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=(-1, 1))
    model.z = pyo.Var(bounds=(-5, 5))
    model.on, model.off = Disjunct(), Disjunct()
    model.on.net = formulate(network, Box(-1, 1), inputs=model.x, formulation=formulation)
    model.on.row = pyo.Constraint(expr=model.z == model.on.net.outputs[0])
    model.off.row = pyo.Constraint(expr=model.z >= 2)
    model.choice = Disjunction(expr=[model.on, model.off])
    model.goal = pyo.Objective(expr=model.z)
    assert optimum(model) == pytest.approx(-1.5)


def test_piecewise_functions_and_transformed_models_are_compiled() -> None:
    model = pyo.ConcreteModel()
    model.x, model.y = pyo.Var(bounds=(0, 3)), pyo.Var(bounds=(-9, 9))
    model.curve = pyo.Piecewise(
        model.y, model.x, pw_pts=[0, 1, 3], f_rule=[0, 2, 1], pw_constr_type="EQ", pw_repn="SOS2"
    )
    model.choice = Disjunction(expr=[[model.x <= 0.5], [model.x >= 2]])
    model.goal = pyo.Objective(expr=model.y, sense=pyo.maximize)
    assert optimum(model) == pytest.approx(1.5)
    pyo.TransformationFactory("gdp.bigm").apply_to(model)
    assert optimum(model) == pytest.approx(1.5)


def refused_models() -> dict[str, Any]:
    """By the component that is refused, a model that holds it."""
    models: dict[str, Any] = {}

    def start(name: str) -> Any:
        model = models[name] = pyo.ConcreteModel()
        model.x = pyo.Var(range(3), bounds=(0, 1))
        return model

    model = start("Complementarity link")
    model.link = Complementarity(expr=complements(model.x[0] >= 0, model.x[1] >= 0))
    model = start("DerivativeVar slope")
    model.time = ContinuousSet(bounds=(0, 1))
    model.y = pyo.Var(model.time)
    model.slope = DerivativeVar(model.y)
    model.time.get_discretization_info()["scheme"] = "given"
    model = start("ContinuousSet time")
    model.time = ContinuousSet(bounds=(0, 1))
    model = start("Arc link")
    model.a, model.b = Port(), Port()
    model.a.add(model.x[0], "v")
    model.b.add(model.x[1], "v")
    model.link = Arc(source=model.a, destination=model.b)
    model = start("LogicalConstraint row")
    model.flag = pyo.BooleanVar()
    model.row = pyo.LogicalConstraint(expr=model.flag)
    model = start("Objective on.goal")
    model.on, model.off = Disjunct(), Disjunct()
    model.on.goal = pyo.Objective(expr=model.x[0])
    model.choice = Disjunction(expr=[model.on, model.off])
    model = start("Disjunct on.inner")
    model.on, model.off = Disjunct(), Disjunct()
    model.on.inner = Disjunct()
    model.choice = Disjunction(expr=[model.on, model.off])
    model = start("Disjunction choice")
    model.away = pyo.Block()
    model.away.on, model.off = Disjunct(), Disjunct()
    model.choice = Disjunction(expr=[model.away.on, model.off])
    model.away.deactivate()
    model = start("on.row is not linear")
    model.on, model.off = Disjunct(), Disjunct()
    model.on.row = pyo.Constraint(expr=model.x[0] * model.x[1] <= 1)
    model.choice = Disjunction(expr=[model.on, model.off])
    model = start("SOSConstraint group")
    model.group = pyo.SOSConstraint(rule=lambda _: ([model.x[0], model.x[1]], [1, 1]), sos=2)
    model = start("Suffix sosno")
    model.sosno = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    model.sosno[model.x[0]] = 1
    model = start("is deactivated")
    model.deactivate()
    models["is not constructed"] = pyo.AbstractModel()
    return models


@pytest.mark.parametrize("name", list(refused_models()))
def test_what_is_not_understood_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        compile_model(refused_models()[name])


def test_what_is_refused_may_be_deactivated() -> None:
    model = refused_models()["Complementarity link"]
    model.link.deactivate()
    assert compile_model(model).form.rows == 0


def test_rows_that_are_false_switch_their_disjunct_off() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1))
    model.on, model.off = Disjunct(), Disjunct()
    model.on.row = pyo.Constraint(expr=0.0 * model.x >= 1.0)
    model.off.row = pyo.Constraint(expr=model.x <= 0.5)
    model.choice = Disjunction(expr=[model.on, model.off])
    model.goal = pyo.Objective(expr=model.x, sense=pyo.maximize)
    assert optimum(model) == pytest.approx(0.5)
