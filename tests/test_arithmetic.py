"""Rationals and dot products, rounded once and to the right side."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact_stability import as_fractions
from rationals import exact_dot

from leo_opt.arithmetic import (
    dot_up,
    exact_dots,
    float_above,
    float_below,
    middle_and_radius,
    product_size,
)


def test_rounding_is_directed_and_tight() -> None:
    generator = np.random.default_rng(151)
    values = [
        Fraction(int(a), int(b)) * Fraction(2) ** int(k)
        for a, b, k in zip(
            generator.integers(-(10**17), 10**17, size=300),
            generator.integers(1, 10**17, size=300),
            generator.integers(-1080, 900, size=300),
            strict=True,
        )
    ]
    for value in values:
        above, below = float_above(value), float_below(value)
        assert Fraction(math.nextafter(above, -math.inf)) < value <= Fraction(above)
        assert Fraction(below) <= value < Fraction(math.nextafter(below, math.inf))
    huge, largest = Fraction(10) ** 400, float(np.finfo(float).max)
    assert (float_below(huge), float_above(huge)) == (largest, math.inf)
    assert (float_below(-huge), float_above(-huge)) == (-math.inf, -largest)


def test_a_box_lies_within_the_radius_of_its_middle() -> None:
    generator = np.random.default_rng(4)
    lower = generator.normal(size=500)
    upper = np.where(generator.random(500) < 0.1, lower, lower + generator.exponential(size=500))
    ends = map(as_fractions, (lower, upper, *middle_and_radius(lower, upper)))
    for low, high, middle, radius in zip(*ends, strict=True):
        assert middle - radius <= low <= high <= middle + radius
        assert radius > 0 or low == high


@pytest.mark.parametrize("seed", range(30))
def test_sums_are_within_their_error_and_that_is_one_rounding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(6, 40)) * 10.0 ** generator.integers(-9, 9, size=(6, 40))
    vector = generator.normal(size=40) * 10.0 ** generator.integers(-9, 9, size=40)
    start = generator.normal(size=6)
    # Most sums cancel almost to nothing.
    matrix[:4, 20:], vector[20:] = -matrix[:4, :20], vector[:20]
    matrix[5] *= generator.random(40) < 0.1
    sums, error = exact_dots(matrix, vector, start)
    for row, found, bound, first in zip(matrix, sums, error, start, strict=True):
        pairs = zip(as_fractions(row), as_fractions(vector), strict=True)
        exact = sum((a * b for a, b in pairs), Fraction(float(first)))
        assert abs(Fraction(float(found)) - exact) <= Fraction(float(bound))
        assert bound <= 2.0**-51 * abs(found)
        assert (bound == 0.0) == (exact == Fraction(float(found)))


def test_a_single_term_is_exact_and_huge_factors_prove_nothing() -> None:
    sums, error = exact_dots(np.array([[0.0, 0.0], [0.0, 3.0]]), np.array([1.0, 0.0]), np.ones(2))
    assert sums.tolist() == [1.0, 1.0]
    assert error.tolist() == [0.0, 0.0]
    assert np.isinf(exact_dots(np.array([[1e300]]), np.ones(1), np.zeros(1))[1]).all()
    assert np.isinf(exact_dots(np.ones((1, 1)), np.array([1e300]), np.zeros(1))[1]).all()


@pytest.mark.parametrize("seed", range(30))
def test_sizes_of_products_hold_and_are_tight_where_sums_cancel(seed: int) -> None:
    generator = np.random.default_rng(seed)
    outgoing = generator.normal(size=(4, 7)) * 10.0 ** generator.integers(-9, 9, size=(4, 7))
    weight = generator.normal(size=(7, 5)) * 10.0 ** generator.integers(-9, 9, size=(7, 5))
    left = np.hstack([outgoing, -np.eye(4)])
    right = np.vstack([weight, outgoing @ weight])
    sizes = product_size(left, right)
    magnitude = np.abs(left) @ np.abs(right)
    for i, k in np.ndindex(sizes.shape):
        pairs = zip(as_fractions(left[i]), as_fractions(right[:, k]), strict=True)
        exact = abs(sum(a * b for a, b in pairs))
        assert exact <= Fraction(float(sizes[i, k]))
        roof = np.abs(left[i]).max() * np.abs(right[:, k]).max()
        assert sizes[i, k] <= 1.001 * float(exact) + 1e-19 * (roof + magnitude[i, k])


def test_sizes_of_products_of_huge_factors_are_unknown() -> None:
    assert np.isinf(product_size(np.array([[1e300]]), np.ones((1, 2)))).all()
    assert not product_size(np.zeros((2, 0)), np.zeros((0, 3))).any()


def test_products_of_small_integers_are_exact() -> None:
    left, right = np.array([[1.0, 2.0, -3.0]]), np.array([[3.0], [0.0], [1.0]])
    assert product_size(left, right).tolist() == [[0.0]]
    assert product_size(left, right + 1.0).tolist() == [[0.0]]
    assert product_size(left + 1.0, right).tolist() == [[4.0]]


@pytest.mark.parametrize("seed", range(10))
def test_a_dot_product_is_rounded_up_once(seed: int) -> None:
    generator = np.random.default_rng((140, seed))
    left, right = generator.normal(size=(2, 30))
    for start in (0.0, float(-left @ right), float(generator.normal())):
        exact = Fraction(start) + exact_dot(left, right)
        assert dot_up(left, right, start) == float_above(exact)


@pytest.mark.parametrize("terms", [1, 1000])
def test_products_that_underflow_are_within_their_error(terms: int) -> None:
    """Each product is rounded to a multiple of the smallest number, if not to 0."""
    for size in (2.0**-537, 2.0**-540):
        row, vector = np.full((1, terms), 1.25 * size), np.full(terms, 1.75 * size)
        exact = exact_dot(row[0], vector)
        sums, error = exact_dots(row, vector, np.zeros(1))
        assert abs(Fraction(float(sums[0])) - exact) <= Fraction(float(error[0]))
        assert exact <= Fraction(float(product_size(row, vector[:, None])[0, 0]))
