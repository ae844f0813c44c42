"""Separated rows: in rounds at the root, and as user cuts in the tree."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from random_networks import random_case

from leo_opt import Box, Network, formulate, propagate
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import ConvexHull
from leo_opt.separation import Separation, strengthen
from leo_opt.solvers import Compiled, compile_model, find


def dense_network(seed: int, widths: tuple[int, ...] = (6, 8, 8, 1)) -> Network:
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=(m, n)) for n, m in pairwise(widths)]
    return Network.from_arrays(weights, [0.3 * generator.normal(size=len(w)) for w in weights])


def build(network: Network, box: Box, formulation: Any = "ideal") -> tuple[Any, Compiled]:
    model = pyo.ConcreteModel()
    model.net = formulate(network, box, formulation=formulation)
    return model.net, compile_model(model)


def test_rounds_reach_the_bound_of_the_hull() -> None:
    """On deep networks, too: every unit's hull is reached at the optimum."""
    for seed in range(4):
        network = dense_network(seed)
        bounds = {}
        for name in ("ideal", "convex-hull"):
            block, compiled = build(network, Box(-1.0, 1.0), name)
            objective, constant = compiled.linear(block.outputs[0])
            with find("highs").open(compiled.form) as session:
                separation = Separation.of(compiled, block)
                result = strengthen(session, separation, objective, constant=constant)
                assert result.complete
                bounds[name] = result.bounds
        assert bounds["ideal"][-1] == pytest.approx(bounds["convex-hull"][-1], rel=1e-5)
        assert bounds["ideal"][-1] < bounds["ideal"][0] - 1e-3
        assert len(bounds["convex-hull"]) == 1


@pytest.mark.system
def test_separated_rows_hold_at_every_point_of_the_network() -> None:
    """Rows found at random points, most of them far from the network, cut off no forward pass."""
    tried = 0
    for seed in range(50):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        box = box.spread(network.input_size)
        block, compiled = build(network, box)
        if not block.units:
            continue
        separation = Separation.of(compiled, block)
        form = compiled.form
        spread = form.column_upper - form.column_lower
        found = []
        for _ in range(8):
            rows = separation(form.column_lower + spread * generator.random(form.columns))
            found += [] if rows is None else [rows]
        corner = box.vertices(generator.normal(size=(4, network.input_size)))
        for inputs in np.vstack([box.sample(8, generator), corner]):
            pres = network.pre_activations(inputs)
            for rows in found:
                for row, upper in zip(rows.matrix.toarray(), rows.upper, strict=True):
                    value = activity(block, compiled, row, inputs, pres)
                    assert value <= upper + 1e-7
                    tried += 1
    assert tried > 300


def activity(
    block: Any, compiled: Compiled, row: np.ndarray, inputs: np.ndarray, pres: list[np.ndarray]
) -> float:
    """A row over the columns that belong to units, at a forward pass."""
    point = np.zeros(compiled.form.columns)
    for unit in block.units:
        layer, index = unit.address
        scale = block.scale[unit.address]
        pre = pres[layer][index] * scale
        point[compiled.column_of(unit.pre)] = pre
        point[compiled.column_of(unit.post)] = max(pre, 0.0)
        point[compiled.column_of(unit.active)] = float(pre > 0.0)
    for (layer, index), variable in block.scaled_pre.items():
        if (layer, index) not in block.scaled_post:
            pre = pres[layer][index] - block.shift[layer, index]
            point[compiled.column_of(variable)] = pre * block.scale[layer, index]
    for k, value in enumerate(inputs):
        point[compiled.column_of(block.inputs[k])] = value
    scaled = block.component("scaled_inputs")
    for k, variable in {} if scaled is None else scaled.items():
        terms, _ = compiled.linear(block.input_scaling[k].body)
        own = terms[compiled.column_of(variable)]
        rest = terms[compiled.column_of(block.inputs[k])] * inputs[k]
        point[compiled.column_of(variable)] = (pyo.value(block.input_scaling[k].upper) - rest) / own
    return float(row @ point)


def test_the_strengthened_model_has_the_same_optimum() -> None:
    network = dense_network(5)
    block, compiled = build(network, Box(-1.0, 1.0))
    objective, constant = compiled.linear(block.outputs[0])
    with find("highs").open(compiled.form) as session:
        before = session.maximize(objective, constant=constant)
        result = strengthen(session, Separation.of(compiled, block), objective, constant=constant)
        after = session.maximize(objective, constant=constant)
        assert before.objective_bound == pytest.approx(after.objective_bound, abs=1e-5)
        assert result.rows > 0
        for handle in result.handles:
            session.remove(handle)
        again = session.maximize(objective, constant=constant, relaxation=True)
        assert again.objective_bound == pytest.approx(result.bounds[0], abs=1e-6)


def test_minimisation_and_limits() -> None:
    network = dense_network(6)
    block, compiled = build(network, Box(-1.0, 1.0))
    separation = Separation.of(compiled, block)
    objective, _ = compiled.linear(block.outputs[0])
    with find("highs").open(compiled.form) as session:
        rising = strengthen(session, separation, objective, maximize=False)
        assert rising.complete
        assert list(rising.bounds) == sorted(rising.bounds)
    with find("highs").open(compiled.form) as session:
        once = strengthen(session, separation, objective, rounds=1)
        assert len(once.handles) == 1
        assert len(once.bounds) == 2
        assert not once.complete
        none = strengthen(session, separation, objective, time_limit=0.0)
        assert none.bounds == ()
        assert not none.complete


@pytest.mark.parametrize("name", ["scip", "gurobi", "cplex"])
def test_user_cuts_in_the_tree(name: str) -> None:
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed")
    network = dense_network(7, (5, 6, 5, 1))
    block, compiled = build(network, Box(-1.0, 1.0))
    objective, constant = compiled.linear(block.outputs[0])
    separation = Separation.of(compiled, block)
    calls = []

    def separate(point: np.ndarray) -> Any:
        rows = separation(point)
        calls.append(rows)
        return rows

    with solver.open(compiled.form) as session:
        plain = session.maximize(objective, constant=constant)
        cut = session.maximize(objective, constant=constant, separate=separate)
    assert cut.objective_bound == pytest.approx(plain.objective_bound, abs=1e-5)
    assert any(rows is not None for rows in calls)


def test_separation_travels_to_other_processes() -> None:
    network = dense_network(8)
    block, compiled = build(network, Box(-1.0, 1.0))
    separation = Separation.of(compiled, block)
    copy = pickle.loads(pickle.dumps(separation))
    point = np.where(compiled.form.integer, 0.5, compiled.form.column_upper)
    left, right = separation(point), copy(point)
    assert left is not None
    assert right is not None
    assert np.array_equal(left.matrix.toarray(), right.matrix.toarray())


def test_several_blocks_are_separated_together() -> None:
    model = pyo.ConcreteModel()
    network = dense_network(9, (3, 4, 1))
    model.first = formulate(network, Box(-1.0, 1.0), formulation="ideal")
    model.second = formulate(
        network, Box(-1.0, 1.0), inputs=model.first.inputs, formulation=ConvexHull()
    )
    compiled = compile_model(model)
    separation = Separation.of(compiled, model.first, model.second)
    assert [formulation.name for formulation, _ in separation.places] == ["ideal", "convex-hull"]
    objective, _ = compiled.linear(model.first.outputs[0] - model.second.outputs[0])
    with find("highs").open(compiled.form) as session:
        assert strengthen(session, separation, objective).complete


def test_wrong_use_is_a_one_line_error() -> None:
    network = dense_network(10, (3, 4, 1))
    block, compiled = build(network, Box(-1.0, 1.0), "triangle")
    with pytest.raises(InvalidInputError, match="triangle is a relaxation"):
        Separation.of(compiled, block)
    block, compiled = build(network, Box(-1.0, 1.0))
    other, _ = build(network, Box(-1.0, 1.0))
    with pytest.raises(InvalidInputError, match="no variable of the compiled model"):
        Separation.of(compiled, other)
    with pytest.raises(InvalidInputError, match=r"shape \(2,\); the model has"):
        Separation.of(compiled, block)(np.zeros(2))


def test_propagated_bounds_reach_the_formulation() -> None:
    """Separation works with the intervals of the block, not with its own."""
    network = dense_network(11, (3, 4, 1))
    bounds = propagate(network, Box(-1.0, 1.0))
    block = formulate(network, bounds=bounds, formulation="ideal")
    for unit in block.units:
        layer, index = unit.address
        scale = block.scale[unit.address]
        assert unit.lower == bounds.lower[layer][index] * scale
        assert unit.upper == bounds.upper[layer][index] * scale
