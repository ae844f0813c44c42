"""Interval arithmetic: exact for the first affine layer on a box, cheap everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.bounds.values import Interval, post_interval
from leo_opt.domain import Box, Boxes
from leo_opt.enclosure import affine_image
from leo_opt.network import FloatArray, Network


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
    if index == 0:
        before = (domain.lower, domain.upper)
    else:
        before = post_interval(network.layers[index - 1], lows[index - 1], highs[index - 1])
    layer = network.layers[index]
    lower, upper = affine_image(layer.weight, layer.bias, *before)
    lanes = np.flatnonzero(layer.lanes >= 0)
    # A lane rounds nothing.
    for side, ends in zip((lower, upper), before, strict=True):
        side[..., lanes] = ends[..., layer.lanes[lanes]]
    return lower, upper
