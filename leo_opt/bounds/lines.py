"""Lines that hold the units of a layer on an interval: what CROWN substitutes, made once a layer.

Every unit that can change phase on its interval [l, u] is held between an upper line, the chord,
and a lower line a*g with any a between its extreme slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leo_opt.arithmetic import TINY, gamma, round_down, round_up
from leo_opt.bounds.planes import Planes, tilt
from leo_opt.bounds.values import Interval, post_interval
from leo_opt.domain import Box, Boxes
from leo_opt.errors import UnsupportedOperatorError
from leo_opt.network import FloatArray, Layer, Network, Weight

SlopeRule = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

LOWER_SLOPES: Mapping[str, SlopeRule] = MappingProxyType(
    {
        "adaptive": lambda lower, upper, chord: (upper > -lower).astype(np.float64),
        "zero": lambda lower, upper, chord: np.zeros_like(lower),
        "one": lambda lower, upper, chord: np.ones_like(lower),
        "chord": lambda lower, upper, chord: chord,
    }
)
"""Rules for the share of the way from the lowest to the highest slope; each one is sound."""

_NONE_TILTED = np.zeros(0, dtype=np.int64)
_VANISHED = 2.0**-1070
"""Above all that underflow can take from three products: each loses less than 2**-1074."""


@dataclass(frozen=True)
class LayerLines:
    """The lines that hold one layer's units, and what its roundings can cost.

    All arrays have shape (..., n_out): `above * g + offset` and `below * g + under` are the lines,
    with slopes in [0, 1] and None for an `under` of zeros; `cost` is the most that a coefficient of
    1 can lose to rounding while it passes this layer, and `lost` (..., 1) what underflow can take
    whatever the coefficients are. `shift` are multipliers r of the pre-activations, None for zeros,
    and `ends` (..., 1) the sum of the largest r * g. The leading dimensions are () for one box and
    (N,) for many at once. The rows of `slopes` (k, n_in) are what the upper lines of the units
    `tilted` (k,) have besides, over the inputs of the layer.
    """

    weight: Weight
    bias: FloatArray
    above: FloatArray
    offset: FloatArray
    below: FloatArray
    cost: FloatArray
    lost: FloatArray
    shift: FloatArray | None
    ends: FloatArray
    tilted: NDArray[np.int64]
    slopes: FloatArray
    under: FloatArray | None = None


@dataclass
class Lines:
    """Lines of the layers of one network on one box, kept from one layer to the next.

    They depend on the intervals alone, so they are made again where these have changed.
    """

    _known: list[tuple[bytes, bytes, LayerLines, Interval]] = field(default_factory=list)

    def recall(
        self, index: int, low: FloatArray, high: FloatArray
    ) -> tuple[LayerLines, Interval] | None:
        """Lines and post-activations of a layer, or None where its interval is another one."""
        if index < len(self._known):
            lower, upper, lines, post = self._known[index]
            # Those who tighten intervals may do so in place, so that numbers are compared.
            if low.tobytes() == lower and high.tobytes() == upper:
                return lines, post
            del self._known[index:]
        return None

    def keep(self, low: FloatArray, high: FloatArray, lines: LayerLines, post: Interval) -> None:
        """Those of the next layer."""
        self._known.append((low.tobytes(), high.tobytes(), lines, post))


def shares_of(low: FloatArray, high: FloatArray, slopes: Sequence[str]) -> FloatArray:
    """Shares of the lower lines by each rule, (rules, ..., n_out)."""
    chord = _chord_share(low, high)
    return np.stack([LOWER_SLOPES[rule](low, high, chord) for rule in slopes])


def _chord_share(low: FloatArray, high: FloatArray) -> FloatArray:
    """Where the slope of the chord lies between the slopes of the pieces; 0 without a chord."""
    crosses = (low < 0.0) & (high > 0.0)
    share: FloatArray = np.where(crosses, high / np.where(crosses, high - low, 1.0), 0.0)
    return share


def relax(
    network: Network,
    domain: Box | Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    shares: Callable[[int], FloatArray],
    multipliers: Sequence[FloatArray] | None = None,
    planes: Mapping[int, Planes] = MappingProxyType({}),
    lines: Lines | None = None,
) -> list[LayerLines]:
    """Relaxations of the layers passed through, from the first to the last.

    Parameters
    ----------
    shares
        Of the units of a layer given by its index; see `bound_dual`.
    """
    _require_convex(network.layers[: len(lower)])
    relaxations = []
    before = domain.lower, domain.upper
    for index, (low, high) in enumerate(zip(lower, upper, strict=True)):
        layer = network.layers[index]
        known = None if lines is None else lines.recall(index, low, high)
        if known is not None:
            relaxations.append(known[0])
            before = known[1]
            continue
        reach = np.maximum(*map(np.abs, before))  # max |h| of the layer before
        above, offset, below = lines_of(layer, low, high, shares(index))
        largest = np.maximum(np.abs(low), np.abs(high))
        terms = np.maximum(reach @ abs(layer.weight).T + np.abs(layer.bias), largest)
        tilted, slopes, length = _NONE_TILTED, np.zeros((0, layer.n_in)), 1
        if index in planes:
            tilted, length = planes[index].units, 2
            above[..., tilted] = planes[index].pre
            slopes, offset[..., tilted] = tilt(layer, planes[index], (low, high), before)
        cost, lost = losses(layer.weight, terms, np.abs(offset), reach, largest, length)
        shift = None if multipliers is None else multipliers[index]
        ends = np.zeros(1) if shift is None else _largest_products(shift, low, high)
        relaxations.append(
            LayerLines(
                layer.weight,
                layer.bias,
                above,
                offset,
                below,
                cost,
                lost,
                shift,
                ends,
                tilted,
                slopes,
            )
        )
        before = post_interval(layer, low, high)
        if lines is not None:
            lines.keep(low, high, relaxations[-1], before)
    return relaxations


def losses(
    weight: Weight,
    terms: FloatArray,
    offsets: FloatArray,
    reach: FloatArray,
    largest: FloatArray,
    length: int,
) -> tuple[FloatArray, FloatArray]:
    """What roundings can cost while rows pass a layer: `cost` and `lost` of `LayerLines`.

    Parameters
    ----------
    terms : (..., n_out) array
        Sizes of |W| @ |h| + |b|, and of the pre-activations.
    offsets : (..., n_out) array
        Sizes of what lines have besides slopes.
    reach, largest : (..., n_in) and (..., n_out) arrays
        Largest magnitudes of what the layer reads and of its pre-activations.
    length
        How many sums of as many terms one step takes, each of them no larger.
    """
    # Rounding of the slope product, of A @ W, of A @ b, of A @ offset and of the sum of r g,
    # which is no larger than the terms; and, where planes are, of their product and the sum.
    factor = gamma(length * (sum(weight.shape) + 3))
    size = 1.0 + reach.sum(axis=-1, keepdims=True)
    cost = factor * (terms + offsets) + TINY * size
    # A product that vanishes was part of a coefficient of an input or a pre-activation.
    size = size + largest.sum(axis=-1, keepdims=True)
    return cost, length * (weight.shape[0] + 1) * _VANISHED * size


def _largest_products(shift: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The sum (..., 1) of the largest shift * g, with g in [low, high]."""
    largest: FloatArray = np.maximum(shift * low, shift * high).sum(axis=-1, keepdims=True)
    return largest


def _require_convex(layers: Sequence[Layer]) -> None:
    """Refuse activations that are not convex with one breakpoint, at 0."""
    for index, layer in enumerate(layers):
        for activation, _ in layer.activations():
            if not (activation.homogeneous and activation.convex):
                raise UnsupportedOperatorError(
                    f"layer {index} has the activation {layer.label!r}, whose pieces CROWN does "
                    'not know; use method="interval"'
                )


def lines_of(
    layer: Layer, low: FloatArray, high: FloatArray, shares: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slope and offset of the upper line and slope of the lower line of each unit of a layer.

    The activations are convex and bend at 0 alone: the chord lies above them, and below them every
    line through 0 with a slope between the two of the pieces.
    """
    first, last = np.empty(layer.n_out), np.empty(layer.n_out)
    for activation, units in layer.activations():
        first[units] = activation.pieces[0].slope
        last[units] = activation.pieces[-1].slope
    crosses = (low < 0.0) & (high > 0.0) & layer.phased
    chord = np.clip(first + (last - first) * _chord_share(low, high), first, last)
    fixed = np.where((low >= 0.0) & (high > 0.0), last, first)
    above = np.where(crosses, chord, fixed)
    # The computed chord is tilted by rounding; the offset lifts it over both end points again.
    lift = np.maximum(
        round_up(round_up(first * low) - round_down(above * low)),
        round_up(round_up(last * high) - round_down(above * high)),
    )
    offset = np.where(crosses, lift, 0.0)
    # Rounding must not lead beyond the slopes of the pieces.
    between = np.clip(first + (last - first) * shares, first, last)
    below = np.where(crosses, between, fixed)
    return above, offset, below
