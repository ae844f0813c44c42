"""`propagate`: bounds of a whole network by a named method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.arguments import read_word
from leo_opt.bounds import crown, interval
from leo_opt.bounds.values import Bounds, Interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box, Boxes, BoxLike, read_box
from leo_opt.network import FloatArray, Network, read_network

METHODS = ("interval", "crown")
"""The ways to bound a layer; "crown" intersects CROWN with intervals."""


def bound_layer(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    method: str = "crown",
    deadline: Deadline = NO_LIMIT,
    memory: crown.Memory | None = None,
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
    deadline
        Units that it leaves no time for keep what interval arithmetic says, which is quick.
    memory
        Of this network and box: spares work where layer after layer is bounded.
    """
    low, high = interval.bound_layer(network, domain, index, lower, upper)
    # In layer 0 interval arithmetic is exact, so that CROWN would only repeat it.
    if method == "crown" and index:
        ends = crown.bound_layer(
            network, domain, index, lower, upper, deadline=deadline, memory=memory
        )
        low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
    return low, high


def propagate(
    network: Network,
    domain: BoxLike,
    method: str = "crown",
    time_limit: float | Deadline | None = None,
) -> Bounds:
    """Bounds of every pre-activation of `network` on `domain`, true in real arithmetic.

    Parameters
    ----------
    method
        "interval", or "crown", which intersects CROWN (with four lower slopes) with intervals.
    time_limit
        Seconds for CROWN; where they end, the bounds of interval arithmetic are left, as true
        and wider.

    Returns
    -------
    Bounds
        A theorem about the stored float64 numbers: rounding is accounted for.

    Raises
    ------
    InvalidInputError
        If the method is unknown, the limit is not positive, or the box has another size than
        the network's input.

    References
    ----------
    H. Zhang et al., Efficient Neural Network Robustness Certification with General Activation
    Functions, NeurIPS 2018.
    """
    read_word(method, "method", METHODS)
    box = read_box(domain).spread(read_network(network).input_size)
    deadline, memory = Deadline.of(time_limit), crown.Memory()
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for index in range(len(network.layers)):
        low, high = bound_layer(network, box, index, lower, upper, method, deadline, memory)
        lower.append(low)
        upper.append(high)
    return Bounds(box, tuple(lower), tuple(upper), network.content_hash)
