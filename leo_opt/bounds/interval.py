"""Interval arithmetic: exact for the first affine layer on a box, cheap everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from leo_opt.bounds.values import Interval, post_interval
from leo_opt.domain import Box, Boxes
from leo_opt.enclosure import affine_image
from leo_opt.network import FloatArray, Network


def bound_layer(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
) -> Interval:
    """Bounds of the pre-activations of layer `index`, true in real arithmetic.

    Parameters
    ----------
    domain
        One box of the network's input size, or N boxes, each bounded by itself.
    lower, upper : one (n_out,) or (N, n_out) array for each layer before `index`
        Proved bounds of its pre-activations.

    Returns
    -------
    lower, upper : (n_out,) or (N, n_out) arrays
    """
    if index == 0:
        before = (domain.lower, domain.upper)
    else:
        before = post_interval(network.layers[index - 1], lower[index - 1], upper[index - 1])
    layer = network.layers[index]
    return affine_image(layer.weight, layer.bias, *before)
