"""Bounds hold in exact arithmetic, and nest as they should."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt.bounds import METHODS, crown, propagate
from leo_opt.bounds.lines import LOWER_SLOPES
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.network import Network


@pytest.mark.parametrize("seed", seeds(40, of=100))
def test_bounds_hold_the_exact_ranges(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size)
    exact = exact_ranges(network, box)
    for method in METHODS:
        bounds = propagate(network, box, method)
        for layer, ranges in enumerate(exact):
            check_interval(bounds.lower[layer], bounds.upper[layer], ranges)
    # Each lower slope alone, on the tight bounds of the layers before: a rounding error of the
    # wrong sign would show there.
    for rule in LOWER_SLOPES:
        for layer, ranges in enumerate(exact):
            ends = crown.bound_layer(network, box, layer, bounds.lower, bounds.upper, (rule,))
            check_interval(*ends, ranges)


def check_interval(lower: np.ndarray, upper: np.ndarray, ranges: list) -> None:
    for unit, (low, high) in enumerate(ranges):
        assert Fraction(float(lower[unit])) <= low
        assert Fraction(float(upper[unit])) >= high


@pytest.mark.parametrize("seed", range(20))
def test_the_first_affine_layer_is_exact_to_rounding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = Network.from_arrays([generator.normal(size=(4, 6))], [generator.normal(size=4)])
    box = Box(-generator.random(6), generator.random(6))
    bounds = propagate(network, box)
    for unit, (low, high) in enumerate(exact_ranges(network, box)[0]):
        assert float(low) - 1e-12 < bounds.lower[0][unit] <= float(low)
        assert float(high) + 1e-12 > bounds.upper[0][unit] >= float(high)


def test_crown_is_never_looser_than_interval_and_often_tighter() -> None:
    tighter = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        widths = [4, 8, 8, 3]
        network = Network.from_arrays(
            [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
            [generator.normal(size=b) for b in widths[1:]],
        )
        box = Box(-1, 1)
        coarse, fine = propagate(network, box, "interval"), propagate(network, box, "crown")
        for layer in range(3):
            assert (fine.lower[layer] >= coarse.lower[layer]).all()
            assert (fine.upper[layer] <= coarse.upper[layer]).all()
        tighter += bool((fine.upper[2] < coarse.upper[2] - 1e-6).any())
    assert tighter > 15


def test_overflow_is_no_information_and_no_error() -> None:
    network = Network.from_arrays([[[1e200]], [[1e200]], [[-1.0]]], [[0.0], [0.0], [0.0]])
    bounds = propagate(network, Box(0.0, 1.0))
    assert bounds.upper[1][0] == np.inf
    assert bounds.lower[2][0] == -np.inf


def test_unknown_methods_and_wrong_boxes_are_refused() -> None:
    network = Network.from_arrays([[[1.0, 1.0]]], [[0.0]])
    with pytest.raises(InvalidInputError, match=r"'lp'.*interval, crown"):
        propagate(network, Box(0, 1), "lp")
    with pytest.raises(InvalidInputError, match="3 inputs and the network 2"):
        propagate(network, Box([0, 0, 0], [1, 1, 1]))


def test_underflow_between_layers_is_no_proof() -> None:
    """1e-200 * 1e-200 vanishes on the way back and would have met 1e300 further down."""
    network = Network.from_arrays(
        [[[1e200]], [[1e100]], [[1e-200]], [[1e-200]]],
        [[0.0], [0.0], [0.0], [-1e-105]],
        ["linear", "linear", "linear", "relu"],
    )
    bounds = propagate(network, Box(0.0, 1.0))
    low, high = exact_ranges(network, Box(0.0, 1.0).spread(1))[3][0]
    assert Fraction(float(bounds.lower[3][0])) <= low
    assert Fraction(float(bounds.upper[3][0])) >= high > 0
