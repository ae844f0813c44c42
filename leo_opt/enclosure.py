"""Rounding-safe arithmetic on NumPy arrays: what the float64 numbers prove about real ones.

NumPy has no directed rounding, so every bound is computed in round-to-nearest and widened by an
a-priori error bound. For a dot product of length n, whatever the order of summation and with or
without fused multiply-add, |fl(x.y) - x.y| <= gamma_n |x|.|y| with gamma_n = n u / (1 - n u) and
u = 2**-53.

References
----------
N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import (
    LARGEST_FACTOR,
    SMALLEST_FACTOR,
    TINY,
    dot_up,
    float_above,
    gamma,
    round_up,
)
from leo_opt.network import FloatArray, Network, Weight

_EXACT_TERMS = 200_000
"""Most exact multiplications spent on signs of a layer that rounding leaves open: a few tenths of a
second."""
_RATIONAL_TERMS = 20
"""So many times as long takes one where floats could over- or underflow."""


def affine_image(
    weight: Weight, bias: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds of weight @ h + bias over the box lower <= h <= upper, true in real arithmetic.

    Where all products are exactly zero the bound is exact, and where rounding would leave the
    sign of a bound open it is computed exactly, so that ties at zero are decided.

    Parameters
    ----------
    weight : (m, n) array
    bias : (m,) array
    lower, upper : (n,) or (N, n) arrays
        One box, or N boxes, each bounded by itself.

    Returns
    -------
    lower, upper : (m,) or (N, m) arrays
        Infinite where the inputs are not finite or the sums overflow.
    """
    highest = _upper_image(weight, bias, lower, upper)
    lowest = -_upper_image(-weight, -bias, lower, upper)
    return lowest, highest


def _upper_image(
    weight: Weight, bias: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Upper half of `affine_image`."""
    positive, negative = weights.positive_part(weight), weights.negative_part(weight)
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = upper @ positive.T + lower @ negative.T + bias
        magnitude = np.abs(upper) @ positive.T - np.abs(lower) @ negative.T
        # The last addition, of the bias, is rounded by less than `round_up` adds below.
        error = gamma(weight.shape[1] + 4) * magnitude
        vanishes = _may_underflow(weight, lower, upper)
        if vanishes:
            error = error + TINY
        # Without any nonzero product the sum is the bias itself, and exact.
        result = np.where(magnitude == 0.0, nearest, round_up(nearest + error))
        if vanishes:
            result = np.where(magnitude == 0.0, round_up(nearest + TINY), result)
    result = np.where(np.isnan(result), np.inf, result)
    if result.ndim > 1:
        return result
    with np.errstate(invalid="ignore"):
        open_signs = np.flatnonzero((result > 0.0) & (nearest <= error) & np.isfinite(result))
    left = _EXACT_TERMS
    for row in open_signs.tolist():
        columns, values = weights.row_support(weight, row)
        ends = np.where(values > 0.0, upper[columns], lower[columns])
        sizes = np.abs([*values, *ends, bias[row]])
        in_floats = sizes.max() < LARGEST_FACTOR and _smallest(sizes[:-1]) > SMALLEST_FACTOR
        left -= values.size if in_floats else _RATIONAL_TERMS * values.size
        if left < 0:
            break
        result[row] = (dot_up if in_floats else _rational_dot_up)(values, ends, float(bias[row]))
    return result


def _may_underflow(weight: Weight, lower: FloatArray, upper: FloatArray) -> bool:
    """Whether a product of two nonzero entries could fall near the end of the range."""
    return _smallest(weight) * min(_smallest(lower), _smallest(upper)) < 2.0**-900


def _smallest(values: Weight) -> float:
    """The smallest magnitude of the entries that are not 0; infinite without one."""
    magnitudes = np.abs(weights.entries(values))
    return float(np.min(magnitudes, where=magnitudes > 0.0, initial=np.inf))


def _rational_dot_up(left: FloatArray, right: FloatArray, start: float) -> float:
    """left @ right + start, rounded up once, for any factors."""
    pairs = zip(map(Fraction, left.tolist()), map(Fraction, right.tolist()), strict=True)
    return float_above(sum((a * b for a, b in pairs), Fraction(start)))


def evaluate(network: Network, inputs: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Pre-activations of a batch and how far they can be from the real ones.

    Parameters
    ----------
    inputs : (N, n_in) array
        Taken as exact real points.

    Returns
    -------
    list of pairs of (N, n_out) arrays
        For each layer the float64 pre-activations g and radii e: the pre-activations in real
        arithmetic lie in [g - e, g + e].
    """
    post = network.batch(inputs)
    radius = np.zeros_like(post)
    enclosures = []
    for layer in network.layers:
        magnitude = abs(layer.weight)
        factor = gamma(layer.n_in + 2)
        pre = layer.affine(post)
        radius = (
            (1.0 + factor) * (radius @ magnitude.T)
            + factor * (np.abs(post) @ magnitude.T + np.abs(layer.bias))
            + TINY
        )
        enclosures.append((pre, radius))
        # Activations have slopes of at most 1, so radii grow by their own rounding only.
        post = layer.activate(pre)
        if layer.rounds:
            radius = round_up(radius + layer.rounding(pre))
    return enclosures
