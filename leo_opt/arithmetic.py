"""Float64 arithmetic that knows what it rounds: error bounds, error-free products and sums.

NumPy has no directed rounding, so every bound is computed in round-to-nearest and widened by an
a-priori error bound, or what was rounded off is computed as well.

References
----------
N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import fsum

import numpy as np

from leo_opt.arrays import FloatArray

UNIT_ROUNDOFF = 2.0**-53
TINY = 2.0**-960
"""Far above every possible underflow error of the sums in this package, far below any bound."""

_SPLITTER = 2.0**27 + 1.0
LARGEST_FACTOR = 2.0**500
"""Factors beyond this could overflow while they are split or multiplied."""
SMALLEST_FACTOR = 2.0**-400
"""Products of factors above this, and the rests of these products, do not underflow."""


def gamma(length: int, roundoff: float = UNIT_ROUNDOFF) -> float:
    """Twice Higham's gamma_n: the factor 2 covers the rounding of the error bound itself."""
    return 2.0 * length * roundoff / (1.0 - length * roundoff)


def round_up(values: FloatArray) -> FloatArray:
    """The next float64 above each value."""
    return np.nextafter(values, np.inf)


def round_down(values: FloatArray) -> FloatArray:
    """The next float64 below each value."""
    return np.nextafter(values, -np.inf)


def middle_and_radius(lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A point about the middle of a box, and how far from it the box reaches at most."""
    middle = np.clip(lower + 0.5 * (upper - lower), lower, upper)
    farthest = np.maximum(upper - middle, middle - lower)
    return middle, np.where(farthest == 0.0, 0.0, round_up(farthest))


def is_float(value: Fraction) -> bool:
    """Whether a number within the range of float64 is one itself."""
    return Fraction(float(value)) == value


def float_above(value: Fraction) -> float:
    """The smallest float64 that is not below a rational number, perhaps infinite."""
    nearest, side = nearest_float(value)
    return math.nextafter(nearest, math.inf) if side < 0 else nearest


def float_below(value: Fraction) -> float:
    """The largest float64 that is not above a rational number, perhaps infinite."""
    nearest, side = nearest_float(value)
    return math.nextafter(nearest, -math.inf) if side > 0 else nearest


def nearest_float(value: Fraction) -> tuple[float, int]:
    """The nearest float64, and a number with the sign of what it is above the rational one."""
    numerator, denominator = value.numerator, value.denominator
    try:
        nearest = numerator / denominator
    except OverflowError:
        return (math.inf, 1) if numerator > 0 else (-math.inf, -1)
    top, bottom = nearest.as_integer_ratio()
    return nearest, top * denominator - numerator * bottom


def exact_sums(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums, and what rounding took from them, exactly where nothing overflows.

    References
    ----------
    D. E. Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B (TwoSum).
    """
    sums = left + right
    shadow = sums - left
    return sums, (left - (sums - shadow)) + (right - shadow)


def exact_products(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Products as unevaluated sums of two floats: the rounded ones, and what rounding took.

    Exact for factors of at most `LARGEST_FACTOR` which are 0 or above `SMALLEST_FACTOR`.

    References
    ----------
    T. Ogita, S. M. Rump, S. Oishi, Accurate sum and dot product, 2005, algorithm TwoProduct.
    """
    products = left * right
    left_high, right_high = _high_half(left), _high_half(right)
    left_low, right_low = left - left_high, right - right_high
    rest = left_high * right_high - products
    return products, left_low * right_low + (rest + left_high * right_low + left_low * right_high)


def dot_up(left: FloatArray, right: FloatArray, start: float) -> float:
    """left @ right + start, rounded up once, for factors that `exact_products` takes."""
    products, rests = exact_products(left, right)
    terms = [*products.tolist(), *rests.tolist(), start]
    nearest = fsum(terms)
    return math.nextafter(nearest, math.inf) if fsum([*terms, -nearest]) > 0.0 else nearest


def _high_half(values: FloatArray) -> FloatArray:
    """The leading 26 bits of each number (Veltkamp)."""
    scaled = _SPLITTER * values
    return scaled - (scaled - values)


def exact_dots(
    matrix: FloatArray, vector: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """matrix @ vector + start, each sum rounded once.

    Parameters
    ----------
    matrix : (m, n) array
    vector : (n,) array, or (m, n) for one a row
    start : (m,) array

    Returns
    -------
    sums : (m,) array
    error : (m,) array
        Bounds on how far the sums are from the real ones; infinite where factors are too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        products, rest = exact_products(matrix, vector)
    if _largest(matrix, vector) > LARGEST_FACTOR:
        return products.sum(axis=1) + start, np.full(len(matrix), np.inf)
    terms = np.column_stack([products, rest, start]).tolist()
    sums = [fsum(row) for row in terms]
    missed = np.array([abs(fsum([*row, -total])) for row, total in zip(terms, sums, strict=True)])
    error = np.where(missed == 0.0, 0.0, round_up(missed))
    # The rests are exact but for underflow.
    return np.array(sums), error if _smallest(matrix, vector) > SMALLEST_FACTOR else error + TINY


def product_size(left: FloatArray, right: FloatArray) -> FloatArray:
    """Bounds of |left @ right| that stay tight where the sums cancel, (m, p).

    Each factor is split into leading bits, few enough that the product of the leading parts is
    exact in float64 whatever the order of summation, and a rest some 2**-22 as large.

    Parameters
    ----------
    left : (m, n) array
    right : (n, p) array

    References
    ----------
    K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, Error-free transformations of matrix multiplication
    by using fast routines of matrix multiplication and its applications, 2012.
    """
    terms = left.shape[1]
    if _largest(left, right) > LARGEST_FACTOR:
        return np.full((len(left), right.shape[1]), np.inf)
    bits = (53 - max(terms, 2).bit_length()) // 2
    left_lead = _leading_bits(left, bits)
    right_lead = _leading_bits(right.T, bits).T
    left_rest, right_rest = left - left_lead, right - right_lead
    small = left_lead @ right_rest + left_rest @ right
    error = np.abs(left_lead) @ np.abs(right_rest) + np.abs(left_rest) @ np.abs(right)
    size = np.abs(left_lead @ right_lead + small)
    if not (left_rest.any() or right_rest.any()) and _smallest(left, right) > SMALLEST_FACTOR:
        return size
    return round_up((1.0 + gamma(4)) * (size + gamma(terms + 4) * error) + TINY)


def _leading_bits(rows: FloatArray, bits: int) -> FloatArray:
    """Each entry rounded to a multiple of 2**-bits times the power of two above its row."""
    _, exponent = np.frexp(np.abs(rows).max(axis=1, initial=0.0))
    anchor: FloatArray = np.ldexp(1.0, exponent + 53 - bits)[:, None]
    return (rows + anchor) - anchor


def _largest(left: FloatArray, right: FloatArray) -> float:
    """The largest magnitude in two arrays."""
    return max(float(np.abs(values).max(initial=0.0)) for values in (left, right))


def _smallest(left: FloatArray, right: FloatArray) -> float:
    """The smallest magnitude in two arrays but for zeros."""
    sizes = np.abs(left), np.abs(right)
    return min(float(size.min(initial=np.inf, where=size > 0.0)) for size in sizes)
