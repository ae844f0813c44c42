"""A compiled network and the way back from a point of it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from forward_points import forward_values
from oracle import exact_pre_activations
from random_networks import random_case, random_network, structured
from seeds import seeds

from leo_opt import Box, Network
from leo_opt.bounds import Bounds, propagate
from leo_opt.encoding import Encoding
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import FORMULATIONS, find, formulate
from leo_opt.network import Layer
from leo_opt.solvers import compile_model
from leo_opt.solvers import find as find_solver
from leo_opt.weights import dense


def encode(network: Network, box: Box, name: str, **options: Any) -> tuple[Any, Any, Encoding]:
    """A block, what it was compiled to, and its encoding."""
    model = pyo.ConcreteModel()
    model.net = formulate(network, box, formulation=name, **options)
    compiled = compile_model(model)
    return model.net, compiled, Encoding.read(compiled, model.net)


def check_way_back(
    encoding: Encoding, network: Network, point: np.ndarray, inputs: np.ndarray
) -> None:
    """The maps give the network's own values at the point that belongs to an input."""
    assert encoding.inputs_of(point) == pytest.approx(inputs, rel=1e-12, abs=1e-12)
    pres, posts = encoding.pre_of(point), encoding.post_of(point)
    below = np.abs(inputs)
    for index, exact in enumerate(exact_pre_activations(network, list(inputs))):
        layer, pre = network.layers[index], np.array([float(value) for value in exact])
        # Constants are what the bounds say; all else differs by rounding of these terms.
        reach = np.abs(encoding.bounds.lower[index]) + np.abs(encoding.bounds.upper[index])
        slack = 1e-10 * (1.0 + reach + np.abs(dense(layer.weight)) @ below + np.abs(layer.bias))
        post = layer.activate(pre)
        assert (np.abs(pres[index] - pre) <= slack).all()
        assert (np.abs(posts[index] - post) <= slack).all()
        weights = np.random.default_rng(index).normal(size=post.size)
        cost, constant = encoding.objective(weights, index)
        held = np.flatnonzero(cost)
        value = cost[held] @ point[held] + constant
        assert abs(value - weights @ post) <= np.abs(weights) @ slack
        binary = encoding.active[index]
        assert np.array_equal(point[binary[binary >= 0]], (pre > 0.0)[binary >= 0])
        below = np.abs(post)


def test_noise_is_no_pre_activation() -> None:
    """A unit that is inactive up to noise has a column of its post-activation only."""
    hidden = Layer(np.array([[1.0], [1.0], [-1.0]]), np.array([-1.0 + 2.0**-45, 0.0, -3.0]), "relu")
    network = Network((hidden, Layer(np.ones((1, 3)), np.zeros(1), "linear")))
    block, compiled, encoding = encode(network, Box(-1.0, 1.0).spread(1), "big-m")
    assert (0, 0) in block.scaled_post
    assert encoding.pre[0].columns[0] == -1
    assert encoding.post[0].columns[0] >= 0
    assert np.isnan(encoding.pre[0].offsets).tolist() == [True, False, True]
    for value in (-1.0, 0.25, 1.0):
        point = forward_values(block, compiled, network, np.array([value]))
        check_way_back(encoding, network, point, np.array([value]))


def test_a_lane_counts_once_for_each_unit_that_carries_it() -> None:
    weight = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    network = Network((Layer(weight, np.zeros(3), "linear"),))
    encoding = Encoding.of(
        network, Box(-1.0, 1.0).spread(2), propagate(network, Box(-1, 1)), "sos1"
    )
    assert np.array_equal(encoding.post[0].columns, encoding.inputs.columns[[0, 0, 1]])
    cost, constant = encoding.objective(np.array([2.0, 3.0, 0.0]))
    assert cost[encoding.inputs.columns].tolist() == [5.0, 0.0]
    assert constant == 0.0


@pytest.mark.parametrize("name", sorted(FORMULATIONS))
@pytest.mark.parametrize("seed", seeds(6, of=40))
@pytest.mark.parametrize("centred", [True, False])
def test_maps_give_the_networks_own_values(name: str, seed: int, centred: bool) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    network = structured(generator, network) if seed % 2 else network
    block, compiled, encoding = encode(network, box, name, centred=centred)
    for inputs in (*box.sample(2, generator), box.upper):
        point = forward_values(block, compiled, network, inputs)
        check_way_back(encoding, network, point, inputs)
        fixed = encoding.inputs.columns_at(inputs)
        assert fixed == pytest.approx(point[encoding.inputs.columns], rel=1e-9, abs=1e-9)
    assert np.array_equal(
        [binary.size for binary in encoding.active], [layer.n_out for layer in network.layers]
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_users_model_with_shared_inputs(seed: int) -> None:
    """Two networks of variables, expressions and numbers; the second shares what holds them."""
    generator = np.random.default_rng(seed)
    box = Box(np.array([-1.0, -100.0, 2.0, 0.0]), np.array([1.0, 300.0, 2.0, 0.001]))
    networks = [random_network(generator, inputs=4, widths=(4, 3)) for _ in range(2)]
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=lambda _, k: (box.lower[k], box.upper[k]))
    model.y = pyo.Var(bounds=(0.0, 1.0))
    inputs = [model.x[0], model.x[1], 2.0, 0.001 * model.y]
    model.first = formulate(networks[0], box, inputs=inputs)
    model.second = formulate(networks[1], box, inputs=inputs)
    compiled = compile_model(model)
    blocks = [model.first, model.second]
    first, second = (Encoding.read(compiled, block) for block in blocks)
    assert first.inputs.columns[:2].tolist() == second.inputs.columns[:2].tolist()
    assert first.inputs.columns[2] == -1
    assert first.inputs.columns[0] == compiled.column_of(model.x[0])
    for wanted in box.sample(3, generator):
        for encoding, network, block in zip((first, second), networks, blocks, strict=True):
            point = np.full(compiled.form.columns, np.nan)
            held = encoding.inputs.columns >= 0
            point[encoding.inputs.columns[held]] = encoding.inputs.columns_at(wanted)[held]
            for index, exact in enumerate(exact_pre_activations(network, list(wanted))):
                for unit, pre in enumerate(map(float, exact)):
                    at = index, unit
                    for part, value in ((block.scaled_pre, pre), (block.scaled_post, max(pre, 0))):
                        if at in part:
                            scaled = (value - block.shift[at]) * block.scale[at]
                            point[compiled.column_of(part[at])] = scaled
                    if at in block.is_active:
                        point[compiled.column_of(block.is_active[at])] = float(pre > 0)
            check_way_back(encoding, network, point, wanted)


def test_narrow_inputs_are_read_where_the_network_reads_them() -> None:
    """The column in natural units is known to a tolerance that is far above such a range."""
    box = Box(np.array([1.0]), np.array([1.0 + 2.0**-40]))
    network = Network((Layer(np.ones((1, 1)), np.zeros(1), "linear"),))
    _, _, encoding = encode(network, box, "big-m")
    cost, constant = encoding.objective(np.ones(1))
    with find_solver("highs").open(encoding.form) as session:
        point = session.maximize(cost, constant=constant).point
    assert point is not None
    assert encoding.inputs_of(point)[0] == box.upper[0]


def test_an_input_is_clipped_into_the_domain() -> None:
    network, box = random_case(np.random.default_rng(0))
    _, _, encoding = encode(network, box, "big-m")
    far = np.full(encoding.form.columns, 1e9)
    assert np.array_equal(encoding.inputs_of(far), box.upper)
    assert np.array_equal(encoding.inputs_of(-far), box.lower)


@pytest.mark.parametrize("name", ["big-m", "ideal", "triangle"])
def test_an_encoding_made_at_once_is_the_one_that_is_read(name: str) -> None:
    network, box = random_case(np.random.default_rng(3))
    bounds = propagate(network, box)
    made = Encoding.of(network, box, bounds, name)
    _, _, read = encode(network, box, name, bounds=bounds)
    copy = pickle.loads(pickle.dumps(made))
    for other in (read, copy):
        assert np.array_equal(made.form.matrix.toarray(), other.form.matrix.toarray())
        for mine, theirs in zip((*made.pre, *made.post), (*other.pre, *other.post), strict=True):
            assert np.array_equal(mine.columns, theirs.columns)
            assert np.array_equal(mine.offsets, theirs.offsets, equal_nan=True)
        assert (other.separation is None) == (name != "ideal")
    assert made.domain == box
    assert made.network.content_hash == network.content_hash
    assert len(repr(made)) < 200


@pytest.mark.parametrize("name", sorted(FORMULATIONS))
def test_separation_is_there_where_rows_are_left_out(name: str) -> None:
    assert find(name).separates == (name == "ideal")


def test_bounds_of_a_wider_box_hold_on_the_domain() -> None:
    network = random_network(np.random.default_rng(1), inputs=2)
    wide, domain = Box(-2.0, 2.0).spread(2), Box(-1.0, 1.0).spread(2)
    bounds = propagate(network, wide)
    encoding = Encoding.of(network, domain, bounds, "big-m")
    assert encoding.domain == domain
    assert isinstance(encoding.bounds, Bounds)
    assert np.array_equal(encoding.bounds.upper[0], bounds.upper[0])


def test_a_block_of_another_model_is_refused() -> None:
    network, box = random_case(np.random.default_rng(2))
    block, _, _ = encode(network, box, "big-m")
    _, other, _ = encode(network, box, "big-m")
    with pytest.raises(InvalidInputError, match="compile the model that holds it"):
        Encoding.read(other, block)
