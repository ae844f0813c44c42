"""Bounds on differences hold in exact arithmetic and are not wildly loose."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact_stability import as_fractions
from maxima_networks import pooled, tree
from networks import find_network
from oracle import exact_deviation, exact_output
from random_networks import bent, random_case
from rationals import drifting, exact_dot
from seeds import seeds

from leo_opt import Box, Layer, Network, load
from leo_opt.arithmetic import round_up
from leo_opt.bounds import Bounds, propagate
from leo_opt.deviation import (
    add_up,
    inference_error,
    largest_inputs,
    reach,
    reading_deviation,
    rounding_deviation,
    spread_deviation,
)
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.network import Rounding
from leo_opt.weights import dense


def rounded(network: Network, dtype: type) -> Network:
    """The network with weights and biases rounded to a type."""
    layers = tuple(
        Layer(dense(layer.weight).astype(dtype), layer.bias.astype(dtype), layer.activation)
        for layer in network.layers
    )
    return Network(layers, network.signature)


@pytest.mark.parametrize("seed", range(15))
def test_reach_bounds_the_real_product(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(4, 30)) * (generator.random((4, 30)) < 0.5)
    bounds = generator.exponential(size=30) * 10.0 ** generator.integers(-9, 9, size=30)
    bounds[generator.random(30) < 0.3] = 0.0
    matrix[0] = 0.0
    matrix[1, bounds > 0.0] = 0.0
    found = reach(matrix, bounds)
    for row, total in zip(matrix, found, strict=True):
        pairs = zip(as_fractions(np.abs(row)), as_fractions(bounds), strict=True)
        exact = sum(a * b for a, b in pairs)
        assert exact <= Fraction(float(total)) <= exact * Fraction(1 + 1e-13) + Fraction(1e-280)
    assert found[:2].tolist() == [0.0, 0.0]


def test_reach_of_infinity_is_infinite_only_where_it_is_read() -> None:
    assert reach(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([np.inf, 1.0]))[0] < 1.1
    assert np.isinf(reach(np.array([[2.0, 0.0]]), np.array([np.inf, 1.0]))).all()
    assert np.isinf(reach(np.array([[1e300]]), np.array([1e300]))).all()


def test_products_that_underflow_are_not_nothing() -> None:
    for factor in drifting(6):
        # Each product is rounded to a multiple of the smallest number, and all one way.
        matrix, bounds = np.full((1, 1000), factor * 2.0**-537), np.full(1000, 1.5 * 2.0**-537)
        assert Fraction(float(reach(matrix, bounds)[0])) >= exact_dot(matrix[0], bounds)
    network = Network.from_arrays([[[2.0**-100]], [[2.0**120]]], [[0.0], [0.0]])
    allowed = inference_error(network, propagate(network, Box(0, 2.0**-60).spread(1)), "float32")
    # A forward pass in float32 loses all of it.
    assert Fraction(float(allowed[0])) >= Fraction(2) ** -40


def test_sums_and_differences_are_rounded_up() -> None:
    left, right = np.random.default_rng(150).uniform(0.5, 1.0, size=(2, 200))
    right /= 1000.0
    found = add_up(left, right)
    one, other = (Network.from_arrays([np.eye(200)], [side]) for side in (left, right))
    apart = rounding_deviation(one, other, propagate(one, Box(0, 0).spread(200)))
    for a, b, total, gap in zip(*map(as_fractions, (left, right, found, apart)), strict=True):
        assert a + b <= total
        assert a - b <= gap


def test_sums_are_rounded_up_and_zeros_cost_nothing() -> None:
    left, right = np.array([0.1, 0.0, 0.3, np.inf]), np.array([0.2, 0.7, 0.0, 0.0])
    total = add_up(left, right)
    assert total[1:].tolist() == [0.7, 0.3, np.inf]
    assert Fraction(float(total[0])) >= Fraction(0.1) + Fraction(0.2)


@pytest.mark.parametrize("seed", range(30))
def test_a_change_of_a_layer_moves_the_outputs_by_no_more(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    layer = int(generator.integers(len(network.layers)))
    current = network.layers[layer]
    change = generator.exponential(size=current.n_out) * (generator.random(current.n_out) < 0.6)
    sign = generator.choice([-1.0, 1.0], size=current.n_out)
    moved = Layer(current.weight, current.bias + sign * change, current.activation)
    actual = [
        Fraction(float(b)) - Fraction(float(a))
        for a, b in zip(current.bias, moved.bias, strict=True)
    ]
    change = np.array([np.nextafter(float(abs(x)), np.inf) if x else 0.0 for x in actual])
    other = Network((*network.layers[:layer], moved, *network.layers[layer + 1 :]))
    allowed = spread_deviation(network, layer, change)[-1]
    worst = exact_deviation(network, other, box)
    assert all(a <= b for a, b in zip(worst, as_fractions(allowed), strict=True))
    spread = spread_deviation(network, layer, change)
    assert len(spread) == len(network.layers) - layer
    assert not spread_deviation(network, layer, np.zeros(current.n_out))[-1].any()


@pytest.mark.parametrize("seed", [82, *seeds(30, of=82)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rounded_weights_move_the_outputs_by_no_more(seed: int, dtype: type) -> None:
    network, box = random_case(np.random.default_rng(seed))
    if max(abs(layer.weight).max() for layer in network.layers) > 6e4:
        return
    with np.errstate(over="ignore"):
        if not all(np.isfinite(k.bias.astype(dtype)).all() for k in network.layers):
            return
    other = rounded(network, dtype)
    bounds = propagate(network, box)
    allowed = rounding_deviation(network, other, bounds)
    worst = exact_deviation(network, other, box)
    assert all(a <= b for a, b in zip(worst, as_fractions(allowed), strict=True))
    assert (allowed == 0.0).all() or other != network
    assert rounding_deviation(network, network, bounds).tolist() == [0.0] * network.output_size


@pytest.mark.parametrize("seed", seeds(12, of=120))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_passes_are_within_their_bound(seed: int, dtype: str) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    network = bent(generator, network) if seed % 3 == 0 else network
    network, box = (
        rounded(network, np.float32),
        Box(*(np.float32(s) for s in (box.lower, box.upper))),
    )
    allowed = as_fractions(inference_error(network, propagate(network, box), dtype))
    points = box.clip(box.sample(20, np.random.default_rng(seed)).astype(np.float32))
    for point in points:
        post = point.astype(dtype)
        for layer in network.layers:
            pre = dense(layer.weight).astype(dtype) @ post + layer.bias.astype(dtype)
            post = layer.activate(pre).astype(dtype)
        pairs = zip(post.tolist(), exact_output(network, point.tolist()), allowed, strict=True)
        assert all(abs(Fraction(found) - exact) <= limit for found, exact, limit in pairs)


def read_from(source: Network, network: Network) -> Network:
    """The network, with the differences to its source as what reading rounded."""
    parts = []
    for meant, layer in zip(source.layers, network.layers, strict=True):
        missed = [meant.weight - layer.weight, meant.bias - layer.bias]
        moved = (np.where(m == 0.0, 0.0, np.nextafter(np.abs(m), np.inf)) for m in missed)
        parts.append(Rounding(*moved))
    return Network(network.layers, network.signature, tuple(parts))


@pytest.mark.parametrize("seed", seeds(30, of=120))
def test_what_reading_rounded_moves_the_outputs_by_no_more(seed: int) -> None:
    source, box = random_case(np.random.default_rng(seed))
    network = read_from(source, rounded(source, np.float32))
    bounds = propagate(network, box)
    allowed = reading_deviation(network, bounds)
    worst = exact_deviation(source, network, box)
    assert all(a <= b for a, b in zip(worst, as_fractions(allowed), strict=True))
    assert (allowed == 0.0).all() or source != network
    exact = Network(network.layers)
    assert reading_deviation(exact, bounds).tolist() == [0.0] * network.output_size


def test_large_changes_while_reading_multiply_and_biases_count() -> None:
    one, two = (Network.from_arrays([[[w]], [[w]]], [[w], [w]]) for w in (1.0, 2.0))
    network = read_from(two, one)
    [bound] = reading_deviation(network, propagate(network, Box(0, 1)))
    assert 7.0 <= bound <= 7.0 + 1e-12  # 2 (2 x + 2) + 2 where x + 2 was read, at x = 1.


def test_a_rounding_of_other_shapes_is_refused() -> None:
    layers = Network.from_arrays([np.ones((2, 3))], [None]).layers
    wrong = Rounding(np.zeros((3, 2)), np.zeros(2))
    for entries in ((wrong,), (None, None)):
        with pytest.raises(InvalidInputError, match="rounding has weights of the shapes"):
            Network(layers, rounding=entries)


def test_large_changes_of_weights_multiply() -> None:
    """Rounding is only a small change; the bound holds for any."""
    one, two = (Network.from_arrays([[[w]], [[w]]], [None, None]) for w in (1.0, 2.0))
    bounds = propagate(one, Box(0, 1).spread(1))
    assert 3.0 <= rounding_deviation(one, two, bounds)[0] <= 3.0 + 1e-12


def test_bad_arguments_are_refused() -> None:
    network = Network.from_arrays([[[1.0, 2.0]], [[1.0]]], [[0.0], [0.0]])
    bounds = propagate(network, Box(0, 1).spread(2))
    with pytest.raises(InvalidInputError, match="'float8'"):
        inference_error(network, bounds, "float8")
    wider = Network.from_arrays([[[1.0, 2.0]] * 2, [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    with pytest.raises(InvalidInputError, match="rounded copy"):
        rounding_deviation(network, wider, bounds)
    with pytest.raises(MismatchError):
        inference_error(wider, bounds, "float32")
    with pytest.raises(MismatchError):
        rounding_deviation(wider, wider, bounds)


def test_unknown_intervals_prove_nothing_where_they_are_needed() -> None:
    network = Network.from_arrays([[[1.0]], [[0.1]]], [[0.0], [0.0]])
    box = Box(0, 1).spread(1)
    ends = tuple(np.full(1, np.inf) for _ in range(2))
    unknown = Bounds(box, tuple(-end for end in ends), ends)
    assert np.isinf(rounding_deviation(network, rounded(network, np.float32), unknown)).all()
    assert not rounding_deviation(network, network, unknown).any()
    assert np.isinf(inference_error(network, unknown, "float64")).all()


def test_a_trained_network() -> None:
    network = load(find_network("mnist/mnist_25-25_l1_0.001_s0.onnx"))
    bounds = propagate(network, Box(0, 1).spread(784))
    points = np.random.default_rng(0).random((200, 784)).astype(np.float32)
    post = points
    for layer in network.layers:
        pre = post @ dense(layer.weight).astype(np.float32).T + layer.bias.astype(np.float32)
        post = np.where(layer.phased, np.maximum(pre, 0), pre)
    actual = np.abs(post - network(points.astype(np.float64))).max(axis=0)
    assert (actual <= inference_error(network, bounds, "float32")).all()
    assert inference_error(network, bounds, "float32").max() < 0.1
    assert not rounding_deviation(network, rounded(network, np.float32), bounds).any()
    half = rounded(network, np.float16)
    actual = np.abs(half(points.astype(np.float64)) - network(points.astype(np.float64))).max(
        axis=0
    )
    allowed = rounding_deviation(network, half, bounds)
    assert (actual <= allowed).all()
    assert allowed.max() < 1.0


@pytest.mark.parametrize(
    ("layers", "point"),
    [
        # What a large bias swallows.
        ([([[1.0]], [1.0])], [2.0**-30]),
        # A product that is rounded, of which the next layer reads only what cancellation leaves.
        (
            [([[1.0 + 2.0**-12, -1.0]], [0.0]), ([[1.0]], [0.0])],
            [1.0 + 2.0**-12, 1.0 + 2.0**-11],
        ),
    ],
)
def test_roundings_of_a_forward_pass_that_no_product_explains(layers, point) -> None:
    network = Network.from_arrays(*zip(*layers, strict=True))
    values = np.array(point, dtype=np.float32)
    for layer in network.layers:
        # One rounding after the other, as no fused operation would make them.
        terms = (dense(layer.weight).astype(np.float32) * values).T
        values = sum(terms[1:], terms[0]) + layer.bias.astype(np.float32)
    [exact] = exact_output(network, np.array(point))
    allowed = inference_error(network, propagate(network, Box(point, point)), "float32")
    assert 0 < abs(Fraction(float(values[0])) - exact) <= Fraction(float(allowed[0]))


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_a_maximum_moves_no_further_than_the_input_that_moves_most(count: int) -> None:
    generator = np.random.default_rng(count)
    box, moved = Box(-generator.random(count), generator.random(count)), generator.random(count)
    for sign in (1.0, -1.0):
        network = Network((Layer(np.eye(count), np.zeros(count)), *tree(count, sign).layers))
        deviation = spread_deviation(network, 0, moved)[-1][0]
        assert moved.max() <= deviation <= moved.max() * (1.0 + 1e-14)
        error = inference_error(network, propagate(network, box), "float64")
        assert error <= 2.0**-53 * 40 * count


@pytest.mark.parametrize("seed", seeds(20, of=200))
def test_no_change_moves_maxima_further_in_rationals(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = pooled(generator, bool(seed % 2), bool(seed % 3))
    box = Box(-generator.random(2), generator.random(2))
    index = int(generator.integers(len(network.layers)))
    layer = network.layers[index]
    moved = generator.normal(size=layer.n_out) * (generator.random(layer.n_out) < 0.7)
    layers = list(network.layers)
    layers[index] = Layer(layer.weight, layer.bias + moved, layer.activation)
    moved = round_up(np.abs(layers[index].bias - layer.bias)) * (moved != 0.0)
    limits = spread_deviation(network, index, moved)[-1]
    for point in box.sample(4, generator):
        at = [Fraction(value) for value in point.tolist()]
        outputs = exact_output(network, at), exact_output(Network(tuple(layers)), at)
        for one, other, limit in zip(*outputs, limits, strict=True):
            assert abs(one - other) <= Fraction(limit)


def test_no_number_that_a_layer_reads_is_larger() -> None:
    network = Network.from_arrays(
        [[[1.0]], [[1.0]]], [[-1.0], [0.0]], ["leaky-relu(0.5)", "linear"]
    )
    bounds = propagate(network, Box([-3.0], [2.0]))
    assert largest_inputs(network, bounds, 0).tolist() == [3.0]
    assert largest_inputs(network, bounds, 1) == pytest.approx([2.0])
