"""Dot products that are rounded only once, and products of matrices that nearly cancel."""

from __future__ import annotations

from math import fsum

import numpy as np

from leo_opt.enclosure import TINY, gamma, round_up
from leo_opt.network import FloatArray

_SPLITTER = 2.0**27 + 1.0
_LARGEST = 2.0**500
"""Factors beyond this could overflow while they are split or multiplied."""
_SMALLEST = 2.0**-400
"""Products of factors above this, and the rests of these products, do not underflow."""


def exact_dots(
    matrix: FloatArray, vector: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """matrix @ vector + start, each sum rounded once.

    Parameters
    ----------
    matrix : (m, n) array
    vector : (n,) array
    start : (m,) array

    Returns
    -------
    sums : (m,) array
    error : (m,) array
        Bounds on how far the sums are from the real ones; infinite where factors are too large.

    References
    ----------
    T. Ogita, S. M. Rump, S. Oishi, Accurate sum and dot product, 2005, algorithm TwoProduct.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        products = matrix * vector
        left_high, right_high = _high_half(matrix), _high_half(vector)
        left_low, right_low = matrix - left_high, vector - right_high
        rest = left_high * right_high - products
        rest = left_low * right_low + (rest + left_high * right_low + left_low * right_high)
    if _largest(matrix, vector) > _LARGEST:
        return matrix @ vector + start, np.full(len(matrix), np.inf)
    terms = np.column_stack([products, rest, start]).tolist()
    sums = [fsum(row) for row in terms]
    missed = np.array([abs(fsum([*row, -total])) for row, total in zip(terms, sums, strict=True)])
    error = np.where(missed == 0.0, 0.0, round_up(missed))
    # The rests are exact but for underflow.
    return np.array(sums), error if _smallest(matrix, vector) > _SMALLEST else error + TINY


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
    if _largest(left, right) > _LARGEST:
        return np.full((len(left), right.shape[1]), np.inf)
    bits = (53 - max(terms, 2).bit_length()) // 2
    left_lead = _leading_bits(left, bits)
    right_lead = _leading_bits(right.T, bits).T
    left_rest, right_rest = left - left_lead, right - right_lead
    small = left_lead @ right_rest + left_rest @ right
    error = np.abs(left_lead) @ np.abs(right_rest) + np.abs(left_rest) @ np.abs(right)
    size = np.abs(left_lead @ right_lead + small)
    if not (left_rest.any() or right_rest.any()) and _smallest(left, right) > _SMALLEST:
        return size
    return round_up((1.0 + gamma(4)) * (size + gamma(terms + 4) * error) + TINY)


def _leading_bits(rows: FloatArray, bits: int) -> FloatArray:
    """Each entry rounded to a multiple of 2**-bits times the power of two above its row."""
    _, exponent = np.frexp(np.abs(rows).max(axis=1, initial=0.0))
    anchor: FloatArray = np.ldexp(1.0, exponent + 53 - bits)[:, None]
    return (rows + anchor) - anchor


def _high_half(values: FloatArray) -> FloatArray:
    """The leading 26 bits of each number (Veltkamp)."""
    scaled = _SPLITTER * values
    return scaled - (scaled - values)


def _largest(left: FloatArray, right: FloatArray) -> float:
    """The largest magnitude in two arrays."""
    return max(float(np.abs(values).max(initial=0.0)) for values in (left, right))


def _smallest(left: FloatArray, right: FloatArray) -> float:
    """The smallest magnitude in two arrays but for zeros."""
    sizes = np.abs(left), np.abs(right)
    return min(float(size.min(initial=np.inf, where=size > 0.0)) for size in sizes)
