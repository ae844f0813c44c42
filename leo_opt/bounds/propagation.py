"""`propagate`: bounds of a whole network by a named method."""

from __future__ import annotations

from leo_opt.bounds.methods import METHODS, BoundMethodLike, Propagation
from leo_opt.bounds.values import Bounds
from leo_opt.deadline import Deadline
from leo_opt.domain import DomainLike, read_domain
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.network import FloatArray


def propagate(
    network: NetworkLike,
    domain: DomainLike,
    method: BoundMethodLike = "crown",
    time_limit: float | Deadline | None = None,
    memory: float | None = None,
) -> Bounds:
    """Bounds of every pre-activation of `network` on `domain`.

    Parameters
    ----------
    network
        A network, a path, a PyTorch module or an estimator of scikit-learn.
    domain
        A box, or a `Polytope`, of which the bounds are those of its box.
    method
        "interval", or "crown", which intersects CROWN (with four lower slopes) with intervals; a
        name of `leo_opt.bounds.METHODS.names()`, or a `BoundMethod`.
    time_limit
        Seconds for the method; where they end, the bounds of interval arithmetic are left, as
        true and wider.
    memory
        Gigabytes for the arrays that are made on the way, by default 2.

    Returns
    -------
    Bounds
        Of the methods of this package a theorem about the stored float64 numbers, true in real
        arithmetic: rounding is accounted for.

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
    chosen = METHODS.find(method)
    network = read_model(network)
    box = read_domain(domain).box.spread(network.input_size)
    deadline, steps = Deadline.of(time_limit, memory), Propagation(network, box, chosen)
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for index in range(len(network.layers)):
        low, high = steps.bound(index, lower, upper, deadline)
        lower.append(low)
        upper.append(high)
    proved_for = network.content_hash if chosen.premise.certified else ""
    return Bounds(box, tuple(lower), tuple(upper), proved_for)
