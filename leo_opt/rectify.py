"""A network of rectifiers and linear units alone, with the same function."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from leo_opt.activations import LINEAR, Activation, read_activation
from leo_opt.arrays import FloatArray, IntArray
from leo_opt.layer import Layer
from leo_opt.network import Network, read_network
from leo_opt.weights import Weight

_KNOWN = {LINEAR, "relu"}


def rectified(network: Network) -> Network:
    """The same function with rectifiers and linear units only, exactly, in real arithmetic.

    A layer with leaky units or clips becomes three: its affine map, a rectifier for each
    breakpoint beside linear units, and what they add up to. A fourth one of identity lanes stands
    between where a factor is no float but the sum of two. Names and shapes of files stay; what
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
    Network(1 -> 1 linear -> 1 linear + 1 relu -> 3 linear -> 1 linear; 16 parameters)
    """
    layers = [part for layer in read_network(network).layers for part in _parts(layer)]
    if len(layers) == len(network.layers):
        return network
    return Network(tuple(layers), network.signature)


@dataclass(frozen=True)
class _Term:
    """f(sign * pre - start), where f has the tag, times the sum of the factors."""

    tag: str
    sign: float
    start: float
    factors: tuple[float, ...]


def _parts(layer: Layer) -> list[Layer]:
    """The layers that compute one layer: itself where it needs no others."""
    if set(layer.tags) <= _KNOWN:
        return [layer]
    terms = {tag: _terms(tag, read_activation(tag)) for tag in dict.fromkeys(layer.tags)}
    rows = [(unit, term) for unit, tag in enumerate(layer.tags) for term in terms[tag]]
    units = np.array([unit for unit, _ in rows])
    lanes = np.repeat(np.arange(len(rows)), [len(term.factors) for _, term in rows])
    factors = np.concatenate([term.factors for _, term in rows])
    spread = _entries(np.arange(len(rows)), units, np.array([term.sign for _, term in rows]))
    tags = [term.tag for _, term in rows]
    parts = [
        Layer(layer.weight, layer.bias),
        Layer(spread, [-term.start for _, term in rows], tags),
    ]
    if len(lanes) > len(rows):
        copies = _entries(np.arange(len(lanes)), lanes, np.ones(len(lanes)))
        parts.append(Layer(copies, np.zeros(len(lanes))))
    added = _entries(units[lanes], np.arange(len(lanes)), factors)
    return [*parts, Layer(added, np.zeros(layer.n_out))]


def _entries(rows: IntArray, columns: IntArray, values: FloatArray) -> Weight:
    """A sparse matrix of some entries, with a row and a column for each index up to the last."""
    from scipy.sparse import coo_array

    return coo_array((values, (rows, columns)), (rows.max() + 1, columns.max() + 1)).tocsr()


def _terms(tag: str, activation: Activation) -> list[_Term]:
    """Terms that add up to an activation: what it does around 0, and how it bends elsewhere."""
    if tag in _KNOWN:
        return [_Term(tag, 1.0, 0.0, (1.0,))]
    left = next(piece.slope for piece in activation.pieces if piece.upper >= 0.0)
    right = next(piece.slope for piece in activation.pieces if piece.upper > 0.0)
    if right == 0.0:
        terms = [_Term("relu", -1.0, 0.0, (-left,))]
    else:
        passed, bend = (left,) if left else (), _difference(right, left)
        terms = [_Term(LINEAR, 1.0, 0.0, passed), _Term("relu", 1.0, 0.0, bend)]
    for before, behind in pairwise(activation.pieces):
        if behind.lower != 0.0:
            sign = float(np.sign(behind.lower))
            bend = _difference(behind.slope, before.slope)
            terms.append(_Term("relu", sign, sign * behind.lower, bend))
    return [term for term in terms if term.factors]


def _difference(left: float, right: float) -> tuple[float, ...]:
    """Floats that add up to left - right exactly; none where that is 0."""
    if Fraction(left) - Fraction(right) != Fraction(left - right):
        return left, -right
    return (left - right,) if left != right else ()
