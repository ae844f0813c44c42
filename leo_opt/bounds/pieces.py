"""Bounds on many boxes at once, for input splitting; true in floating point.

Linear bounds are pushed forward through the network.

Every post-activation h of a layer is held between two affine functions of the network's inputs,

    M(x) - D(x) - e <= h(x) <= M(x) + D(x) + e        for every x of the box,

where e absorbs every rounding made so far. With few inputs these functions are short, so that a
layer costs little more than a forward pass: far less than a backward substitution from each of its
units, at some loss of tightness.

References
----------
S. Wang, K. Pei, J. Whitehouse, J. Yang, S. Jana, Efficient Formal Safety Analysis of Neural
Networks (Neurify), NeurIPS 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.arithmetic import TINY, UNIT_ROUNDOFF, gamma, round_down, round_up
from leo_opt.bounds import crown, interval
from leo_opt.bounds.values import Interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Boxes
from leo_opt.network import FloatArray, Layer, Network, require_rectifiers

_MOST_BOXES = 256
"""Boxes that are bounded at once in a small network."""
_MOST_ROWS = 1024
"""Pairs of a box and a unit that are substituted at once in a small network."""
_MOST_WORK = 5e8
"""Multiplications, about a tenth of a second, between looks at the clock."""
_PAIR = 8.0 * UNIT_ROUNDOFF
"""Covers the handful of roundings of an operation on two coefficients."""


@dataclass(frozen=True)
class _Functions:
    """The affine functions of a layer's units on N boxes.

    Parameters
    ----------
    middle, spread : (n, N, k + 1) arrays
        Coefficients of M and D over the k inputs, and the constants.
    error : (n, N) array
    """

    middle: FloatArray
    spread: FloatArray
    error: FloatArray


@dataclass(frozen=True)
class _Frame:
    """The boxes as (N, k + 1) arrays whose last column is 1, which meets the constants."""

    lower: FloatArray
    upper: FloatArray
    reach: FloatArray

    @classmethod
    def of(cls, pieces: Boxes) -> _Frame:
        one = np.ones((len(pieces), 1))
        lower, upper = np.hstack([pieces.lower, one]), np.hstack([pieces.upper, one])
        return cls(lower, upper, np.maximum(np.abs(lower), np.abs(upper)))

    def magnitude(self, functions: FloatArray) -> FloatArray:
        """The most that the terms of functions (n, N, k + 1) can add up to, (n, N)."""
        total: FloatArray = np.einsum("unk,nk->un", np.abs(functions), self.reach)
        return total

    def range(self, functions: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Least and largest values of functions on the boxes, and the magnitude of the terms."""
        positive, negative = np.maximum(functions, 0.0), np.minimum(functions, 0.0)
        highest = np.einsum("unk,nk->un", positive, self.upper)
        highest += np.einsum("unk,nk->un", negative, self.lower)
        lowest = np.einsum("unk,nk->un", positive, self.lower)
        lowest += np.einsum("unk,nk->un", negative, self.upper)
        magnitude = self.magnitude(functions)
        error = gamma(2 * self.reach.shape[1] + 4) * magnitude + TINY
        return round_down(lowest - error), round_up(highest + error), magnitude


def boxes_at_once(network: Network) -> int:
    """How many boxes `bound_pieces` should be given, so that its work is fast and short."""
    work = 2 * network.parameters * (network.input_size + 1)
    return max(1, min(_MOST_BOXES, int(_MOST_WORK / work)))


def bound_pieces(
    network: Network,
    pieces: Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Certified bounds of the pre-activations of some first layers on each of N boxes.

    Units whose sign the forward functions leave open are bounded once more by backward
    substitution (CROWN), each on its box alone, before the functions of their layer are made.

    Parameters
    ----------
    lower, upper : one (N, n_out) array for each layer to bound
        What is known already; the result is intersected with it.
    deadline
        Units that it leaves no time for are not bounded once more.

    Returns
    -------
    lower, upper : lists of (N, n_out) arrays
    """
    require_rectifiers(network, "input splitting")
    frame = _Frame.of(pieces)
    size = frame.lower.shape[1]
    identity = np.repeat(np.eye(size)[:-1, None, :], len(pieces), axis=1)
    nothing = np.zeros((size - 1, len(pieces)))
    functions = _Functions(identity, np.zeros_like(identity), nothing)
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for index in range(len(lower)):
            layer = network.layers[index]
            functions = _affine(layer, functions, frame)
            low, high = _intervals(functions, frame, lower[index], upper[index])
            if index:
                # Tighter than any line where most units of the layer before are off.
                lowest, highest = interval.bound_layer(network, pieces, index, lows, highs)
                low, high = np.maximum(low, lowest), np.minimum(high, highest)
            if index and layer.has_phases:
                low, high = _substitute(network, pieces, index, lows, highs, low, high, deadline)
            lows.append(low)
            highs.append(high)
            if layer.has_phases:
                functions = _rectify(functions, frame, low.T, high.T, layer.phased[:, None])
    return lows, highs


def _substitute(
    network: Network,
    pieces: Boxes,
    index: int,
    lower: list[FloatArray],
    upper: list[FloatArray],
    low: FloatArray,
    high: FloatArray,
    deadline: Deadline,
) -> Interval:
    """Tighten the intervals (N, n_out) of a layer that contain zero by backward substitution."""
    rows, units = np.nonzero((low < 0.0) & (high > 0.0) & network.layers[index].phased)
    low, high = low.copy(), high.copy()
    work = 2 * sum(layer.parameters for layer in network.layers[:index])
    count = max(1, min(_MOST_ROWS, int(_MOST_WORK / work)))
    for start in range(0, rows.size, count):
        if deadline.passed:
            break
        some, which = rows[start : start + count], units[start : start + count]
        ends = bound_each(network, pieces, index, lower, upper, some, which, (1.0, -1.0))
        high[some, which] = np.minimum(high[some, which], ends[0])
        low[some, which] = np.maximum(low[some, which], -ends[1])
    return low, high


def bound_each(
    network: Network,
    pieces: Boxes,
    index: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    rows: NDArray[np.int64],
    units: NDArray[np.int64],
    signs: Sequence[float],
) -> FloatArray:
    """Upper bounds of sign * pre-activation for pairs of a box and a unit of one layer.

    Parameters
    ----------
    lower, upper : one (N, n_out) array for each layer before `index`
    rows, units : (R,) integer arrays
        The box and the unit of each pair.
    signs : S of +1 and -1

    Returns
    -------
    (S, R) array
    """
    layer = network.layers[index]
    factors = np.repeat(np.array(signs), rows.size)
    which = np.tile(units, len(signs))
    bounds = crown.bound_pairs(
        network,
        pieces,
        lower[:index],
        upper[:index],
        np.tile(rows, len(signs)),
        factors[:, None] * weights.dense(layer.weight[which]),
        factors * layer.bias[which],
    )
    return bounds.reshape(len(signs), rows.size)


def _affine(layer: Layer, before: _Functions, frame: _Frame) -> _Functions:
    """The functions of a layer's pre-activations."""
    weight, absolute = layer.weight, abs(layer.weight)
    shape = (layer.n_out, *before.middle.shape[1:])
    middle = (weight @ before.middle.reshape(layer.n_in, -1)).reshape(shape)
    middle[..., -1] += layer.bias[:, None]
    spread = (absolute @ before.spread.reshape(layer.n_in, -1)).reshape(shape)
    factor = gamma(layer.n_in + 4)
    terms = frame.magnitude(before.middle) + frame.magnitude(before.spread)
    error = absolute @ ((1.0 + factor) * before.error + factor * (1.0 + factor) * terms)
    error += factor * (error + np.abs(layer.bias)[:, None]) + TINY * (1.0 + absolute.sum())
    return _Functions(middle, spread, error)


def _intervals(
    functions: _Functions, frame: _Frame, known_low: FloatArray, known_high: FloatArray
) -> Interval:
    """Intervals (N, n_out) of pre-activations, intersected with what is known of them."""
    above, below = functions.middle + functions.spread, functions.middle - functions.spread
    # Ranges pay for the rounding of `above` and `below`, too: it is one more a coefficient.
    lowest, highest = frame.range(below)[0], frame.range(above)[1]
    low, high = round_down(lowest - functions.error), round_up(highest + functions.error)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return np.maximum(low.T, known_low), np.minimum(high.T, known_high)


def _rectify(
    before: _Functions,
    frame: _Frame,
    low: FloatArray,
    high: FloatArray,
    phased: NDArray[np.bool_],
) -> _Functions:
    """The functions of the units of a layer whose pre-activations lie in [low, high], (n_out, N).

    Parameters
    ----------
    phased : (n_out, 1) array
        Which units are rectifiers; the others pass their input on.
    """
    above, below = before.middle + before.spread, before.middle - before.spread
    above_low, above_high, above_size = frame.range(above)
    below_low, below_high, below_size = frame.range(below)
    # Six roundings of a coefficient: of these sums, of slope and lift, of middle and spread.
    error = round_up(before.error + _PAIR * (above_size + below_size))
    off, on = (high <= 0.0) & phased, (low >= 0.0) | ~phased
    slope, lift = _chord(
        round_down(above_low + error), np.minimum(high, round_up(above_high + error))
    )
    slope = np.where(off, 0.0, np.where(on, 1.0, slope))
    lift = np.where(off | on, 0.0, lift)
    share = np.where(off, 0.0, np.where(on | (below_high > -below_low), 1.0, 0.0))
    above = slope[..., None] * above
    above[..., -1] += lift
    below = share[..., None] * below
    rounded = round_up(np.maximum(slope, share) * error * (1.0 + _PAIR))
    return _Functions(0.5 * (above + below), 0.5 * (above - below), np.where(off, 0.0, rounded))


def _chord(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope and offset of an increasing line above max(0, v) for all v >= low.

    Above `high`, an upper end of what passes, the line need only be above `high` itself.
    """
    crosses = (low < 0.0) & (high > 0.0)
    slope = np.where(crosses, high / np.where(crosses, high - low, 1.0), (high > 0.0) * 1.0)
    lift = np.maximum(round_up(-round_down(slope * low)), round_up(high - round_down(slope * high)))
    return slope, np.where(crosses, np.maximum(lift, 0.0), 0.0)
