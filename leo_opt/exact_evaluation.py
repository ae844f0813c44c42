"""Outputs of a network at one point without any rounding, in integers.

Float64 numbers are integers times powers of two, and rational inputs have a common denominator.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.inequalities import Rationals
from leo_opt.network import FloatArray, Layer, Network

_EXACT_WORK = 10_000_000
"""Most multiplications of short integers for one point, about a second."""
_SHORT = 1000
"""Bits of an integer that make its product with a weight take twice as long."""


def exact_outputs(
    network: Network, point: Rationals, deadline: Deadline = NO_LIMIT
) -> list[Fraction] | None:
    """Outputs at a point without any rounding; None where that takes too long."""
    if network.parameters > _EXACT_WORK:
        return None
    # Values are integers / (common * 2**-exponent): no division is needed on the way.
    common = math.lcm(*(value.denominator for value in point))
    values = np.array(
        [value.numerator * (common // value.denominator) for value in point], dtype=object
    )
    exponent, work = 0, 0.0
    for layer in network.layers:
        slopes = _whole_slopes(layer)
        bits = max((abs(int(value)).bit_length() for value in values), default=0)
        work += weights.count(layer.weight) * (1.0 + bits / _SHORT)
        if slopes is None or work > _EXACT_WORK or deadline.passed:
            return None
        entries, weight_exponent = _integers(weights.entries(layer.weight))
        bias, bias_exponent = _integers(layer.bias)
        product = weights.with_entries(layer.weight, entries) @ values
        total = exponent + weight_exponent
        least = min(total, bias_exponent)
        pre = [
            (int(p) << (total - least)) + common * (int(b) << (bias_exponent - least))
            for p, b in zip(product, bias, strict=True)
        ]
        values = np.array(
            [value * slope[value > 0] for value, slope in zip(pre, slopes, strict=True)],
            dtype=object,
        )
        exponent = least
    return [Fraction(int(value), common) * Fraction(2) ** exponent for value in values]


def _whole_slopes(layer: Layer) -> list[tuple[int, int]] | None:
    """Slopes below and above 0 of each unit; None where they are no integers or break elsewhere.

    Such activations do not mind a positive factor, so that they work on integers as they are.
    """
    slopes = [(0, 0)] * layer.n_out
    for activation, units in layer.activations():
        first, last = activation.pieces[0].slope, activation.pieces[-1].slope
        if not (activation.homogeneous and first.is_integer() and last.is_integer()):
            return None
        for unit in units.tolist():
            slopes[unit] = int(first), int(last)
    return slopes


def _integers(values: FloatArray) -> tuple[NDArray[np.object_], int]:
    """Integers and an exponent k such that values = integers * 2**k, exactly."""
    mantissas, exponents = np.frexp(values)
    integers = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
    used = exponents[values != 0.0]
    least = int(used.min()) if used.size else 0
    shifts = np.where(values != 0.0, exponents - least, 0).astype(object)
    return integers << shifts, least - 53
