"""Dot products that are rounded only once."""

from __future__ import annotations

from math import fsum

import numpy as np

from leo_opt.enclosure import TINY, UNIT_ROUNDOFF, round_up
from leo_opt.network import FloatArray

_SPLITTER = 2.0**27 + 1.0
_LARGEST = 2.0**900
"""Factors beyond this could overflow while they are split."""


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
    largest = max(np.abs(matrix).max(initial=0.0), np.abs(vector).max(initial=0.0))
    if not largest * np.abs(vector).max(initial=1.0) < _LARGEST or not largest < _LARGEST:
        return matrix @ vector + start, np.full(len(matrix), np.inf)
    terms = np.column_stack([products, rest, start])
    sums = np.array([fsum(row) for row in terms.tolist()])
    # The rests are exact but for underflow, which TINY covers.
    return sums, np.where(
        (terms != 0.0).sum(axis=1) <= 1, 0.0, round_up(2.0 * UNIT_ROUNDOFF * np.abs(sums) + TINY)
    )


def _high_half(values: FloatArray) -> FloatArray:
    """The leading 26 bits of each number (Veltkamp)."""
    scaled = _SPLITTER * values
    return scaled - (scaled - values)
