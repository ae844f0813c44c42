"""A network of rectifiers and linear units alone, with the same function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise

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
    between where a factor is no float but the sum of two. Names and shapes of files stay, and
    what reading rounded, which is of the affine maps.

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
    parts = [parts_of(layer) for layer in read_network(network).layers]
    if sum(map(len, parts)) == len(network.layers):
        return network
    rounding = [
        entry
        for first, own in zip(network.rounding, parts, strict=False)
        for entry in (first, *[None] * (len(own) - 1))
    ]
    return Network(tuple(chain.from_iterable(parts)), network.signature, tuple(rounding))


def own_bounds(
    network: Network, lower: Sequence[FloatArray], upper: Sequence[FloatArray]
) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    """Bounds of a network's pre-activations, from those of `rectified(network)`.

    Parameters
    ----------
    lower, upper : one (n_out,) array for each layer of `rectified(network)`
        Proved bounds of its pre-activations.

    Returns
    -------
    lower, upper : one (n_out,) array for each layer of the network
    """
    index, found = 0, []
    for layer in read_network(network).layers:
        count = len(parts_of(layer))
        # The first part is the affine map of the layer; the signs of the next stand for bounds.
        low, high = np.copy(lower[index]), np.copy(upper[index])
        for row, (unit, term) in enumerate(_rows(layer) if count > 1 else ()):
            place, ends = term.sign * term.start, (lower[index + 1][row], upper[index + 1][row])
            below, above = ends if term.sign > 0.0 else (-ends[1], -ends[0])
            if term.tag == "relu" and below >= 0.0:
                low[unit] = max(low[unit], place)
            if term.tag == "relu" and above <= 0.0:
                high[unit] = min(high[unit], place)
        found.append((low, high))
        index += count
    return tuple(low for low, _ in found), tuple(high for _, high in found)


@dataclass(frozen=True)
class _Term:
    """f(sign * pre - start), where f has the tag, times the sum of the factors."""

    tag: str
    sign: float
    start: float
    factors: tuple[float, ...]


def parts_of(layer: Layer) -> list[Layer]:
    """The layers that compute one layer: itself where it needs no others."""
    if set(layer.tags) <= _KNOWN:
        return [layer]
    rows = _rows(layer)
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


def _rows(layer: Layer) -> list[tuple[int, _Term]]:
    """The terms of all units of a layer, one after the other, each with its unit."""
    terms = {tag: _terms(tag, read_activation(tag)) for tag in dict.fromkeys(layer.tags)}
    return [(unit, term) for unit, tag in enumerate(layer.tags) for term in terms[tag]]


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
