"""Maxima in a chain: found where they are to the last bit, and no looser than what a maximum is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_output, exact_ranges
from seeds import seeds

from leo_opt import Box, Layer, Network
from leo_opt.arithmetic import round_up
from leo_opt.bounds import METHODS, propagate
from leo_opt.deviation import inference_error, propagate_deviation, spread_deviation
from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import Levels
from leo_opt.formats.rounded import Rounded
from leo_opt.network import Signature


def exact(values: object) -> Rounded:
    return Rounded.exact(np.asarray(values, dtype=np.float64))


def pooled(generator: np.random.Generator, least: bool = False, rectified: bool = True) -> Network:
    """The largest, or least, of overlapping windows of units, as a tree."""
    levels, width = Levels(2), int(generator.integers(2, 5))
    weight = generator.integers(-4, 5, (width, 2)) / 2.0
    if generator.random() < 0.5:
        weight = generator.normal(size=(width, 2))
    columns = np.tile(np.arange(2), (width, 1))
    rows = Affine.matrix(columns, exact(weight)).behind(levels.inputs)[0]
    rows = rows.add(exact(generator.integers(-2, 3, width) / 4.0))
    values = levels.rectify(rows) if rectified else levels.linear_units(rows)
    if generator.random() < 0.3:
        values = values.multiply(exact(generator.normal(size=width)))
    join = levels.minimum if least else levels.maximum
    while len(values) > 1:
        length = len(values)
        step = 1 if generator.random() < 0.3 else 2
        left = np.arange(0, length - 1, step)
        pairs = join(values.take(left), values.take(left + 1))
        if step == 2 and length % 2:
            pairs = Affine.stacked([pairs, values.take(np.array([length - 1]))])
        values = pairs
    if generator.random() < 0.3:
        late = levels.rectify(levels.rectify(levels.inputs.take(np.array([0]))).add(exact([-0.5])))
        values = levels.add(values, late)
    return levels.network(values, Signature())


def tree(count: int, sign: float = 1.0) -> Network:
    """sign * the largest of sign * x for `count` inputs."""
    levels = Levels(count)
    values = levels.inputs
    while len(values) > 1:
        even, odd = (np.arange(k, len(values) - 1 + k, 2) for k in (0, 1))
        join = levels.maximum if sign > 0.0 else levels.minimum
        values = (
            Affine.stacked(
                [
                    join(values.take(even), values.take(odd)),
                    values.take(np.arange(2 * len(even), len(values))),
                ]
            )
            if len(values) % 2
            else join(values.take(even), values.take(odd))
        )
    return levels.network(values, Signature())


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_bounds_and_deviations_are_those_of_the_largest(count: int) -> None:
    generator = np.random.default_rng(count)
    lower = generator.normal(size=count)
    box = Box(lower, lower + generator.random(count))
    moved = generator.random(count)
    for sign, join in ((1.0, np.max), (-1.0, np.min)):
        network = tree(count, sign)
        first = Layer(np.eye(count), np.zeros(count))
        longer = Network((first, *network.layers))
        for method in METHODS:
            bounds = propagate(network, box, method)
            # Rows of -1, which least values have, count as rounded by length.
            rounded = 0.0 if sign > 0.0 else 1e-14
            assert bounds.lower[-1][0] == pytest.approx(join(box.lower), rel=rounded, abs=0.0)
            assert bounds.upper[-1][0] == pytest.approx(join(box.upper), rel=rounded, abs=0.0)
        assert propagate_deviation(longer, 0, moved)[0] == pytest.approx(moved.max(), rel=1e-14)
        error = inference_error(longer, propagate(longer, box), "float64")
        assert error <= 2.0**-53 * 40 * count * np.abs([box.lower, box.upper]).max()


@pytest.mark.parametrize("seed", seeds(25, of=200))
def test_bounds_and_deviations_hold_in_rationals(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = pooled(generator, bool(seed % 2), bool(seed % 3))
    assert any(network.maxima)
    box = Box(-generator.random(2), generator.random(2))
    ranges = exact_ranges(network, box)
    for method in METHODS:
        bounds = propagate(network, box, method)
        for layer, ends in enumerate(ranges):
            for unit, (low, high) in enumerate(ends):
                assert Fraction(bounds.lower[layer][unit]) <= low
                assert high <= Fraction(bounds.upper[layer][unit])
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


def test_what_is_not_a_maximum_to_the_last_bit_is_none() -> None:
    network = tree(2)
    [found, _] = network.maxima
    assert found is not None
    assert found.rectified.tolist() == [True]
    first, second = network.layers
    weight = np.array(first.weight)
    weight[found.units[0], first.lanes[found.sources[0]]] = np.nextafter(-1.0, 0.0)
    almost = Network((Layer(weight, first.bias, first.tags), second))
    # A lane may be taken with any factor; here it is the one that stands there.
    assert almost.maxima[0] is not None
    assert almost.maxima[0].readers.slack is not None
    sums = np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros(2), ("linear", "relu")
    assert Network((Layer(*sums), Layer([[1.0, 1.0]], [0.0]))).maxima[0] is not None
    sums[0][1, 1] = np.nextafter(-1.0, 0.0)
    assert Network((Layer(*sums), Layer([[1.0, 1.0]], [0.0]))).maxima == (None, None)


def test_rectifiers_alone_are_no_maxima() -> None:
    network = Network.from_arrays([np.eye(3), [[1.0, -1.0, 0.0]] * 2, [[1.0, 1.0]]], [None] * 3)
    assert not any(network.maxima)
