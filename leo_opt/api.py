"""Public verbs that put stages together."""

from __future__ import annotations

from leo_opt import compression
from leo_opt.compression import Compression
from leo_opt.decisions import classify
from leo_opt.domain import DomainLike, read_domain
from leo_opt.network import Network
from leo_opt.stability import Stability


def compress(
    network: Network, stability: Stability | DomainLike, *, certified_only: bool = False
) -> Compression:
    """Rewrite a network into a smaller one with the same outputs on a box or polytope.

    Parameters
    ----------
    stability
        What `classify` has decided of this network, or a box or `Polytope`, on which it is decided
        first, with the options that `classify` has by default.
    certified_only
        Believe only phases that arithmetic alone proves, not those that rest on a solver.

    Returns
    -------
    Compression
        See `leo_opt.compression.compress`, which rewrites.

    Raises
    ------
    InvalidInputError
        If an argument is of another kind.
    MismatchError
        If the stability is of another network.

    Examples
    --------
    >>> from leo_opt import Box, Network, compress
    >>> net = Network.from_arrays([[[1.0], [-1.0]], [[2.0, 3.0]]], [[1.0, -1.0], [0.0]])
    >>> compress(net, Box(0, 1)).network
    Network(1 -> 1 linear; 2 parameters)
    """
    if not isinstance(stability, Stability):
        box = read_domain(stability, "stability", "a Stability or a box")
        stability = classify(network, box)
    return compression.compress(network, stability, certified_only=certified_only)
