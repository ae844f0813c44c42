"""Rounding-safe arithmetic against exact rationals."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from rationals import drifting, exact_dot
from seeds import seeds

from leo_opt import enclosure
from leo_opt.enclosure import affine_image, evaluate
from leo_opt.network import Network
from leo_opt.weights import dense


def exact_image(weight, bias, lower, upper) -> list[tuple[Fraction, Fraction]]:
    ends = []
    for row, constant in zip(weight, bias, strict=True):
        high = exact_dot(row, np.where(row > 0, upper, lower)) + Fraction(float(constant))
        low = exact_dot(row, np.where(row > 0, lower, upper)) + Fraction(float(constant))
        ends.append((low, high))
    return ends


@pytest.mark.parametrize("seed", seeds(24, of=60))
def test_affine_image_holds_the_exact_image_tightly(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = (5, int(generator.integers(1, 40)))
    spread = 10.0 ** generator.integers(-150, 150) if seed % 3 == 0 else 1.0
    weight = generator.normal(size=shape) * 10.0 ** generator.integers(-6, 6, size=shape) * spread
    lower = generator.normal(size=shape[1])
    upper = lower + abs(generator.normal(size=shape[1])) * 10.0 ** generator.integers(-9, 3)
    # A bias that cancels the sum leaves nothing but rounding errors in the bound.
    bias = -(np.maximum(weight, 0) @ upper + np.minimum(weight, 0) @ lower)
    low, high = affine_image(weight, bias, lower, upper)
    for k, (exact_low, exact_high) in enumerate(exact_image(weight, bias, lower, upper)):
        assert Fraction(float(low[k])) <= exact_low
        assert Fraction(float(high[k])) >= exact_high
        size = float(np.abs(weight[k]) @ np.maximum(abs(lower), abs(upper)) + abs(bias[k]))
        assert float(high[k] - exact_high) <= 1e-12 * size
        # The sign is decided exactly, though the sum is pure rounding.
        assert (high[k] <= 0) == (exact_high <= 0)
        assert (low[k] >= 0) == (exact_low >= 0)


def test_ties_of_a_wide_layer_are_decided_while_work_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where not all rows have their turn the first ones have; the others are bounded as ever."""
    width = 300
    weight = np.tile(np.array([0.1, -0.3]), (width, width // 2))
    point = np.tile(np.array([3.0, 1.0]), width // 2)
    bias = np.full(width, float(-exact_dot(weight[0], point)))
    for scale, decided in ((1.0, 7), (2.0**-450, 0)):
        monkeypatch.setattr(enclosure, "_EXACT_TERMS", 7 * width)
        low, high = affine_image(scale * weight, scale * bias, point, point)
        assert exact_image(weight[:1], bias[:1], point, point) == [(0, 0)]
        assert (high[:decided] == 0.0).all()
        assert (high[decided:] > 0.0).all()
        np.testing.assert_array_equal(low >= 0.0, high <= 0.0)


def test_ties_at_zero_are_exact() -> None:
    weight = np.array([[-1.0, 0.0], [0.1, -0.3], [0.0, 0.0]])
    low, high = affine_image(weight, np.array([0.0, -0.1, 0.0]), np.zeros(2), np.ones(2))
    assert high[0] == 0.0
    assert high[1] == 0.0
    assert low[2] == high[2] == 0.0


def test_underflow_never_proves_a_sign() -> None:
    weight, upper = np.array([[1e-300]]), np.array([1e-300])
    low, high = affine_image(weight, np.zeros(1), -upper, upper)
    assert high[0] > 0.0 > low[0]


def test_overflow_is_no_information() -> None:
    weight = np.array([[1e300, -1e300]])
    low, high = affine_image(weight, np.zeros(1), np.array([-1e300, -1e300]), np.full(2, 1e300))
    assert high[0] == np.inf
    assert low[0] == -np.inf


@pytest.mark.parametrize("seed", range(20))
def test_evaluation_radii_hold_the_exact_pre_activations(seed: int) -> None:
    generator = np.random.default_rng(seed)
    widths = [3, 6, 5, 2]
    scale = 10.0 ** generator.integers(-4, 5)
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) * scale for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) for b in widths[1:]],
    )
    points = generator.normal(size=(4, 3))
    enclosures = evaluate(network, points)
    for row, point in enumerate(points):
        values = [Fraction(float(x)) for x in point]
        for (pre, radius), layer in zip(enclosures, network.layers, strict=True):
            exact = [
                sum(Fraction(float(w)) * v for w, v in zip(weights, values, strict=True))
                + Fraction(float(b))
                for weights, b in zip(dense(layer.weight), layer.bias, strict=True)
            ]
            for unit, value in enumerate(exact):
                gap = abs(value - Fraction(float(pre[row, unit])))
                assert gap <= Fraction(float(radius[row, unit]))
            assert (radius[row] <= 1e-9 * (1 + abs(pre[row]).max()) * scale).all()
            values = [
                max(g, Fraction(0)) if phased else g
                for g, phased in zip(exact, layer.phased, strict=True)
            ]


@pytest.mark.parametrize("boxes", [1, 2])
def test_sums_of_products_that_underflow(boxes: int) -> None:
    """Each product is rounded to a multiple of the smallest number, many of them to 0."""
    count, tiny = 1000, 2.0**-537
    for factor in drifting(6):
        weight, upper = np.full((1, count), factor * tiny), np.full(count, 1.5 * tiny)
        box = (
            (upper / 2, upper)
            if boxes == 1
            else (np.tile(upper / 2, (2, 1)), np.tile(upper, (2, 1)))
        )
        low, high = affine_image(weight, np.zeros(1), *box)
        exact = exact_dot(weight[0], upper)
        assert Fraction(low.min()) <= exact / 2
        assert exact <= Fraction(high.min())
        (pre, radius), (last, reach) = evaluate(
            Network.from_arrays([weight, [[2.0**1000]]], [[0.0], [0.0]]), upper[None, :]
        )
        assert abs(exact - Fraction(float(pre[0, 0]))) <= Fraction(float(radius[0, 0]))
        gap = abs(2**1000 * exact - Fraction(float(last[0, 0])))
        assert gap <= Fraction(float(reach[0, 0]))
