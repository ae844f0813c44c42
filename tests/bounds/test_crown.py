"""Where CROWN needs each of its terms of rounding: long sums of one sign, deep chains, ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from rationals import drifting, exact
from scipy.sparse import csr_array

from leo_opt.bounds import crown, propagate
from leo_opt.bounds.lines import LOWER_SLOPES
from leo_opt.domain import Box
from leo_opt.network import Layer, Network


def convolutional(generator: np.random.Generator, sparse: bool) -> Network:
    """Layers whose units read a few neighbours, and a dense one that reads them all."""
    layers, width = [], 40
    for width_after, reads in ((60, 3), (50, 4), (30, 5), (4, 30)):
        weight = np.zeros((width_after, width))
        for unit in range(width_after):
            start = unit * (width - reads) // width_after
            weight[unit, start : start + reads] = generator.normal(size=reads)
        bias = generator.normal(size=width_after) - 0.5
        kept = csr_array(weight) if sparse and reads < width else weight
        layers.append(Layer(kept, bias, "relu" if width_after > 4 else "linear"))
        width = width_after
    return Network(tuple(layers))


@pytest.mark.parametrize("memory", [2.0, 1e-6])
def test_sparse_rows_in_small_batches_have_the_bounds_of_dense_ones(memory: float) -> None:
    for seed in range(10 if memory > 1.0 else 2):
        dense, sparse = (
            convolutional(np.random.default_rng(seed), sparse) for sparse in (False, True)
        )
        box = Box(-0.5, 0.5)
        mine = propagate(sparse, box, memory=memory)
        theirs = propagate(dense, box)
        for side, other in ((mine.lower, theirs.lower), (mine.upper, theirs.upper)):
            for values, others in zip(side, other, strict=True):
                np.testing.assert_allclose(values, others, rtol=1e-9, atol=1e-9)
        inputs = np.random.default_rng(seed).uniform(-0.5, 0.5, (50, 40))
        for layer, pre in enumerate(dense.pre_activations(inputs)):
            assert (mine.lower[layer] - 1e-12 <= pre).all()
            assert (pre <= mine.upper[layer] + 1e-12).all()


# Tiny and huge factors that cancel: what underflows on the way meets a huge weight.
@pytest.mark.parametrize("power", [0, 530])
def test_long_products_of_one_sign(power: int) -> None:
    count, box = 2**14, Box([2.0 ** -(power + 1)], [2.0**-power])
    for slope in drifting(8):
        first = Layer(np.full((count, 1), slope * 2.0**-power), np.zeros(count), "relu")
        last = Layer(np.full((1, count), 2.0 ** (2 * power - power // 10)), [0.0], "linear")
        network = Network((first, last))
        ends = box.lower * first.weight[:, 0], box.upper * first.weight[:, 0]
        low, high = crown.bound_layer(network, box, 1, ends[:1], ends[1:])
        factor = count * Fraction(float(last.weight[0, 0])) * Fraction(float(first.weight[0, 0]))
        assert Fraction(float(low[0])) <= factor * exact(box.lower)[0]
        assert Fraction(float(high[0])) >= factor * exact(box.upper)[0]


def test_long_rows_of_inputs() -> None:
    count = 2**14
    for end in drifting(8):
        layer = Layer(np.ones((1, count)), [0.0], "linear")
        low, high = crown.bound_layer(Network((layer,)), Box(end / 3, end).spread(count), 0, [], [])
        assert Fraction(float(low[0])) <= count * Fraction(end / 3)
        assert Fraction(float(high[0])) >= count * Fraction(end)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_small_biases_that_a_large_constant_swallows(sign: float) -> None:
    """Each of them is less than half a unit in the last place of the constant."""
    depth, step = 40, 0.9
    layers = [Layer([[1.0]], [step], "relu")] * depth
    network = Network((*layers, Layer([[sign]], [sign * 2.0**53], "linear")))
    ends = [np.array([(k + 1) * step]) for k in range(depth)]
    low = [end - 1e-6 for end in ends]
    high = [end + 1.0 for end in ends]
    for rule in LOWER_SLOPES:
        found = crown.bound_layer(network, Box([0.0], [0.0]), depth, low, high, (rule,))
        true = Fraction(sign) * (depth * Fraction(step) + 2**53)
        assert Fraction(float(found[0][0])) <= true <= Fraction(float(found[1][0]))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_coefficients_that_vanish_cost_what_they_could_contribute(sign: float) -> None:
    """No more: 2**-600 * 2**-500 is 0 in float64, and its input is at most 2**600."""
    factors = [2.0**600, 2.0**-500, sign * 2.0**-600]
    layers = [Layer([[factor]], [0.0], "relu") for factor in factors[:-1]]
    network = Network((*layers, Layer([[factors[-1]]], [0.0], "linear")))
    ends = [np.array([2.0**600]), np.array([2.0**100])]
    low, high = crown.bound_layer(network, Box([0.0], [1.0]), 2, [0.0 * end for end in ends], ends)
    assert -(2.0**-400) < low[0] <= min(0.0, sign * 2.0**-500)
    assert 2.0**-400 > high[0] >= max(0.0, sign * 2.0**-500)
