"""A network of rectifiers and linear units alone, with the same function."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array

from leo_opt.activations import LINEAR, Activation, read_activation
from leo_opt.layer import Layer
from leo_opt.network import Network, read_network

_KNOWN = {LINEAR, "relu"}


def rectified(network: Network) -> Network:
    """The same function with rectifiers and linear units only, exactly, in real arithmetic.

    A layer with leaky units or clips becomes three: its affine map, a rectifier for each side of
    0 and each breakpoint elsewhere, and what they add up to. Names and shapes of files stay; what
    reading rounded stands with the network given.

    Returns
    -------
    Network
        The one given where it has no other activations.

    Examples
    --------
    >>> from leo_opt import Network
    >>> network = Network.from_arrays([[[2.0]]], [[1.0]], ["leaky-relu(0.1)"])
    >>> rectified(network)
    Network(1 -> 1 linear -> 2 relu -> 1 linear; 9 parameters)
    """
    layers = [part for layer in read_network(network).layers for part in _parts(layer)]
    if len(layers) == len(network.layers):
        return network
    return Network(tuple(layers), network.signature)


@dataclass(frozen=True)
class _Term:
    """factor * f(sign * pre - start), where f has the tag."""

    tag: str
    sign: float
    start: float
    factor: float


def _parts(layer: Layer) -> list[Layer]:
    """The layers that compute one layer: itself where it needs no others."""
    if set(layer.tags) <= _KNOWN:
        return [layer]
    terms = {tag: _terms(tag, read_activation(tag)) for tag in dict.fromkeys(layer.tags)}
    rows = [(unit, term) for unit, tag in enumerate(layer.tags) for term in terms[tag]]
    units, places = np.array([unit for unit, _ in rows]), np.arange(len(rows))
    spread = coo_array(([term.sign for _, term in rows], (places, units)), (len(rows), layer.n_out))
    added = coo_array(
        ([term.factor for _, term in rows], (units, places)), (layer.n_out, len(rows))
    )
    return [
        Layer(layer.weight, layer.bias),
        Layer(spread, [-term.start for _, term in rows], [term.tag for _, term in rows]),
        Layer(added, np.zeros(layer.n_out)),
    ]


def _terms(tag: str, activation: Activation) -> list[_Term]:
    """Terms that add up to an activation: what it does at 0, and how it bends elsewhere.

    From 0 no factor is a difference of slopes other than 0 and 1, which would have to be rounded.
    """
    if tag in _KNOWN:
        return [_Term(tag, 1.0, 0.0, 1.0)]
    terms, pieces = [], activation.pieces
    if 0.0 in activation.breakpoints:
        at = activation.breakpoints.index(0.0)
        terms = [
            _Term("relu", 1.0, 0.0, pieces[at + 1].slope),
            _Term("relu", -1.0, 0.0, -pieces[at].slope),
        ]
    else:
        middle = next(piece for piece in pieces if piece.lower < 0.0 < piece.upper)
        terms = [_Term(LINEAR, 1.0, 0.0, middle.slope)]
    for left, right in pairwise(pieces):
        if right.lower != 0.0:
            sign, bend = np.sign(right.lower), right.slope - left.slope
            terms.append(_Term("relu", float(sign), float(sign * right.lower), bend))
    return [term for term in terms if term.factor]
