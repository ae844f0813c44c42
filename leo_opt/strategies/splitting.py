"""Input splitting: halve the box until interval and CROWN bounds decide every piece of it.

For networks with few inputs this settles all layers at once, and every bound it proves is
certified: the largest of the bounds of pieces that cover the box.

References
----------
S. Wang, K. Pei, J. Whitehouse, J. Yang, S. Jana, Formal Security Analysis of Neural Networks
using Symbolic Intervals, USENIX Security 2018, section 4 (iterative interval refinement).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leo_opt.bounds import Bounds, crown, interval
from leo_opt.domain import Boxes
from leo_opt.network import FloatArray, Network
from leo_opt.stability import ARITHMETIC
from leo_opt.strategies.ledger import Ledger
from leo_opt.strategies.settings import Deadline
from leo_opt.witnesses import collect, directions

MOST_INPUTS = 12
"""Inputs beyond which halving one of them at a time gains too little."""
_CHUNK = 256
"""Boxes bounded at once."""


class _Cover:
    """The largest bounds over the pieces that are done, one array a layer."""

    def __init__(self, network: Network) -> None:
        self.lower = [np.full(layer.n_out, np.inf) for layer in network.layers]
        self.upper = [np.full(layer.n_out, -np.inf) for layer in network.layers]

    def include(self, lower: list[FloatArray], upper: list[FloatArray]) -> None:
        """Widen by the bounds of some pieces, one (N, n_out) array a layer."""
        for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self.lower[layer] = np.minimum(self.lower[layer], low.min(axis=0, initial=np.inf))
            self.upper[layer] = np.maximum(self.upper[layer], high.max(axis=0, initial=-np.inf))


def split_inputs(ledger: Ledger, deadline: Deadline, budget: int) -> int:
    """Halve the domain until no direction of any layer is open, or the budget is spent.

    Parameters
    ----------
    budget
        Most pieces to bound.

    Returns
    -------
    int
        Number of pieces bounded.
    """
    network, domain = ledger.network, ledger.domain
    known = ledger.bounds(len(network.layers), certified=True)
    cover = _Cover(network)
    stack = Boxes(domain.lower[None, :], domain.upper[None, :])
    bounded = 0
    while len(stack) and bounded < budget and not deadline.passed:
        pieces, stack = stack[-_CHUNK:], stack[:-_CHUNK]
        bounded += len(pieces)
        lower, upper = bound_pieces(network, pieces, known)
        ledger.witnesses = collect(network, domain, pieces.centres, ledger.witnesses)
        alive = _alive(ledger, lower, upper)
        splittable = (pieces.upper > pieces.lower).any(axis=1)
        go_on = np.logical_or.reduce([layer.any(axis=1) for layer in alive]) & splittable
        cover.include([low[~go_on] for low in lower], [high[~go_on] for high in upper])
        chosen = _choose_dimensions(network, pieces[go_on], [layer[go_on] for layer in alive])
        stack = stack.join(pieces[go_on].halve(chosen))
    for start in range(0, len(stack), _CHUNK):
        cover.include(*bound_pieces(network, stack[start : start + _CHUNK], known))
    ledger.tighten_layers(cover.lower, cover.upper, "splitting", ARITHMETIC)
    return bounded


def bound_pieces(
    network: Network, pieces: Boxes, known: Bounds
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Certified bounds of every layer on each piece, one (N, n_out) array a layer.

    Parameters
    ----------
    known
        Bounds on a box that holds all the pieces; intersected.
    """
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for layer in range(len(network.layers)):
        low, high = interval.bound_layer(network, pieces, layer, lower, upper)
        finer_low, finer_high = crown.bound_layer(
            network, pieces, layer, lower, upper, ("adaptive",)
        )
        lower.append(np.maximum(np.maximum(low, finer_low), known.lower[layer]))
        upper.append(np.minimum(np.minimum(high, finer_high), known.upper[layer]))
    return lower, upper


def _alive(
    ledger: Ledger, lower: list[FloatArray], upper: list[FloatArray]
) -> list[NDArray[np.bool_]]:
    """For each layer with phases (N, n_out): whether a piece leaves a direction open."""
    alive = []
    for layer in ledger.network.phased_layers:
        below, above = ledger.unanswered(layer)
        alive.append((below & (lower[layer] < 0.0)) | (above & (upper[layer] > 0.0)))
    return alive


def _choose_dimensions(
    network: Network, pieces: Boxes, alive: list[NDArray[np.bool_]]
) -> NDArray[np.int64]:
    """For each piece the input along which the open pre-activations vary most."""
    width = pieces.upper - pieces.lower
    influence = np.zeros_like(width)
    for layer, open_units in zip(network.phased_layers, alive, strict=True):
        rows, units = np.nonzero(open_units)
        if rows.size:
            gradients = directions(network, pieces.centres[rows], layer, units, np.ones(rows.size))
            np.add.at(influence, rows, np.abs(gradients))
    # A unit that is off at the centre has no gradient there; width breaks the tie.
    share = width / np.maximum(width.max(axis=1, keepdims=True), 1e-300)
    return np.asarray((influence * width + 1e-12 * share).argmax(axis=1), dtype=np.int64)
