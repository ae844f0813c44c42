"""Bounds through maxima: those of the largest, and true."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from maxima_networks import late_largest, pooled, tree
from oracle import exact_ranges
from seeds import seeds

from leo_opt import Box
from leo_opt.bounds import METHODS, propagate


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_bounds_are_those_of_the_largest(count: int) -> None:
    generator = np.random.default_rng(count)
    lower = generator.normal(size=count)
    box = Box(lower, lower + generator.random(count))
    for sign, join in ((1.0, np.max), (-1.0, np.min)):
        # Rows of -1, which least values have, count as rounded by length.
        rounded = 0.0 if sign > 0.0 else 1e-14
        for method in METHODS:
            bounds = propagate(tree(count, sign), box, method)
            assert bounds.lower[-1][0] == pytest.approx(join(box.lower), rel=rounded, abs=0.0)
            assert bounds.upper[-1][0] == pytest.approx(join(box.upper), rel=rounded, abs=0.0)


def test_the_largest_that_is_carried_past_layers_is_the_largest() -> None:
    """In the lane of a maximum the sum is the maximum, not the larger of it and the first value."""
    network = late_largest()
    bounds = propagate(network, Box([-1.0, 2.0, 0.0], [3.0, 2.5, 1.0]), "interval")
    assert (bounds.lower[-1][0], bounds.upper[-1][0]) == (2.0, 3.0)
    bounds = propagate(network, Box([-1.0, -3.0, 0.0], [0.5, 2.5, 1.0]), "interval")
    assert (bounds.lower[-1][0], bounds.upper[-1][0]) == (-1.0, 2.5)


@pytest.mark.parametrize("seed", seeds(20, of=200))
def test_bounds_through_maxima_hold_in_rationals(seed: int) -> None:
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
