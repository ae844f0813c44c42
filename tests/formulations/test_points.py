"""A block is filled from an input, whatever its inputs are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt import Box, Network, formulate
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import Formulation, Partition, fill, find, names
from leo_opt.solvers import compile_model

FORMULATIONS = [
    *(find(name) for name in names()),
    Partition(parts=3, split="random", part_bounds="crown"),
]


def violation(model: Any) -> float:
    """Of the whole model at the values of its variables."""
    compiled = compile_model(model)
    values = [variable.value for variable in compiled.variables]
    assert None not in values
    return float(compiled.form.violation(np.array(values, dtype=float)))


def random_network(generator: np.random.Generator, low: float, high: float) -> Network:
    """Three inputs in units of the box."""
    first = generator.normal(size=(5, 3)) / (high - low)
    return Network.from_arrays(
        [first, generator.normal(size=(4, 5)), generator.normal(size=(2, 4))],
        [-first.sum(axis=1) * 0.5 * (low + high), generator.normal(size=4), np.zeros(2)],
    )


@pytest.mark.parametrize("formulation", FORMULATIONS, ids=str)
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1e-3), (0.0, 1e5), (3.0, 3.001)])
def test_a_filled_block_violates_nothing(formulation: Formulation, low: float, high: float) -> None:
    generator = np.random.default_rng(1)
    network = random_network(generator, low, high)
    box = Box(low, high).spread(3)
    model = pyo.ConcreteModel()
    model.net = formulate(network, box, formulation=formulation)
    points = np.vstack([box.sample(3, generator), box.lower, box.upper])
    for point in points:
        fill(model.net, point)
        assert violation(model) <= 1e-6
        outputs = [pyo.value(value) for value in model.net.outputs.values()]
        assert np.allclose(outputs, network(point), rtol=1e-6, atol=1e-6)


def test_inputs_of_all_kinds_and_networks_behind_each_other_are_filled() -> None:
    generator = np.random.default_rng(2)
    network = random_network(generator, -1.0, 1.0)
    model = pyo.ConcreteModel()
    model.x, model.p = pyo.Var(bounds=(-0.01, 0.01)), pyo.Param(initialize=0.5, mutable=True)
    model.y = pyo.Var(bounds=(-1, 1))
    model.first = formulate(network, inputs=[model.x, model.p, model.y - model.x])
    model.second = formulate(network, inputs=[model.x, 0.25, model.first.outputs[1]])
    model.third = formulate(network, inputs=[model.x, 0.25, model.first.outputs[1]])
    model.x.value, model.y.value = 0.005, 0.75
    for block in (model.first, model.second, model.third):
        fill(block)
    assert violation(model) <= 1e-6
    middle = network(np.array([0.005, 0.5, 0.745]))
    outputs = [pyo.value(value) for value in model.third.outputs.values()]
    assert np.allclose(outputs, network(np.array([0.005, 0.25, middle[1]])))


def test_what_cannot_be_filled_is_refused() -> None:
    network = random_network(np.random.default_rng(3), -1.0, 1.0)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), bounds=(-1, 1))
    model.net = formulate(network, inputs=[model.x[0], model.x[1], 0.5 * model.x[2]])
    with pytest.raises(InvalidInputError, match="input 0 of the block has no value"):
        fill(model.net)
    with pytest.raises(InvalidInputError, match=r"which is worth None and not 0\.5"):
        fill(model.net, [0.0, 0.0, 0.5])
    with pytest.raises(InvalidInputError, match=r"input 1 is 2.0, outside of"):
        fill(model.net, [0.0, 2.0, 0.5])
    with pytest.raises(InvalidInputError, match=r"shape \(2,\)"):
        fill(model.net, [0.0, 2.0])
    with pytest.raises(InvalidInputError, match="the block that formulate returned"):
        fill(model, [0.0, 0.0, 0.5])
    model.x[2].value = 1.0
    fill(model.net, [0.0, 0.0, 0.5])
    assert violation(model) <= 1e-6
