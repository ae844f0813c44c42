"""Blocks: what stands in them, whose inputs they take, how they are scaled."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from forward_points import forward_point
from networks import find_network
from random_networks import random_case

from leo_opt import Bounds, Box, Layer, Network, formulate, propagate
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.solvers import Compiled, compile_model, find

SMALL = Network.from_arrays(
    [[[1.0, -2.0], [0.5, 1.0], [1.0, 1.0]], [[1.0, -1.0, 2.0]]], [[0.25, 0.0, 4.0], [0.5]]
)
BOX = Box(-1.0, 1.0)


def in_model(network: Network, *arguments: Any, **options: Any) -> tuple[Any, Compiled]:
    model = pyo.ConcreteModel()
    model.net = formulate(network, *arguments, **options)
    return model.net, compile_model(model)


@pytest.mark.system
@pytest.mark.parametrize("centred", [False, True])
def test_forward_passes_are_feasible(centred: bool) -> None:
    """All rows and bounds hold to rounding, also for units of range 1e-6 and 1e6."""
    worst = 0.0
    for seed in range(70):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        block, compiled = in_model(network, box, centred=centred)
        box = box.spread(network.input_size)
        corner = box.vertices(generator.normal(size=(1, network.input_size)))
        for inputs in np.vstack([box.sample(2, generator), corner]):
            point = forward_point(block, compiled, network, inputs)
            worst = max(worst, compiled.form.violation(point))
    # Entries of rows are at most 2**20 in units of range 1, so that rounding is at most this.
    assert worst < 1e-8


@pytest.mark.parametrize("centred", [False, True])
def test_expressions_answer_in_natural_units(centred: bool) -> None:
    for seed in range(40):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        block, compiled = in_model(network, box, centred=centred)
        inputs = box.spread(network.input_size).sample(1, generator)[0]
        point = forward_point(block, compiled, network, inputs)

        def value(expression: Any) -> float:
            coefficients, constant = compiled.linear(expression)  # noqa: B023
            return float(coefficients @ point) + constant  # noqa: B023

        for layer, pre in enumerate(network.pre_activations(inputs)):
            post = network.layers[layer].activate(pre)
            for unit in range(pre.size):
                slack = 1e-9 * max(1.0, abs(pre[unit]), 1.0 / block.scale[layer, unit])
                assert value(block.pre[layer, unit]) == pytest.approx(pre[unit], abs=slack)
                assert value(block.post[layer, unit]) == pytest.approx(post[unit], abs=slack)
        for k in range(network.output_size):
            assert block.outputs[k].expr is not None


def test_scaled_variables_have_range_about_one() -> None:
    """The unit's row is multiplied by a power of two, its outgoing column divided by it."""
    seen = []
    for seed in range(60):
        network, box = random_case(np.random.default_rng(seed))
        bounds = propagate(network, box)
        block, _ = in_model(network, box, bounds=bounds, centred=False)
        for (layer, unit), variable in block.scaled_pre.items():
            scale = block.scale[layer, unit]
            assert np.log2(scale) == round(np.log2(scale))
            low, high = bounds.lower[layer][unit], bounds.upper[layer][unit]
            if (layer, unit) not in (block.component("affine") or ()):
                continue  # All but constant: see test_constant_units.
            assert (variable.lb, variable.ub) == (low * scale, high * scale)
            seen.append(max(-variable.lb, variable.ub))
        for address, post in block.scaled_post.items():
            if address in block.scaled_pre:  # Elsewhere it is noise.
                assert (post.lb, post.ub) == (0.0, block.scaled_pre[address].ub)
    usual = [0.7 < reach < 1.42 for reach in seen]
    # The others are zero throughout, or small only because large terms cancel.
    assert np.mean(usual) > 0.85
    assert max(seen) < 1.42


def small_box_case(seed: int, width: float) -> tuple[Network, Box]:
    """A network whose units switch inside a box of that width, or are nearly constant on it."""
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in ((5, 3), (5, 5), (1, 5))]
    corner = generator.normal(size=3)
    post, biases = corner + 0.5 * width, []
    for weight in weights:
        switches = generator.random(len(weight)) < 0.6
        near = width * generator.normal(size=len(weight))
        bias = np.where(switches, near, generator.random(len(weight))) - weight @ post
        biases.append(bias)
        post = np.maximum(weight @ post + bias, 0.0)
    return Network.from_arrays(weights, biases), Box(corner, corner + width)


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6, 1e-7, 1e-9])
def test_centred_models_are_right_on_small_boxes(width: float) -> None:
    """Where units are nearly constant, uncentred models have wrong bounds or none at all."""
    for seed in range(8):
        network, box = small_box_case(seed, width)
        bounds = propagate(network, box)
        block, compiled = in_model(network, bounds=bounds, centred=True)
        for variable in block.scaled_pre.values():
            assert variable.ub - variable.lb > 0.1
        objective, constant = compiled.linear(block.outputs[0])
        unit = np.abs(objective).max()
        with find("highs").open(compiled.form) as session:
            answer = session.maximize(objective / unit)
        assert answer.objective_bound is not None
        generator = np.random.default_rng(seed)
        inputs = np.vstack(
            [box.sample(400, generator), box.vertices(generator.normal(size=(64, 3)))]
        )
        reached = network(inputs)[:, 0].max()
        slack = 1e-5 * (bounds.upper[-1][0] - bounds.lower[-1][0]) + 1e-15
        assert answer.objective_bound * unit + constant >= reached - slack


@pytest.mark.system
def test_a_trained_network_on_a_small_box() -> None:
    """An L-infinity ball of 0.03: uncentred, HiGHS calls the model of this network infeasible."""
    path = find_network("mnist/mnist_100-100-100-100-100_l1_0.0002_s0.onnx")
    from leo_opt import load

    network = load(path)
    generator = np.random.default_rng(1)
    image = (generator.random(784) > 0.8) * generator.random(784)
    box = Box.around(image, 0.03, within=Box(0.0, 1.0))
    block, compiled = in_model(network, box, centred=True)
    objective, constant = compiled.linear(block.outputs[3])
    with find("highs").open(compiled.form) as session:
        answer = session.maximize(objective, constant=constant, time_limit=3.0)
    reached = network(box.sample(500, generator))[:, 3].max()
    assert answer.termination_condition in ("optimal", "maxTimeLimit")
    assert answer.objective_bound is not None
    assert answer.objective_bound >= reached


def test_powers_of_two_change_nothing_in_the_scaled_model() -> None:
    """Scaling is exact: a network with rescaled units has the same arrays."""
    factors = np.array([2.0**-20, 2.0**17, 2.0**3])
    first, last = SMALL.layers
    rescaled = Network(
        (
            Layer(first.weight * factors[:, None], first.bias * factors, "relu"),
            Layer(last.weight / factors, last.bias, "linear"),
        )
    )
    forms = [in_model(network, BOX)[1].form for network in (SMALL, rescaled)]
    assert np.array_equal(forms[0].matrix.toarray(), forms[1].matrix.toarray())
    for name in ("row_lower", "row_upper", "column_lower", "column_upper"):
        left, right = (getattr(form, name) for form in forms)
        assert np.allclose(left, right, rtol=1e-14, atol=0.0)


def test_stable_units_are_one_row_or_nothing() -> None:
    layers = (
        Layer([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [1.0, 1.0]], [2.0, 3.0, -4.0, 0.0], "relu"),
        Layer(np.ones((2, 4)), [0.0, -100.0], "relu"),
    )
    block, compiled = in_model(Network(layers), BOX)
    assert sorted(block.scaled_pre) == [(0, 0), (0, 1), (0, 3), (1, 0)]
    assert sorted(block.is_active) == sorted(block.scaled_post) == [(0, 3)]
    assert sorted(block.affine) == sorted(block.scaled_pre)
    names = set(compiled.form.row_names)
    assert not any("[0,2]" in name or "[1,1]" in name for name in names)
    assert block.post[0, 2].expr == 0.0
    assert compiled.linear(block.pre[0, 2])[1] == -4.0
    active = compiled.linear(block.post[0, 0])[0]
    assert np.count_nonzero(active) == 1
    assert np.array_equal(active, compiled.linear(block.pre[0, 0])[0])


def test_dense_rows_appear_once() -> None:
    """Each weight of a unit that is not stably inactive is one entry of the matrix."""
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=(7, 5)), generator.normal(size=(6, 7))]
    network = Network.from_arrays(weights, [None, None], ["relu", "relu"])
    for name in ("big-m", "complement", "triangle", "partition"):
        block, compiled = in_model(network, BOX, formulation=name)
        columns = compiled.columns_of(block.inputs.values())
        held = sum(layer == 0 for layer, _ in block.scaled_pre)
        assert compiled.form.matrix[:, columns].nnz == 5 * held


def test_small_coefficients_widen_their_row() -> None:
    """An entry that a solver would drop is left out, and the network stays feasible."""
    network = Network.from_arrays([[[1.0, 2e-10]], [[1.0]]], [[0.1], [0.0]])
    block, compiled = in_model(network, BOX)
    row = compiled.form.row_names.index("net.affine[0,0]")
    assert compiled.form.matrix[[row]].nnz == 2
    width = compiled.form.row_upper[row] - compiled.form.row_lower[row]
    assert 4e-10 <= width <= 4.01e-10
    for inputs in np.array([[0.5, 1.0], [0.5, -1.0], [-1.0, 1.0]]):
        point = forward_point(block, compiled, network, inputs)
        assert compiled.form.violation(point) < 1e-15


def test_linear_layers_are_one_variable_and_one_row_a_unit() -> None:
    layers = (
        Layer(np.diag([2.0, 4.0]), np.zeros(2), "linear"),
        Layer([[1.0, -1.0]], [0.0], "relu"),
    )
    block, compiled = in_model(Network(layers), BOX)
    assert sorted(block.affine) == [(0, 0), (0, 1), (1, 0)]
    assert sorted(block.is_active) == [(1, 0)]
    assert compiled.form.columns == 2 + 2 + 3


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_missing_bound_is_an_error(value: float) -> None:
    bounds = propagate(SMALL, BOX)
    lower, upper = [list(map(np.array, side)) for side in (bounds.lower, bounds.upper)]
    (upper if value > 0 else lower)[0][1] = value
    broken = Bounds(bounds.domain, tuple(lower), tuple(upper))
    with pytest.raises(InvalidInputError, match=r"unit \(0, 1\) are \[.*inf.*finite bounds"):
        formulate(SMALL, BOX, bounds=broken)


def test_given_bounds_are_checked_and_used() -> None:
    bounds = propagate(SMALL, BOX)
    with pytest.raises(MismatchError, match="compute them on a box that contains it"):
        formulate(SMALL, Box(-2.0, 1.0), bounds=bounds)
    halved = tuple(0.5 * (low + up) for low, up in zip(bounds.lower, bounds.upper, strict=True))
    wrong = Bounds(bounds.domain, bounds.lower, halved)
    with pytest.raises(MismatchError, match="an input of the box gives"):
        formulate(SMALL, BOX, bounds=wrong)
    assert formulate(SMALL, bounds=bounds).inputs[1].bounds == (-1.0, 1.0)
    upper = (bounds.upper[0] - [0.0, 0.0, 0.0], bounds.upper[1] - 1e-3)
    block = formulate(SMALL, BOX, bounds=Bounds(bounds.domain, bounds.lower, upper))
    highest = block.scaled_pre[1, 0].ub / block.scale[1, 0] + block.shift[1, 0]
    assert highest == pytest.approx(upper[1][0], rel=1e-12)


def test_a_domain_is_needed() -> None:
    with pytest.raises(InvalidInputError, match="neither a domain nor inputs nor bounds"):
        formulate(SMALL)


class Users:
    """A user's model with two variables."""

    def __init__(self, *bounds: tuple[float | None, float | None]) -> None:
        self.model = pyo.ConcreteModel()
        self.model.x = pyo.Var(range(len(bounds)))
        for k, (low, high) in enumerate(bounds):
            self.model.x[k].setlb(low)
            self.model.x[k].setub(high)

    def largest(self, output: int = 0) -> float:
        compiled = compile_model(self.model)
        objective, constant = compiled.linear(self.model.net.outputs[output])
        with find("highs").open(compiled.form) as session:
            answer = session.maximize(objective, constant=constant)
        assert answer.objective_bound is not None
        return answer.objective_bound


def largest_by_corners(network: Network, box: Box) -> float:
    """A lower bound of the largest output, by sampling."""
    generator = np.random.default_rng(0)
    box = box.spread(network.input_size)
    corners = box.vertices(generator.normal(size=(64, network.input_size)))
    return float(network(np.vstack([box.sample(4000, generator), corners]))[:, 0].max())


def test_users_variables_give_the_domain() -> None:
    users = Users((-1.0, 0.5), (0.0, 1.0))
    users.model.net = formulate(SMALL, inputs=users.model.x)
    best = largest_by_corners(SMALL, Box([-1.0, 0.0], [0.5, 1.0]))
    assert best - 1e-6 <= users.largest() <= best + 0.05


def test_variables_that_reach_beyond_the_domain_are_refused() -> None:
    users = Users((-1.0, 2.0), (None, None))
    with pytest.raises(InvalidInputError, match=r"input 0 is x\[0\].*\[-1.0, 2.0\].*restrict=True"):
        formulate(SMALL, BOX, inputs=users.model.x)
    with pytest.raises(InvalidInputError, match=r"input 1 is x\[1\] with bounds \(None, None\)"):
        formulate(SMALL, inputs=users.model.x)
    users.model.net = formulate(SMALL, BOX, inputs=users.model.x, restrict=True)
    best = largest_by_corners(SMALL, BOX)
    assert best - 1e-6 <= users.largest() <= best + 0.05
    assert users.model.x[0].bounds == (-1.0, 2.0)


def test_the_block_keeps_its_inputs_in_the_domain_whatever_happens_to_the_variables() -> None:
    """Elimination of stable units is valid on the domain only."""
    for low, high in ((-1.0, 1.0), (-0.01, 0.01), (0.0, 1000.0)):
        users = Users((low, high), (low, high))
        users.model.net = formulate(SMALL, inputs=users.model.x)
        before = users.largest()
        for variable in users.model.x.values():
            variable.setlb(None)
            variable.setub(None)
        assert users.largest() == pytest.approx(before, rel=1e-6)
        compiled = compile_model(users.model)
        with find("highs").open(compiled.form) as session:
            for variable in users.model.x.values():
                objective, _ = compiled.linear(variable)
                assert session.maximize(objective).objective_bound == pytest.approx(high)
                assert session.minimize(objective).objective_bound == pytest.approx(low)


def test_expressions_have_the_range_of_their_variables_and_are_held_in_the_domain() -> None:
    users = Users((0.0, 1.0))
    x = users.model.x
    shifted = [x[0] - 0.5, 2.0 * x[0] + 1.0]
    users.model.net = formulate(SMALL, inputs=shifted)
    assert users.model.net.domain == Box([-0.5, 1.0], [0.5, 3.0])
    values = np.linspace(0.0, 1.0, 2001)
    best = SMALL(np.column_stack([values - 0.5, 2.0 * values + 1.0]))[:, 0].max()
    assert users.largest() == pytest.approx(best, abs=1e-3)
    tight, box = Users((0.0, 1.0)), Box([-0.5, 1.0], [0.5, 2.0])
    x = tight.model.x
    shifted = [x[0] - 0.5, 2.0 * x[0] + 1.0]
    with pytest.raises(InvalidInputError, match=r"input 1 is the expression .*\[1.0, 3.0\]"):
        formulate(SMALL, box, inputs=shifted)
    tight.model.net = formulate(SMALL, box, inputs=shifted, restrict=True)
    compiled = compile_model(tight.model)
    objective, _ = compiled.linear(tight.model.x[0])
    with find("highs").open(compiled.form) as session:
        assert session.maximize(objective).objective_bound == pytest.approx(0.5)


def test_expressions_without_a_range_need_a_domain() -> None:
    users = Users((0.0, 1.0), (None, None))
    x = users.model.x
    for unknown in (x[0] + x[1], x[0] * x[0]):
        with pytest.raises(InvalidInputError, match=r"input 0 is the expression .*give a domain"):
            formulate(SMALL, inputs=[unknown, x[0]])
        with pytest.raises(InvalidInputError, match=r"input 0 is the expression .*restrict=True"):
            formulate(SMALL, Box(-1, 1), inputs=[unknown, x[0]])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([1.0], "1 inputs were given and the network takes 2"),
        (3.0, "inputs is a float"),
        ({0: 1.0}, "inputs has no key 1"),
    ],
)
def test_wrong_inputs_are_one_line_errors(inputs: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(message)) as error:
        formulate(SMALL, BOX, inputs=inputs)
    assert "\n" not in str(error.value)


def test_numbers_may_stand_for_inputs() -> None:
    users = Users((-1.0, 1.0))
    users.model.net = formulate(SMALL, BOX, inputs={0: users.model.x[0], 1: 0.5})
    values = np.linspace(-1.0, 1.0, 2001)
    best = SMALL(np.column_stack([values, np.full(2001, 0.5)]))[:, 0].max()
    assert users.largest() == pytest.approx(best, abs=1e-3)


def test_two_networks_in_one_model_share_inputs() -> None:
    """The largest difference of a network and itself with one weight changed."""
    weight = SMALL.layers[1].weight + np.array([[0.0, 0.25, 0.0]])
    other = Network((SMALL.layers[0], Layer(weight, SMALL.layers[1].bias, "linear")))
    model = pyo.ConcreteModel()
    model.first = formulate(SMALL, BOX)
    model.second = formulate(other, BOX, inputs=model.first.inputs, formulation="complement")
    compiled = compile_model(model)
    objective, constant = compiled.linear(model.second.outputs[0] - model.first.outputs[0])
    with find("highs").open(compiled.form) as session:
        answer = session.maximize(objective, constant=constant)
    assert answer.objective_bound == pytest.approx(0.25 * 1.5)


def test_the_block_solves_alone_through_pyomo() -> None:
    """Any Pyomo solver interface takes the model, not only those of this package."""
    model = pyo.ConcreteModel()
    model.net = formulate(SMALL, BOX)
    model.goal = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(model)
    inputs = [pyo.value(model.net.inputs[k]) for k in range(2)]
    assert SMALL(inputs)[0] == pytest.approx(pyo.value(model.net.outputs[0]), abs=1e-6)
    assert pyo.value(model.net.outputs[0]) == pytest.approx(
        largest_by_corners(SMALL, BOX), abs=0.05
    )


@pytest.mark.parametrize("centred", [False, True])
def test_clones_and_pickles_are_models_of_their_own(centred: bool) -> None:
    import pickle

    model = pyo.ConcreteModel()
    model.net = formulate(SMALL, Box(-0.05, 0.05), centred=centred, formulation="ideal")
    names = compile_model(model).form.column_names
    for copy in (model.clone(), pickle.loads(pickle.dumps(model))):
        (unit,) = copy.net.units
        assert unit.pre is copy.net.scaled_pre[unit.address]
        assert unit.pre is not model.net.scaled_pre[unit.address]
        assert compile_model(copy).form.column_names == names


def test_prefixes_share_the_columns_that_the_next_layer_reads() -> None:
    """A truncated network with chosen rows is a model of these rows, scaled."""
    generator = np.random.default_rng(3)
    network = Network.from_arrays(
        [
            generator.normal(size=(6, 3)),
            generator.normal(size=(5, 6)),
            generator.normal(size=(1, 5)),
        ],
        [None, None, None],
    )
    rows = [1, 4]
    second = network.layers[1]
    prefix = Network((network.layers[0], Layer(second.weight[rows], second.bias[rows], "linear")))
    block, compiled = in_model(prefix, BOX)
    with find("highs").open(compiled.form) as session:
        for k, unit in enumerate(rows):
            objective = np.zeros(compiled.form.columns)
            objective[compiled.column_of(block.scaled_pre[1, k])] = 1.0
            answer = session.maximize(objective)
            assert answer.objective_bound is not None
            most = answer.objective_bound / block.scale[1, k] + block.shift[1, k]
            sampled = network.pre_activations(BOX.spread(3).sample(20000, generator))[1][:, unit]
            assert sampled.max() - 1e-6 <= most <= sampled.max() + 0.5
