"""`propagate`: bounds of a whole network by a named method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from leo_opt.bounds import crown, interval
from leo_opt.bounds.values import Bounds, Interval
from leo_opt.domain import Box, Boxes
from leo_opt.errors import InvalidInputError
from leo_opt.network import FloatArray, Network

LayerMethod = Callable[
    [Network, Box | Boxes, int, Sequence[FloatArray], Sequence[FloatArray]], Interval
]

METHODS: Mapping[str, tuple[LayerMethod, ...]] = MappingProxyType(
    {
        "interval": (interval.bound_layer,),
        "crown": (interval.bound_layer, crown.bound_layer),
    }
)
"""The ways to bound a layer by name; the bounds of all that a name lists are intersected."""


def bound_layer(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    method: str = "crown",
) -> Interval:
    """Intersected bounds of the pre-activations of layer `index`.

    Parameters
    ----------
    domain
        One box of the network's input size, or N boxes, each bounded by itself.
    lower, upper : one (n_out,) or (N, n_out) array for each layer before `index`
        Proved bounds of its pre-activations.
    method
        A key of `METHODS`.
    """
    low, high = METHODS[method][0](network, domain, index, lower, upper)
    for bound in METHODS[method][1:]:
        other_low, other_high = bound(network, domain, index, lower, upper)
        low, high = np.maximum(low, other_low), np.minimum(high, other_high)
    return low, high


def propagate(network: Network, domain: Box, method: str = "crown") -> Bounds:
    """Bounds of every pre-activation of `network` on `domain`, true in real arithmetic.

    Parameters
    ----------
    method
        "interval", or "crown", which intersects CROWN (with four lower slopes) with intervals.

    Returns
    -------
    Bounds
        A theorem about the stored float64 numbers: rounding is accounted for.

    Raises
    ------
    InvalidInputError
        If the method is unknown or the box has another size than the network's input.

    References
    ----------
    H. Zhang et al., Efficient Neural Network Robustness Certification with General Activation
    Functions, NeurIPS 2018.
    """
    if method not in METHODS:
        raise InvalidInputError(f"method {method!r} is unknown; known are {', '.join(METHODS)}")
    box = domain.spread(network.input_size)
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for index in range(len(network.layers)):
        low, high = bound_layer(network, box, index, lower, upper, method)
        lower.append(low)
        upper.append(high)
    return Bounds(box, tuple(lower), tuple(upper))
