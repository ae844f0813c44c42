"""`bound_difference`: exact truth lies within, two intervals are never tighter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from networks import find_network
from oracle import exact_deviation, exact_output
from random_networks import bent, random_box, random_case, random_network
from seeds import seeds

from leo_opt import Box, Layer, Network, classify, compress, load, propagate, rectified
from leo_opt.difference import Difference, bound_difference
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.weights import dense

Generator = np.random.Generator


def perturbed(generator: Generator, network: Network, size: float) -> Network:
    """Each number times 1 plus something of so much."""
    layers = [
        Layer(
            dense(layer.weight) * (1.0 + size * generator.uniform(-1, 1, layer.weight.shape)),
            layer.bias * (1.0 + size * generator.uniform(-1, 1, layer.n_out)),
            layer.activation,
        )
        for layer in network.layers
    ]
    return Network(tuple(layers))


def rounded(network: Network) -> Network:
    """All numbers as float32."""
    layers = [
        Layer(dense(layer.weight).astype(np.float32), layer.bias.astype(np.float32), layer.tags)
        for layer in network.layers
    ]
    return Network(tuple(layers))


def factored(generator: Generator, network: Network) -> Network:
    """One layer as `[V; I]`, then `[U | S]`, with numbers that are nearly the same."""
    index = int(generator.integers(len(network.layers)))
    layer = network.layers[index]
    weight = dense(layer.weight)
    left, sizes, right = np.linalg.svd(weight, full_matrices=False)
    rank = int(generator.integers(1, sizes.size + 1))
    low = left[:, :rank] * sizes[:rank]
    rest = weight - low @ right[:rank]
    lanes = Layer(np.vstack([right[:rank], np.eye(layer.n_in)]), np.zeros(rank + layer.n_in))
    both = Layer(np.hstack([low, rest]), layer.bias, layer.activation)
    return Network((*network.layers[:index], lanes, both, *network.layers[index + 1 :]))


def permuted(generator: Generator, network: Network) -> Network:
    """The units of each hidden layer in another order."""
    layers, order = [], np.arange(network.input_size)
    for index, layer in enumerate(network.layers):
        weight, last = dense(layer.weight)[:, order], index == len(network.layers) - 1
        order = np.arange(layer.n_out) if last else generator.permutation(layer.n_out)
        tags = [layer.tags[k] for k in order]
        layers.append(Layer(weight[order], layer.bias[order], tags))
    return Network(tuple(layers))


def _smaller(generator: Generator, network: Network, box: Box) -> Network:
    """What lossless rewriting leaves."""
    del generator
    return compress(network, classify(network, box, solver="highs")).network


def _other(generator: Generator, network: Network, box: Box) -> Network:
    """Nothing of the first but inputs and outputs."""
    widths = tuple(int(w) for w in generator.integers(1, 4, size=generator.integers(0, 3)))
    return random_network(generator, box=box, widths=widths, outputs=network.output_size)


CHANGES = (
    lambda g, network, _: perturbed(g, network, 1e-4),
    lambda g, network, _: perturbed(g, network, 0.3),
    lambda g, network, _: perturbed(g, permuted(g, network), 1e-6),
    lambda g, network, _: factored(g, network),
    lambda _, network, __: rounded(network),
    _smaller,
    _other,
)
"""Second networks, of which the first knows more or less."""


def agrees(first: Network, second: Network, found: Difference, generator: Generator) -> None:
    """Bounds hold everywhere, are no looser than two intervals; what is found is there."""
    truth = exact_deviation(first, second, found.domain)
    for true, bound, reached in zip(truth, found.bound, found.found, strict=True):
        assert Fraction(float(reached)) <= true <= Fraction(float(bound))
    assert (found.bound <= found.separate).all()
    for point in found.domain.sample(3, generator):
        mine, theirs = exact_output(first, point), exact_output(second, point)
        for k, (left, right) in enumerate(zip(mine, theirs, strict=True)):
            difference = right - left
            assert Fraction(float(found.lower[k])) <= difference <= Fraction(float(found.upper[k]))


def small_case(generator: Generator) -> tuple[Network, Box]:
    """A network and a box small enough for the exact truth of a pair of networks."""
    box = random_box(generator, int(generator.integers(1, 3)))
    widths = tuple(int(w) for w in generator.integers(1, 4, size=generator.integers(0, 4)))
    return random_network(generator, box=box, widths=widths), box


@pytest.mark.parametrize("seed", seeds(14, of=500))
def test_the_exact_difference_lies_within(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(generator)
    second = CHANGES[seed % len(CHANGES)](generator, network, box)
    agrees(network, second, bound_difference(network, second, box), generator)


@pytest.mark.parametrize("seed", seeds(2, of=100))
def test_leaky_units_and_clips(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(generator)
    first = bent(generator, network)
    second = perturbed(generator, first, 10.0 ** float(generator.integers(-6, 1)))
    found = bound_difference(first, second, box)
    agrees(rectified(first), rectified(second), found, generator)


@pytest.mark.parametrize("seed", seeds(3, of=60))
def test_a_network_is_no_further_from_its_copy_than_rounding_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    found = bound_difference(network, network, box)
    assert not found.bound.any()
    assert not found.found.any()


@pytest.mark.parametrize("seed", range(2))
def test_intervals_of_a_classification_serve(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(generator)
    stability = classify(network, box, solver="highs")
    second = compress(network, stability).network
    found = bound_difference(network, second, box, bounds=stability.certified)
    agrees(network, second, found, generator)
    largest = np.max(np.abs(propagate(network, box).upper[-1]), initial=1.0)
    assert (found.bound <= 1e-9 * largest).all()


_REAL = (
    "mnist/mnist_25-25_l1_0.001_s0.onnx",
    "mnist/mnist_100-100_l1_0.0005_s0.onnx",
    "acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
)
_REAL_CASES = [_REAL[0], *(pytest.param(name, marks=pytest.mark.slow) for name in _REAL[1:])]


@pytest.mark.system
@pytest.mark.parametrize("name", _REAL_CASES)
@pytest.mark.parametrize("whole", [False, True])
def test_ten_times_tighter_than_two_intervals(name: str, whole: bool) -> None:
    network = load(find_network(name))
    generator = np.random.default_rng(0)
    acasxu = network.input_size == 5
    unit = Box(-0.5, 0.5) if acasxu else Box(0.0, 1.0)
    centre = unit.spread(network.input_size).sample(1, generator)[0]
    box = unit.spread(network.input_size)
    box = box if whole else Box.around(centre, 1.0 / 255.0, unit)
    # Numbers of the files are float32; moved a little, their copies in float32 differ.
    moved = perturbed(generator, network, 1e-6)
    for first, second in ((network, perturbed(generator, network, 1e-4)), (moved, rounded(moved))):
        found = bound_difference(first, second, box)
        assert (10.0 * found.bound <= found.separate).all()
        assert (found.found > 0.0).all()
        points = box.sample(1000, generator)
        difference = second(points) - first(points)
        assert (found.lower <= difference).all()
        assert (difference <= found.upper).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", _REAL)
def test_a_hundred_thousand_points(name: str) -> None:
    network = load(find_network(name))
    generator = np.random.default_rng(1)
    second = perturbed(generator, network, 0.05)
    box = Box(-0.5 if network.input_size == 5 else 0.0, 1.0).spread(network.input_size)
    found = bound_difference(network, second, box)
    reached = np.abs(second(found.points) - network(found.points)).diagonal()
    assert (found.found <= found.bound).all()
    # What both evaluations may have rounded is taken off what is reached.
    assert found.found == pytest.approx(reached, rel=1e-6)
    for _ in range(100):
        points = box.sample(500, generator)
        points = np.vstack([points, box.vertices(generator.normal(size=points.shape))])
        difference = second(points) - network(points)
        assert (found.lower <= difference).all()
        assert (difference <= found.upper).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", _REAL)
def test_exact_rewrites_are_proved_to_rounding(name: str) -> None:
    network = load(find_network(name))
    centre = np.zeros(5) if network.input_size == 5 else np.full(784, 0.5)
    box = Box.around(centre, 1.0 / 255.0)
    stability = classify(network, box, time_limit=60)
    second = compress(network, stability).network
    found = bound_difference(network, second, box, bounds=stability.certified)
    assert (found.bound <= 1e-8 * found.separate).all()


def test_bad_input_is_refused() -> None:
    one = Network.from_arrays([[[1.0]]], [[0.0]])
    with pytest.raises(MismatchError, match="1 and 2 outputs; compare"):
        bound_difference(one, Network.from_arrays([[[1.0], [1.0]]], [[0.0, 0.0]]), (0.0, 1.0))
    with pytest.raises(MismatchError, match="1 and 2 inputs; compare"):
        bound_difference(one, Network.from_arrays([[[1.0, 1.0]]], [[0.0]]), (0.0, 1.0))
    with pytest.raises(InvalidInputError, match="the box has 2 inputs"):
        bound_difference(one, one, Box(np.zeros(2), np.ones(2)))


@pytest.mark.parametrize("seed", seeds(2, of=60))
def test_where_numbers_overflow_nothing_finite_is_false(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(generator)
    network = bent(generator, network) if seed % 3 == 0 else network
    powers = generator.choice([-320, -160, 0, 100, 155, 280], size=len(network.layers))
    first = Network(
        tuple(
            Layer(dense(layer.weight) * 10.0 ** float(power), layer.bias, layer.tags)
            for layer, power in zip(network.layers, powers, strict=True)
        )
    )
    second = perturbed(generator, permuted(generator, first), 10.0 ** float(-seed % 17))
    if seed % 2:
        lanes = Layer(np.eye(first.input_size), np.zeros(first.input_size), "linear")
        second = Network((lanes, *second.layers))
    found = bound_difference(first, second, box)
    assert np.isfinite(found.found).all()
    assert (found.bound <= found.separate).all()
    for point in (*box.sample(3, generator), *found.points):
        mine, theirs = exact_output(first, point), exact_output(second, point)
        for k, (left, right) in enumerate(zip(mine, theirs, strict=True)):
            if np.isfinite(found.bound[k]):
                assert abs(right - left) <= Fraction(float(found.bound[k]))
    for k, point in enumerate(found.points):
        mine, theirs = exact_output(first, point), exact_output(second, point)
        assert Fraction(float(found.found[k])) <= abs(theirs[k] - mine[k])


def test_a_limit_of_time_leaves_a_wider_bound() -> None:
    generator = np.random.default_rng(5)
    network = random_network(generator, widths=(5, 5), inputs=3, outputs=2)
    second = perturbed(generator, network, 1e-3)
    found = bound_difference(network, second, (0.0, 1.0), time_limit=1e-9)
    agrees(network, second, found, generator)


@pytest.mark.parametrize("seed", seeds(3, of=100))
def test_a_refined_bound_is_true_and_no_larger(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = small_case(generator)
    second = CHANGES[seed % len(CHANGES)](generator, network, box)
    plain = bound_difference(network, second, box)
    found = bound_difference(network, second, box, refine=0.2)
    agrees(network, second, found, generator)
    assert (found.lower >= plain.lower).all()
    assert (found.upper <= plain.upper).all()


@pytest.mark.parametrize("seed", seeds(2, of=60))
def test_where_many_inputs_vary_phases_are_branched_on(seed: int) -> None:
    generator = np.random.default_rng(seed)
    inputs = 30
    sizes = ((4, inputs), *((4, 4) for _ in range(seed % 3)), (2, 4))
    weights = [generator.normal(size=shape) for shape in sizes]
    first = Network.from_arrays(weights, [generator.normal(size=len(w)) for w in weights])
    first = bent(generator, first) if seed % 5 == 4 else first
    size = 10.0 ** float(generator.integers(-6, 1)) if seed % 2 else 0.3
    second = perturbed(generator, first, size)
    domain = Box.around(generator.normal(size=inputs), 0.1)
    plain = bound_difference(first, second, domain)
    found = bound_difference(first, second, domain, refine=20.0)
    assert (found.bound <= plain.bound).all()
    assert (found.bound >= found.found).all()
    # Of close networks the linear programs know less than the joint chain does. What ascent finds
    # may be the top of a lower hill.
    assert size < 0.3 or (found.bound <= 2.0 * found.found).all()
    points = np.vstack([domain.sample(2000, generator), found.points])
    for point in points[np.abs(second(points) - first(points)).argmax(axis=0)]:
        mine, theirs = exact_output(first, point), exact_output(second, point)
        for k, (left, right) in enumerate(zip(mine, theirs, strict=True)):
            assert abs(right - left) <= Fraction(float(found.bound[k]))


def test_refining_ends_where_the_bound_is_reached() -> None:
    generator = np.random.default_rng(7)
    first = random_network(generator, widths=(4, 4), inputs=2, outputs=1)
    second = perturbed(generator, first, 0.1)
    plain = bound_difference(first, second, (-1.0, 1.0))
    found = bound_difference(first, second, (-1.0, 1.0), refine=20.0)
    assert found.pieces > 1
    assert found.bound < plain.bound
    assert found.bound == pytest.approx(found.found, rel=0.01)


def test_units_in_another_order_are_found() -> None:
    generator = np.random.default_rng(11)
    weights = [generator.normal(size=shape) for shape in ((9, 3), (9, 9), (2, 9))]
    network = Network.from_arrays(weights, [generator.normal(size=len(w)) for w in weights])
    # One unit is moved, so that its difference belongs nowhere else.
    bias = network.layers[1].bias + 0.1 * np.eye(9)[4]
    layers = (network.layers[0], Layer(weights[1], bias, "relu"), network.layers[2])
    second = permuted(generator, Network(layers))
    found = bound_difference(network, second, (-1.0, 1.0))
    points = Box(-1.0, 1.0).spread(3).sample(3000, generator)
    difference = second(points) - network(points)
    assert (found.lower <= difference + 1e-9).all()
    assert (difference <= found.upper + 1e-9).all()
    assert (3.0 * found.bound <= found.separate).all()
