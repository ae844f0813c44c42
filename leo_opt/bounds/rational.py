"""The dual bound of a single row in rational numbers, where rounding alone leaves its sign open.

A unit that is nowhere above zero and reaches it, such as max(a, b) - max(a, b, c), has a bound of
exactly 0, which no arithmetic that rounds can prove. The slopes and multipliers that prove it are
mostly simple numbers, which the floats that a solver gives stand for: a share of 0.3333333333333331
is a third. As any slopes and multipliers give a true bound, guessing costs no proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from leo_opt import weights
from leo_opt.arithmetic import float_above
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network

_SIMPLE = 1_000_000
"""Largest denominator of a slope or multiplier."""
_MOST_TERMS = 200_000
"""Most products of a bound: a few tenths of a second."""

_Row = dict[int, Fraction]
"""The entries of a row that are not 0."""


def affordable(network: Network, depth: int) -> bool:
    """Whether a row over the first `depth` layers has few enough products."""
    return sum(weights.count(layer.weight) for layer in network.layers[:depth]) <= _MOST_TERMS


def bound_dual(
    network: Network,
    domain: Box,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    row: FloatArray,
    bias: float,
    shares: Sequence[FloatArray],
    multipliers: Sequence[FloatArray],
) -> float:
    """`crown.bound_dual` of one row (n,), with simple slopes and multipliers, rounded up once.

    Parameters
    ----------
    network
        Of rectifiers and linear units.
    lower, upper, shares, multipliers : one (n_out,) array for each layer passed through
    """
    total = Fraction(float(bias))
    terms = {unit: Fraction(value) for unit, value in enumerate(row.tolist()) if value}
    for layer, low, high, share, multiplier in zip(
        *(reversed(part) for part in (network.layers[: len(lower)], lower, upper)),
        *(reversed(part) for part in (shares, multipliers)),
        strict=True,
    ):
        before: _Row = {}
        phased = layer.phased
        shift = {unit: simple(value) for unit, value in enumerate(multiplier.tolist()) if value}
        for unit in terms.keys() | shift.keys():
            factor, moved = terms.get(unit, Fraction(0)), shift.get(unit, Fraction(0))
            ends = Fraction(float(low[unit])), Fraction(float(high[unit]))
            if moved:
                total += max(moved * ends[0], moved * ends[1])
            if phased[unit] and ends[1] <= 0:
                factor = Fraction(0)
            elif phased[unit] and ends[0] < 0:
                slope = ends[1] / (ends[1] - ends[0]) if factor > 0 else simple(share[unit])
                total -= factor * slope * ends[0] if factor > 0 else 0
                factor *= min(max(slope, Fraction(0)), Fraction(1))
            factor -= moved
            total += factor * Fraction(float(layer.bias[unit]))
            if factor:
                columns, values = weights.row_support(layer.weight, unit)
                for column, value in zip(columns.tolist(), values.tolist(), strict=True):
                    before[column] = before.get(column, Fraction(0)) + factor * Fraction(value)
        terms = {unit: factor for unit, factor in before.items() if factor}
    for unit, factor in terms.items():
        end = domain.upper[unit] if factor > 0 else domain.lower[unit]
        total += factor * Fraction(float(end))
    return float_above(total)


def simple(value: float) -> Fraction:
    """The rational number with a small denominator that is next to a float."""
    return Fraction(float(value)).limit_denominator(_SIMPLE)
