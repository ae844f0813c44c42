"""`Rounded`: whatever numbers mean within their errors, so do results, and zeros are true."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import pytest

from leo_opt.formats.rounded import Rounded

SCALE = 10**60


def draw(generator: np.random.Generator, exact: bool, *shape: int) -> tuple[Rounded, np.ndarray]:
    """Numbers, and what they mean: as far from them as their errors allow, in rationals."""
    values = generator.standard_normal(shape) * 10.0 ** generator.integers(-9, 9, shape)
    if exact:
        return Rounded.exact(values), fractions(values)
    error = np.abs(values) * 2.0 ** generator.integers(-60, -10, shape)
    signs = generator.choice([-1, 1], shape)
    meant = [
        Fraction(value) + int(sign) * Fraction(limit)
        for value, limit, sign in zip(values.flat, error.flat, signs.flat, strict=True)
    ]
    return Rounded(values, error), np.array(meant, dtype=object).reshape(shape)


def fractions(values: np.ndarray) -> np.ndarray:
    return np.array([Fraction(v) for v in values.flat], dtype=object).reshape(values.shape)


def assert_holds(result: Rounded, meant: np.ndarray) -> None:
    """Each number that is meant is within the error of the result."""
    for value, error, want in zip(result.values.flat, result.error.flat, meant.flat, strict=True):
        assert abs(want - Fraction(value)) <= Fraction(error)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "difference": operator.sub,
    "product": operator.mul,
    "quotient": operator.truediv,
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("left_exact", [True, False])
@pytest.mark.parametrize("right_exact", [True, False])
def test_results_are_within_their_errors(name: str, left_exact: bool, right_exact: bool):
    generator = np.random.default_rng(0)
    left, meant_left = draw(generator, left_exact, 400)
    right, meant_right = draw(generator, right_exact, 400)
    result = OPERATIONS[name](left, right)
    meant = OPERATIONS[name](meant_left, meant_right)
    assert_holds(result, meant)
    # The errors are not much larger than what can happen.
    missed = [abs(m - Fraction(v)) for m, v in zip(meant, result.values, strict=True)]
    pairs = zip(missed, result.error, strict=True)
    assert max(m / Fraction(limit) for m, limit in pairs if limit > 0.0) > Fraction(9, 10)


@pytest.mark.parametrize("exact", [True, False])
def test_roots_are_within_their_errors(exact: bool):
    numbers, _ = draw(np.random.default_rng(0), exact, 400)
    values = np.abs(numbers.values)
    for sign in (-1, 1):
        meant = fractions(values) + sign * fractions(np.array(numbers.error))
        roots = [Fraction(isqrt(int(value * SCALE**2)), SCALE) for value in meant]
        slack = Rounded(values, np.array(numbers.error)).sqrt()
        assert_holds(slack, np.array(roots, dtype=object))


@pytest.mark.parametrize("exact", [True, False])
def test_matrix_products_are_within_their_errors(exact: bool):
    generator = np.random.default_rng(0)
    for _ in range(20):
        matrix, meant_matrix = draw(generator, exact, 3, 7)
        vector, meant_vector = draw(generator, exact, 7)
        assert_holds(matrix.dots(vector), meant_matrix @ meant_vector)


def test_what_is_exact_says_so():
    eighths = Rounded.exact(np.arange(-20, 20) / 8.0)
    power = Rounded.exact(np.full(40, 0.25))
    squares = Rounded.exact(np.arange(40.0) ** 2)
    matrix = Rounded.exact(np.arange(80.0).reshape(2, 40))
    for result in (
        eighths + power,
        eighths - power,
        -eighths,
        eighths * eighths,
        eighths / power,
        squares.sqrt(),
        matrix.dots(eighths),
    ):
        assert result.is_exact


def test_the_ends_of_the_range_are_no_holes():
    tiny, huge = Rounded.exact(np.array([1e-200])), Rounded.exact(np.array([1e200]))
    assert (tiny * tiny).error[0] > 0.0
    assert (tiny / huge).error[0] > 0.0
    error = Rounded(np.array([1e-200]), np.array([1e-300]))
    assert (error * tiny).error[0] > 0.0
    matrix = Rounded(np.array([[1e-200]]), np.array([[1e-300]]))
    assert matrix.dots(tiny).error[0] > 0.0
    zero = Rounded(np.array([0.0]), np.array([1e-3]))
    assert np.isinf((huge / zero).error[0])
    assert zero.sqrt().error[0] >= 1e-3**0.5
    with np.errstate(over="ignore"):
        assert not np.isfinite((huge * huge).values[0])


def test_signs_that_are_certain():
    assert Rounded(np.array([1.0, 0.0]), np.array([1.0, 0.0])).certainly_not_negative
    assert not Rounded(np.array([1.0]), np.array([1.1])).certainly_not_negative
    assert Rounded.exact(np.ones(2)).equals(1.0)
    assert not Rounded(np.ones(2), np.array([0.0, 1e-9])).equals(1.0)
