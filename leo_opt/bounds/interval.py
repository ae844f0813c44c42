"""Interval arithmetic: exact for the first affine layer on a box, cheap everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import TINY, gamma, round_down, round_up
from leo_opt.arrays import IntArray
from leo_opt.bounds.values import Interval, post_interval
from leo_opt.domain import Box, Boxes
from leo_opt.enclosure import affine_image
from leo_opt.maxima import SumRows
from leo_opt.network import FloatArray, Network, Weight


def bound_layer(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lows: Sequence[FloatArray],
    highs: Sequence[FloatArray],
) -> Interval:
    """Bounds of the pre-activations of layer `index`, true in real arithmetic.

    Parameters
    ----------
    domain
        One box of the network's input size, or N boxes, each bounded by itself.
    lows, highs : one (n_out,) or (N, n_out) array for each layer before `index`
        Proved bounds of its pre-activations.

    Returns
    -------
    lower, upper : (n_out,) or (N, n_out) arrays
    """
    layer = network.layers[index]
    before = _inputs(network, domain, index, lows, highs)
    lower, upper = _image(layer.weight, layer.bias, layer.lanes, before)
    sums = network.maxima[index - 1] if index else None
    if sums is not None:
        before = _sums(network, domain, index - 1, lows, highs)
        low, high = _image_of_sums(sums.readers, before)
        lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    return lower, upper


def _inputs(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lows: Sequence[FloatArray],
    highs: Sequence[FloatArray],
) -> Interval:
    """Intervals of what layer `index` reads."""
    if index == 0:
        return domain.lower, domain.upper
    return post_interval(network.layers[index - 1], lows[index - 1], highs[index - 1])


def _sums(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lows: Sequence[FloatArray],
    highs: Sequence[FloatArray],
) -> Interval:
    """Intervals of the sums of layer `index`: within [max of lowers, max of uppers]."""
    below, above = _inputs(network, domain, index + 1, lows, highs)
    sums = network.maxima[index] if index >= 0 else None
    if sums is None:
        return below, above
    low, high = below.copy(), above.copy()
    ends = below[..., sums.sources], above[..., sums.sources]
    factors = sums.factors
    # A product by 1 or -1 rounds nothing.
    exact = np.abs(factors) == 1.0
    first = np.where(factors > 0.0, ends[0], ends[1]) * factors
    last = np.where(factors > 0.0, ends[1], ends[0]) * factors
    first, last = np.where(exact, first, round_down(first)), np.where(exact, last, round_up(last))
    other = _image_of_sums(sums.other, _sums(network, domain, index - 1, lows, highs))
    least = np.where(sums.rectified, np.maximum(first, other[0]), other[0])
    most = np.where(sums.rectified, np.maximum(last, other[1]), other[1])
    low[..., sums.units] = np.maximum(least, round_down(first + below[..., sums.units]))
    high[..., sums.units] = np.minimum(most, round_up(last + above[..., sums.units]))
    return low, high


def _image_of_sums(rows: SumRows, before: Interval) -> Interval:
    """Bounds of rows over sums."""
    lower, upper = _image(rows.weight, rows.bias, rows.lanes, before)
    if rows.slack is not None:
        lost = np.maximum(*map(np.abs, before)) @ rows.slack.T
        lost = round_up((1.0 + gamma(rows.slack.shape[1] + 2)) * lost + TINY)
        read = weights.rows_that_read(rows.slack)
        lower = np.where(read, round_down(lower - lost), lower)
        upper = np.where(read, round_up(upper + lost), upper)
    return lower, upper


def _image(weight: Weight, bias: FloatArray, lanes: IntArray, before: Interval) -> Interval:
    """`affine_image`, in which a lane rounds nothing."""
    lower, upper = affine_image(weight, bias, *before)
    rows = np.flatnonzero(lanes >= 0)
    for side, ends in zip((lower, upper), before, strict=True):
        side[..., rows] = ends[..., lanes[rows]]
    return lower, upper
