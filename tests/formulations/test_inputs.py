"""Rows of a polytope in the block of a network."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from oracle import Flat, exact_ranges
from random_networks import random_network
from random_polytopes import random_polytope
from seeds import seeds

from leo_opt import Network, Polytope, formulate
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError


@pytest.mark.parametrize("seed", seeds(4, of=40))
def test_optima_are_those_of_the_polytope(seed: int) -> None:
    generator = np.random.default_rng((229, seed))
    # Such ranges are held by scaled variables, others directly.
    reach = float(generator.choice([1.0, 100.0]))
    network = random_network(generator, inputs=3)
    polytope = random_polytope(generator, Box(-0.5 * reach, reach).spread(3))
    try:
        (low, high), *_ = exact_ranges(network, polytope)[-1]
    except Flat:
        return
    k = network.output_size
    ends = np.array([[float(low)] * k, [float(high)] * k])
    least, most = network.layers[-1].activate(ends)[:, 0]
    for sense, exact in ((pyo.minimize, least), (pyo.maximize, most)):
        model = pyo.ConcreteModel()
        model.net = formulate(network, polytope, formulation="big-m")
        model.goal = pyo.Objective(expr=model.net.outputs[0], sense=sense)
        pyo.SolverFactory("appsi_highs").solve(model)
        assert pyo.value(model.goal) == pytest.approx(exact, abs=1e-5 * float(high - low) + 1e-9)


def test_inputs_of_other_models_are_restricted_on_request() -> None:
    network = Network.from_arrays([[[1.0, 2.0]]], [[0.0]])
    polytope = Polytope((0.0, 1.0), [[1.0, 1.0]], [0.5])
    model = pyo.ConcreteModel()
    model.x = pyo.Var([0, 1], bounds=(0, 1))
    with pytest.raises(InvalidInputError, match="may leave the rows of the polytope"):
        formulate(network, polytope, inputs=model.x)
    model.net = formulate(network, polytope, inputs=model.x, restrict=True)
    model.goal = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(model)
    assert pyo.value(model.goal) == pytest.approx(1.0)
