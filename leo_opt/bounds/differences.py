"""Lines that hold relu(p) - relu(q) as a function of d = p - q, given intervals of all three.

For q in [l, u], and each d, the difference never rises in q where d < 0 and never falls where
d >= 0, so that it lies between its values at the ends of q:

    most(d)  = max(d + min(u, 0), -max(l, 0)),
    least(d) = max(d + min(l, 0), 0) for d >= 0,  max(d, -max(u, 0)) for d < 0.

The first is convex, so that the chord over the interval of d lies above it; the second is piecewise
linear, and a line of any slope is lowered until it lies below all breakpoints. The same holds with
the roles of p and q exchanged, relu(q) - relu(p) as a function of -d, and the better one is taken.
An error of size e in d costs as much in the difference and no more: rectifiers have slopes of at
most 1.

References
----------
B. Paulsen, J. Wang, C. Wang, ReluDiff: Differential Verification of Deep Neural Networks,
ICSE 2020; B. Paulsen, J. Wang, J. Wang, C. Wang, NeuroDiff, ASE 2020, sections 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import BoolArray
from leo_opt.bounds.values import Interval
from leo_opt.network import FloatArray


@dataclass(frozen=True)
class DifferenceLines:
    """Lines above * d + offset and below * d + under, (..., n), and the interval between them.

    Where `known` is False the lines are those of two separate intervals, and do not depend on d.
    """

    above: FloatArray
    offset: FloatArray
    below: FloatArray
    under: FloatArray
    ends: Interval
    known: BoolArray

    def __getitem__(self, units: BoolArray) -> DifferenceLines:
        """Those of some pairs."""
        arrays = (self.above, self.offset, self.below, self.under, *self.ends)
        above, offset, below, under, low, high = (array[..., units] for array in arrays)
        return DifferenceLines(above, offset, below, under, (low, high), self.known[..., units])

    def gap(self, moved: Interval) -> FloatArray:
        """How far the lines are apart in the middle of the interval of d, about."""
        middle = 0.5 * moved[0] + 0.5 * moved[1]
        gap: FloatArray = (self.above - self.below) * middle + self.offset - self.under
        return gap


def difference_lines(
    first: Interval, second: Interval, moved: Interval, passes: tuple[BoolArray, BoolArray]
) -> DifferenceLines:
    """Lines of the difference of post-activations of pairs of units.

    Parameters
    ----------
    first, second : pairs of (..., n) arrays
        Finite intervals of the pre-activations q and p.
    moved : pair of (..., n) arrays
        Finite intervals of d = p - q.
    passes : pair of (n,) arrays
        Which units of either side are linear ones, the others are rectifiers.
    """
    (low, high), (lowest, highest) = moved, second
    direct = _above(first, moved), _below(first, moved)
    mirrored = _above(second, (-high, -low)), _below(second, (-high, -low))
    middle = 0.5 * low + 0.5 * high
    above, offset = _better(direct[0], _turned(mirrored[1]), middle, least=True)
    below, under = _better(direct[1], _turned(mirrored[0]), middle, least=False)
    least = np.maximum(_least(first, low), -_most(second, -low))
    most = np.minimum(_most(first, high), -_least(second, -high))
    kept = (passes[0] | (first[0] >= 0.0)) & (passes[1] | (lowest >= 0.0))
    gone = (first[1] <= 0.0) & (highest <= 0.0) & ~passes[0] & ~passes[1]
    gone |= (low == 0.0) & (high == 0.0) & (passes[0] == passes[1])
    kept &= ~gone
    above, below = (np.where(gone, 0.0, np.where(kept, 1.0, side)) for side in (above, below))
    known = kept | (passes[0] == passes[1])
    apart = _apart(first, second, passes)
    ends = (
        np.where(gone, 0.0, np.where(kept, low, np.where(known, least, apart[0]))),
        np.where(gone, 0.0, np.where(kept, high, np.where(known, most, apart[1]))),
    )
    above, below = np.where(known, above, 0.0), np.where(known, below, 0.0)
    offset = np.where(kept | gone, 0.0, np.where(known, offset, ends[1]))
    under = np.where(kept | gone, 0.0, np.where(known, under, ends[0]))
    return DifferenceLines(above, offset, below, under, ends, known)


def _apart(first: Interval, second: Interval, passes: tuple[BoolArray, BoolArray]) -> Interval:
    """The difference of post-activations, each within an interval of its own."""
    low, high = (np.where(passes[0], end, np.maximum(end, 0.0)) for end in first)
    lowest, highest = (np.where(passes[1], end, np.maximum(end, 0.0)) for end in second)
    return round_down(lowest - high), round_up(highest - low)


_Line = tuple[FloatArray, FloatArray]
"""Slope and offset."""


def _most(first: Interval, moved: FloatArray) -> FloatArray:
    """The largest difference at some d, rounded up."""
    low, high = first
    back = np.minimum(high, 0.0)
    return np.maximum(np.where(back == 0.0, moved, round_up(moved + back)), -np.maximum(low, 0.0))


def _least(first: Interval, moved: FloatArray) -> FloatArray:
    """The least difference at some d, rounded down."""
    low, high = first
    back = np.minimum(low, 0.0)
    right = np.maximum(np.where(back == 0.0, moved, round_down(moved + back)), 0.0)
    return np.where(moved >= 0.0, right, np.maximum(moved, -np.maximum(high, 0.0)))


def _above(first: Interval, moved: Interval) -> _Line:
    """The chord of `_most`, lifted over both of its ends."""
    ends = [_most(first, end) for end in moved]
    slope = _slope(moved, ends)
    lifts = [round_up(top - round_down(slope * d)) for top, d in zip(ends, moved, strict=True)]
    return slope, np.maximum(*lifts)


def _below(first: Interval, moved: Interval) -> _Line:
    """A line below `_least`: the chord or one with the slope 0 or 1, what is highest in the middle.

    Breakpoints outside of the interval of d are moved to its end, where `_least` is asked anyway.
    """
    (low, high), (least, most) = first, moved
    breaks = (-np.maximum(high, 0.0), np.zeros_like(low), -np.minimum(low, 0.0))
    points = [least, most, *(np.clip(point, least, most) for point in breaks)]
    values = [_least(first, point) for point in points]
    middle = 0.5 * least + 0.5 * most
    best: _Line | None = None
    for slope in (_slope(moved, values[:2]), np.zeros_like(least), np.ones_like(least)):
        room = [
            round_down(value - round_up(slope * d)) for value, d in zip(values, points, strict=True)
        ]
        line = slope, np.minimum.reduce(room)
        best = line if best is None else _better(best, line, middle, least=False)
    assert best is not None
    return best


def _slope(moved: Interval, values: list[FloatArray]) -> FloatArray:
    """Of the chord over an interval, in [0, 1]."""
    width = moved[1] - moved[0]
    wide = width > 0.0
    slope = np.where(wide, (values[1] - values[0]) / np.where(wide, width, 1.0), 0.0)
    return np.asarray(np.clip(np.nan_to_num(slope), 0.0, 1.0))


def _turned(line: _Line) -> _Line:
    """What a line over -d that holds the negative difference says of the difference over d."""
    return line[0], -line[1]


def _better(one: _Line, other: _Line, middle: FloatArray, *, least: bool) -> _Line:
    """Unit by unit the line that is lower (or higher) in the middle."""
    gain = (other[0] - one[0]) * middle + (other[1] - one[1])
    chosen = gain < 0.0 if least else gain > 0.0
    return np.where(chosen, other[0], one[0]), np.where(chosen, other[1], one[1])
