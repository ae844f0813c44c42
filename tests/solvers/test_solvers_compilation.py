"""Compiling Pyomo models: nothing is lost, and the model stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct, Disjunction

from leo_opt.errors import InvalidInputError
from leo_opt.solvers import compile_model, find

SEEDS = range(20)


def random_model(seed: int) -> Any:
    """A model with ranges, equalities, fixed and idle variables, in nested blocks."""
    generator = np.random.default_rng(seed)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(4), bounds=(-3.0, 5.0))
    model.inner = pyo.Block()
    model.inner.z = pyo.Var(range(3), domain=pyo.Binary)
    model.idle = pyo.Var(bounds=(1.0, 2.0))
    model.inner.free = pyo.Var()
    everything = [*model.x.values(), *model.inner.z.values(), model.inner.free]
    model.rows = pyo.ConstraintList()
    for _ in range(8):
        coefficients = generator.integers(-3, 4, len(everything))
        body = sum(int(c) * v for c, v in zip(coefficients, everything, strict=True)) + 1
        if not coefficients.any():
            continue
        kind = generator.integers(0, 4)
        low, high = float(generator.integers(-9, 0)), float(generator.integers(0, 9))
        model.rows.add(((low, body, high), body <= high, body >= low, body == low)[kind])
    model.goal = pyo.Objective(
        expr=2 * model.x[0] - model.inner.z[1] + 7,
        sense=pyo.maximize if seed % 2 else pyo.minimize,
    )
    for variable in everything:
        if generator.random() < 0.25:
            variable.fix(1.0)
    return model


def state_of(model: Any) -> list[tuple[object, ...]]:
    """All that compiling could have changed."""
    kinds = (pyo.Block, Disjunct)
    variables = model.component_data_objects(pyo.Var, descend_into=kinds)
    parts = model.component_data_objects(
        (Disjunct, Disjunction, pyo.SOSConstraint), descend_into=kinds
    )
    containers = model.component_objects(
        (Disjunct, Disjunction, pyo.SOSConstraint), descend_into=kinds
    )
    return [
        *((v.name, v.fixed, v.value, v.stale, v.lb, v.ub) for v in variables),
        *((part.name, part.active) for part in parts),
        *((part.name, part.active) for part in containers),
        *(
            (d.name, d.indicator_var.fixed, d.indicator_var.value)
            for d in model.component_data_objects(Disjunct, descend_into=kinds)
        ),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_and_objective_have_the_values_of_the_model(seed: int) -> None:
    model = random_model(seed)
    before = state_of(model)
    compiled = compile_model(model)
    assert state_of(model) == before
    form = compiled.form
    variables = list(model.component_data_objects(pyo.Var))
    assert set(map(id, compiled.variables)) == set(map(id, variables))
    point = np.random.default_rng(seed + 100).integers(-5, 6, form.columns).astype(float)
    fixed = [(v, v.value) for v in variables if v.fixed]
    assert [compiled.column_of(v) for v, _ in fixed] == form.fixed_columns.tolist()
    assert [value for _, value in fixed] == form.fixed_values.tolist()
    for variable, value in zip(compiled.variables, point, strict=True):
        variable.set_value(value, skip_validation=True)
    rows = {name: k for k, name in enumerate(form.row_names)}
    assert len(rows) == form.rows == len(list(model.component_data_objects(pyo.Constraint)))
    activity = form.matrix @ point
    for row in model.component_data_objects(pyo.Constraint):
        k = rows[row.name]
        slack_low = -np.inf if row.lower is None else pyo.value(row.body) - pyo.value(row.lower)
        slack_high = np.inf if row.upper is None else pyo.value(row.upper) - pyo.value(row.body)
        assert activity[k] - form.row_lower[k] == (np.inf if row.lower is None else slack_low)
        assert form.row_upper[k] - activity[k] == slack_high
    assert form.objective @ point + form.constant == pyo.value(model.goal)
    assert form.maximize == (model.goal.sense == pyo.maximize)
    for variable in variables:
        column = compiled.column_of(variable)
        assert form.column_names[column] == variable.name
        assert form.integer[column] == variable.is_integer()
        assert form.column_lower[column] == (-np.inf if variable.lb is None else variable.lb)
        assert form.column_upper[column] == (np.inf if variable.ub is None else variable.ub)


def test_columns_and_rows_are_named_as_pyomo_names_them() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var([(0, "a b"), (1, 2)], bounds=(0, 1))
    model.single = pyo.Var(bounds=(0, 1))
    model.inner = pyo.Block(["left", "right"])
    for block in model.inner.values():
        block.y = pyo.Var(range(2), bounds=(0, 1))
        block.rows = pyo.Constraint(range(2), rule=lambda b, k: b.y[k] <= model.single)
    model.other = pyo.Constraint(expr=model.x[1, 2] >= model.single)
    form = compile_model(model).form
    assert set(form.column_names) == {v.name for v in model.component_data_objects(pyo.Var)}
    rows = {row.name for row in model.component_data_objects(pyo.Constraint)}
    assert set(form.row_names) == rows


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_expressions_become_arrays(seed: int) -> None:
    model = random_model(seed)
    compiled = compile_model(model)
    before = state_of(model)
    coefficients, constant = compiled.linear(model.goal.expr)
    assert state_of(model) == before
    assert np.array_equal(coefficients, compiled.form.objective)
    assert constant == compiled.form.constant


def test_blocks_may_use_variables_from_elsewhere() -> None:
    model = pyo.ConcreteModel()
    model.outside = pyo.Var(bounds=(0, 4))
    model.block = pyo.Block()
    model.block.y = pyo.Var(bounds=(0, 9))
    model.block.row = pyo.Constraint(expr=model.block.y <= 2 * model.outside)
    compiled = compile_model(model.block)
    assert compiled.form.column_names == ("block.y", "outside")
    stranger = pyo.ConcreteModel()
    stranger.x = pyo.Var()
    with pytest.raises(InvalidInputError, match="no variable of the compiled model"):
        compiled.column_of(stranger.x)


def test_sets_and_disjuncts_stand_beside_the_matrix() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), bounds=(0, 5))
    model.group = pyo.SOSConstraint(var=model.x, sos=2)
    model.on = Disjunct([0, 1])
    model.on[0].row = pyo.Constraint(expr=(1, model.x[2] + 2 * model.x[0], 3))
    model.on[1].row = pyo.Constraint(expr=model.x[1] <= 1)
    model.choice = Disjunction(expr=[model.on[0], model.on[1]])
    model.unused = Disjunct()
    model.unused.deactivate()
    before = state_of(model)
    compiled = compile_model(model)
    assert state_of(model) == before
    form = compiled.form
    (group,) = form.sos
    assert group.kind == 2
    assert group.columns.tolist() == [compiled.column_of(model.x[k]) for k in range(3)]
    first, second = form.indicators
    assert first.binary == compiled.column_of(model.on[0].binary_indicator_var)
    assert (first.lower, first.upper, second.upper) == (1.0, 3.0, 1.0)
    row = form.matrix.toarray()[form.row_names.index("choice")]
    assert row.sum() == 2.0
    assert row[[first.binary, second.binary]].tolist() == [1.0, 1.0]
    unused = compiled.column_of(model.unused.binary_indicator_var)
    assert unused in form.fixed_columns


def test_the_model_is_put_back_after_an_error() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=(0, 5))
    model.x[0].fix(2.0)
    model.group = pyo.SOSConstraint(var=model.x, sos=1)
    model.row = pyo.Constraint(expr=model.x[0] * model.x[1] <= 3)
    before = state_of(model)
    with pytest.raises(InvalidInputError, match="replace a fixed factor by a number"):
        compile_model(model)
    assert state_of(model) == before


@pytest.mark.parametrize("kind", ["objectives", "false", "logic", "domain", "value"])
def test_refusals(kind: str) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1))
    model.y = pyo.BooleanVar()
    if kind == "objectives":
        model.first = pyo.Objective(expr=model.x)
        model.second = pyo.Objective(expr=-model.x)
    elif kind == "false":
        model.row = pyo.Constraint(expr=pyo.Expression(expr=0.0 * model.x) + 0.0 * model.x >= 1)
        model.c = pyo.Constraint(expr=(None, 0 * model.x + 2.0, 1.0))
    elif kind == "logic":
        model.row = pyo.LogicalConstraint(expr=model.y.lor(True))
    elif kind == "domain":
        model.z = pyo.Var(domain=pyo.Set(initialize=[1, 5]))
        model.row = pyo.Constraint(expr=model.z >= 2)
    else:
        model.x.fix(None)
    with pytest.raises(InvalidInputError):
        compile_model(model)


def test_a_compiled_model_is_solved() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.NonNegativeIntegers, bounds=(0, 6))
    model.x[2].fix(1)
    model.row = pyo.Constraint(expr=3 * model.x[0] + 2 * model.x[1] + model.x[2] <= 12)
    model.goal = pyo.Objective(expr=2 * model.x[0] + model.x[1] + 5, sense=pyo.maximize)
    with find("highs").open(compile_model(model).form) as session:
        answer = session.solve()
        assert answer.incumbent_objective == pytest.approx(12.0)
        session.free()
        assert session.solve().incumbent_objective == pytest.approx(13.0)
