"""Compression is lossless: exactly, over the whole box, on random and on trained networks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability, make_stability
from networks import find_network
from oracle import cell_vertices, exact_deviation, exact_output, exact_ranges
from random_networks import random_case, random_network
from seeds import seeds

from leo_opt import Box, Cascade, Network, Signature, classify, load
from leo_opt.bounds import Bounds, propagate
from leo_opt.compression import Compression, compress
from leo_opt.errors import MismatchError
from leo_opt.stability import Phase, Stability
from leo_opt.weights import entries

DATA = Path(__file__).parent.parent / "leo_opt" / "data"
EXACT = {"inactive", "dead"}
"""Rewrites that make no new number."""


def wide_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A network with wider layers than outputs, so that products have small ranks."""
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    widths = tuple(int(w) for w in generator.integers(2, 7, size=2))
    return random_network(generator, box=box, widths=widths), box


def partial_stability(generator, network: Network, box: Box) -> Stability:
    """Exact stability of which some units have been forgotten."""
    known = exact_stability(network, box, loose=True)
    lower, upper = (list(map(np.copy, side)) for side in (known.trusted.lower, known.trusted.upper))
    for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
        forgotten = generator.random(low.size) < 0.4
        low[forgotten] = known.certified.lower[layer][forgotten]
        high[forgotten] = known.certified.upper[layer][forgotten]
    return make_stability(
        network, known.certified, Bounds(known.domain, tuple(lower), tuple(upper))
    )


def check(network: Network, result: Compression) -> None:
    """The law, and that everything the result says of itself is so."""
    smaller, domain = result.network, result.domain
    worst = exact_deviation(network, smaller, domain)
    allowed = as_fractions(result.max_deviation)
    assert all(a <= b for a, b in zip(worst, allowed, strict=True)), result.steps
    assert smaller.signature == network.signature
    assert smaller.input_size == network.input_size
    assert smaller.kinds.total() <= network.kinds.total()
    # A constant network is one layer, which can have more zeros than a bottleneck has weights.
    assert smaller.parameters <= network.parameters or not entries(smaller.layers[0].weight).any()
    widths = [len(kept) for kept in result.kept if kept]
    assert widths == [layer.n_out for layer in smaller.layers]
    assert result.kept[-1] == tuple(range(network.output_size))
    if {step.rewrite for step in result.steps} <= EXACT and len(smaller.layers) > 1:
        assert result.exact
    if not result.steps:
        assert smaller == network
    total = np.sum([step.deviation for step in result.steps], axis=0) if result.steps else 0.0
    assert (result.max_deviation <= 1.0001 * total).all()


@pytest.mark.parametrize("chunk", seeds(1, of=20))
def test_the_law_on_random_networks(chunk: int) -> None:
    tally: Counter[str] = Counter()
    for seed in range(chunk * 40, (chunk + 1) * 40):
        generator = np.random.default_rng(seed)
        network, box = (random_case, wide_case)[seed % 2](generator)
        stabilities = (
            exact_stability(network, box),
            exact_stability(network, box, loose=True),
            partial_stability(generator, network, box),
        )
        for stability in stabilities:
            result = compress(network, stability)
            check(network, result)
            tally.update(step.rewrite for step in result.steps)
            tally["units"] += sum(network.hidden_widths)
            tally["left"] += sum(result.network.hidden_widths)
    print(dict(tally))
    assert tally["left"] < tally["units"]


@pytest.mark.parametrize("seed", seeds(10, of=40))
def test_the_law_at_points(seed: int) -> None:
    """The same once more without the oracle's comparison of two networks."""
    generator = np.random.default_rng(seed)
    network, box = (random_case, wide_case)[seed % 2](generator)
    result = compress(network, exact_stability(network, box))
    allowed = as_fractions(result.max_deviation)
    corners = cell_vertices(network, box) + cell_vertices(result.network, box)
    for point in [*corners[:200], *box.sample(50, generator).tolist()]:
        pairs = zip(exact_output(network, point), exact_output(result.network, point), strict=True)
        assert all(abs(a - b) <= limit for (a, b), limit in zip(pairs, allowed, strict=True))


@pytest.mark.parametrize("seed", seeds(20, of=200))
def test_deviations_are_at_the_level_of_rounding(seed: int) -> None:
    network, box = (random_case, wide_case)[seed % 2](np.random.default_rng(seed))
    result = compress(network, exact_stability(network, box))
    bounds = propagate(network, box.spread(network.input_size))
    size = sum(np.abs(side).max() for pair in (bounds.lower, bounds.upper) for side in pair)
    weights = np.prod([abs(k.weight).sum(axis=1).max() + 1.0 for k in network.layers[1:]])
    assert result.max_deviation.max() <= 1e-13 * size * max(weights, 1.0)


@pytest.mark.system
def test_compressing_twice_changes_nothing_more() -> None:
    again = 0
    for seed in range(80):
        network, box = (random_case, wide_case)[seed % 2](np.random.default_rng(seed))
        first = compress(network, exact_stability(network, box))
        stability = exact_stability(first.network, box)
        second = compress(first.network, stability)
        check(first.network, second)
        if second.steps:
            # Only where rounding has moved a unit across zero, and so given it another phase.
            assert not first.exact
            again += 1
    assert again <= 4


@pytest.mark.parametrize("seed", seeds(10, of=40))
def test_what_is_undecided_is_kept(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = Network.from_arrays(
        [generator.normal(size=s) for s in ((5, 3), (4, 5), (2, 4))],
        [generator.normal(size=n) + 1.0 for n in (5, 4, 2)],
    )
    box = Box(-1, 1).spread(3)
    nothing = Bounds(
        box,
        tuple(np.full(layer.n_out, -np.inf) for layer in network.layers),
        tuple(np.full(layer.n_out, np.inf) for layer in network.layers),
    )
    result = compress(network, make_stability(network, nothing, nothing))
    assert result.network == network
    assert result.steps == ()
    stability = partial_stability(generator, network, box)
    result = compress(network, stability)
    check(network, result)
    for layer in network.hidden_layers:
        for unit, phase in enumerate(stability.phases[layer]):
            # A unit that nothing reads any more may go whatever its phase.
            dead = [
                s for s in result.steps if s.rewrite == "dead" or not result.network.hidden_widths
            ]
            if phase is Phase.UNDECIDED and not dead:
                assert unit in result.kept[layer]


@pytest.mark.parametrize("seed", seeds(15, of=60))
def test_certified_only_believes_no_solver(seed: int) -> None:
    network, box = (random_case, wide_case)[seed % 2](np.random.default_rng(seed))
    loose = exact_stability(network, box, loose=True)
    # Intervals of a solver that lies: everything is inactive.
    lies = tuple(np.minimum(high, 0.0) for high in loose.certified.upper)
    lower = tuple(np.minimum(low, 0.0) for low in loose.certified.lower)
    lying = make_stability(network, loose.certified, Bounds(loose.domain, lower, lies))
    result = compress(network, lying, certified_only=True)
    check(network, result)
    honest = make_stability(network, loose.certified, loose.certified)
    assert result.network == compress(network, honest).network


RELU = ["relu"]
SPECIAL = {
    "no hidden layer": ([[[1.0, 2.0]]], [[3.0]], ["linear"], []),
    "no hidden layer, relu": ([[[1.0, 2.0]]], [[3.0]], ["relu"], []),
    "one unstable unit": ([[[1.0, 2.0]], [[2.0]]], [[0.0], [1.0]], None, [1]),
    "one active unit": ([[[1.0, 2.0]], [[2.0]]], [[3.0], [1.0]], None, []),
    "one inactive unit": ([[[1.0, 2.0]], [[2.0]]], [[-3.0], [1.0]], None, []),
    "all active": ([np.eye(2), -np.eye(2), np.eye(2)], [[1, 1], [2, 2], [0, 0]], None, []),
    "all inactive": ([np.eye(2), -np.eye(2), np.eye(2)], [[-1, -1], [2, 2], [0, 0]], None, []),
    "dead end": ([np.eye(2), [[1.0, 0.0]]], [[0, 0], [0]], None, [1]),
    "bottleneck": (
        [[[1.0, 1.0, 1.0, 1.0]], np.ones((4, 1)), np.ones((1, 4))],
        [[4.0], [-4.0, -3.0, -2.0, -1.0], [0.0]],
        None,
        [1, 4],
    ),
    "preprocessing": (
        [0.1 * np.eye(2), [[1.0, 2.0], [3.0, 4.0]], [[1.0, -1.0]]],
        [[0.1, 0.2], [-0.4, -0.8], [0.0]],
        ["linear", "relu", "linear"],
        [2],
    ),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_networks(name: str) -> None:
    weights, biases, activations, expected = SPECIAL[name]
    plain = Network.from_arrays(weights, biases, activations)
    network = Network(plain.layers, Signature(input_name="x", input_shape=(1, plain.input_size)))
    result = compress(network, exact_stability(network, Box(-1, 1)))
    check(network, result)
    assert list(result.network.hidden_widths) == expected


def test_preprocessing_keeps_its_numbers() -> None:
    weights, biases, activations, _ = SPECIAL["preprocessing"]
    network = Network.from_arrays(weights, biases, activations)
    assert compress(network, exact_stability(network, Box(-1, 1))).network == network


def test_a_constant_network_becomes_its_constant() -> None:
    network = Network.from_arrays([[[1.0], [2.0]], [[1.0, 1.0], [0.5, 0.0]]], [[-1, -2], [7, 0.5]])
    result = compress(network, exact_stability(network, Box(-1, 1)))
    assert result.network == Network.from_arrays([np.zeros((2, 1))], [[7.0, 0.5]])
    assert result.kept == ((), (0, 1))
    assert result.exact


def test_another_networks_stability_is_refused() -> None:
    network = Network.from_arrays([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    other = Network.from_arrays([[[1.0]], [[2.0]]], [[0.0], [0.0]])
    with pytest.raises(MismatchError, match="classify this network"):
        compress(network, exact_stability(other, Box(-1, 1)))


def test_numbers_near_the_end_of_the_range_do_no_harm() -> None:
    for size in (1e150, 1e300, 1e-150, 1e-300):
        network = Network.from_arrays(
            [size * np.ones((3, 2)), np.ones((2, 3)), size * np.ones((1, 2))],
            [np.full(3, 3.0 * size), np.ones(2), np.zeros(1)],
        )
        result = compress(network, exact_stability(network, Box(-1, 1), loose=True))
        assert np.isfinite(result.max_deviation).all()
        check(network, result)


def test_a_rewrite_of_which_nothing_finite_is_proved_is_not_made() -> None:
    network = Network.from_arrays(
        [[[0.0], [1.0]], [[0.1, 1.0]], [[1e200]], [[1e200]]], [[0.3, 0.0], [0.1], [0.0], [0.0]]
    )
    result = compress(network, exact_stability(network, Box(-1, 1), loose=True))
    assert np.isfinite(result.max_deviation).all()
    assert 0 in result.kept[0]


TRAINED = {
    "mnist_25-25_l1_0.001_s0": (24, 19),
    "mnist_50-50_l1_0.001_s0": (36, 28),
    "mnist_100-100_l1_0.0005_s0": (59, 33),
    "mnist_100-100_l1_0.0005_s1": (56, 34),
    "mnist_100-100-100-100-100_l1_0.0002_s0": (69, 64, 57, 59, 39),
    "mnist_400-400_l1_0.0001_s0": (242, 168),
}
"""Units that the plain product rank, as many new units as the next layer has, leaves or less."""


@pytest.mark.system
@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks(name: str) -> None:
    network = load(find_network(f"mnist/{name}.onnx"))
    box = Box(0, 1).spread(784)
    bounds = propagate(network, box)
    result = compress(network, make_stability(network, bounds, bounds))
    pairs = zip(result.network.hidden_widths, TRAINED[name], strict=True)
    assert all(width <= expected for width, expected in pairs)
    assert result.max_deviation.max() < 1e-12
    generator = np.random.default_rng(0)
    points = np.vstack([box.sample(500, generator), generator.integers(0, 2, size=(500, 784))])
    expected, found = network(points), result.network(points)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


LARGEST = {
    "mnist_100-100_l1_0.0005_s0": (92, 48635),
    "mnist_25-25_l1_0.001_s0": (43, 19515),
    "mnist_100-100-100-100-100_l1_0.0002_s0": (240, 63520),
    "mnist_100-100_l1_0.0001_s0": (174, 79144),
    "mnist_100-100_l1_0.0001_s1": (168, 75474),
    "mnist_100-100_l1_0.0005_s1": (89, 45429),
    "mnist_25-25_l1_0.0002_s0": (44, 19550),
    "mnist_25-25_l1_0.0002_s1": (44, 19550),
    "mnist_25-25_l1_0.001_s1": (37, 17775),
    "mnist_50-50_l1_0.0002_s0": (86, 36860),
    "mnist_50-50_l1_0.0002_s1": (82, 35871),
    "mnist_50-50_l1_0.001_s0": (63, 28773),
    "mnist_50-50_l1_0.001_s1": (61, 28681),
}
"""Hidden units and parameters that a release left on [0, 1] by bounds and witnesses alone."""
SMALLEST = "mnist_25-25_l1_0.001_s0"


@pytest.mark.parametrize(
    "name",
    [SMALLEST, *(pytest.param(k, marks=pytest.mark.slow) for k in LARGEST if k != SMALLEST)],
)
def test_no_network_becomes_larger_than_it_was(name: str) -> None:
    """All rows of hidden layers count, and what comes as rectifiers comes back so."""
    shipped = DATA / f"{name}.onnx"
    network = load(shipped if shipped.is_file() else find_network(f"mnist/{name}.onnx"))
    stability = classify(network, Box(0, 1), strategy=Cascade(stages=()))
    units, parameters = LARGEST[name]
    for sequential in (False, True):
        smaller = compress(network, stability, sequential=sequential).network
        assert smaller.kinds.total() <= units
        assert smaller.parameters <= parameters
    assert set(smaller.kinds) == {"rectifiers"}


@pytest.mark.system
def test_the_oracle_would_notice_a_wrong_network() -> None:
    """A test of these tests: a compression with one wrong number breaks the law."""
    noticed = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        network, box = wide_case(generator)
        result = compress(network, exact_stability(network, box))
        weights = [layer.weight.copy() for layer in result.network.layers]
        spot = tuple(int(generator.integers(n)) for n in weights[-1].shape)
        weights[-1][spot] += 1e-9
        biases = [layer.bias for layer in result.network.layers]
        tags = [layer.activation for layer in result.network.layers]
        wrong = Network.from_arrays(weights, biases, tags)
        worst = exact_deviation(network, wrong, box)
        allowed = as_fractions(result.max_deviation)
        noticed += any(a > b for a, b in zip(worst, allowed, strict=True))
        assert len(exact_ranges(wrong, box)) == len(wrong.layers)
    assert noticed >= 30
