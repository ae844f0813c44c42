"""The lines that CROWN substitutes hold their units, at both ends and in rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from rationals import exact, random_ends

from leo_opt.bounds.lines import lines_of
from leo_opt.network import Layer


def test_lines_hold_a_unit_at_both_ends() -> None:
    generator = np.random.default_rng(141)
    low, high = random_ends(generator, 2000)
    shares = generator.random(2000)
    layer = Layer(np.ones((2000, 1)), np.zeros(2000), "relu")
    above, offset, below = lines_of(layer, low, high, shares)
    rows = zip(*map(exact, (low, high, above, offset, below)), strict=True)
    for least, most, slope, lift, lower in rows:
        assert slope * least + lift >= 0
        assert slope * most + lift >= most
        assert lower * least <= 0
        assert lower * most <= most
        assert lift <= -least * (1 + Fraction(1, 2**40))


def test_the_upper_line_is_above_both_ends_whatever_the_slope_below_0() -> None:
    """Rounding tilts it; with a slope below 0, either end may be what is left above it."""
    generator, count = np.random.default_rng(0), 500
    ends = generator.random((2, count)) * 10.0 ** generator.uniform(-6, 6, (2, count))
    low, high = -ends[0], ends[1]
    for tag, slope in (("relu", 0.0), ("leaky-relu(0.5)", 0.5), ("leaky-relu(0.99)", 0.99)):
        layer = Layer(np.ones((count, 1)), np.zeros(count), tag)
        above, offset, _ = lines_of(layer, low, high, np.zeros(count))
        for a, b, least, most in zip(*map(exact, (above, offset, low, high)), strict=True):
            assert a * least + b >= Fraction(slope) * least
            assert a * most + b >= most
