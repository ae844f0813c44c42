"""The exact truth about small networks: activation cells enumerated in integer arithmetic.

Float64 numbers are integers times powers of two, so the affine maps of a network have integer
coefficients over a common power of two. A cell, the set of inputs with one activation pattern, is
a polytope, kept as its vertices in homogeneous integer coordinates together with the set of
constraints that are tight at each. Layer by layer every cell is cut along the zero sets of the
pre-activations (double description method); within a cell these are affine, so that their
extremes lie at vertices. No floating point and no tolerance occurs anywhere.

References
----------
K. Fukuda, A. Prodon, Double description method revisited, 1996.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np

from leo_opt.domain import Box, Domain
from leo_opt.network import Layer, Network, read_activation
from leo_opt.weights import dense

Row = tuple[int, ...]
Ranges = list[list[tuple[Fraction, Fraction]]]


@dataclass(frozen=True)
class Cell:
    """A polytope: homogeneous vertices (x_1 w, ..., x_k w, w) with w > 0, and for each the set
    of tight constraints as the bits of an integer; `constraints` is the number of bits used."""

    vertices: tuple[Row, ...]
    tight: tuple[int, ...]
    constraints: int


@dataclass(frozen=True)
class Map:
    """An affine map of the free inputs: row @ (x, 1) / 2**exponent for each row."""

    rows: tuple[Row, ...]
    exponent: int


def exact_ranges(network: Network, domain: Domain) -> Ranges:
    """For each layer and unit the least and the largest pre-activation over a box or polytope.

    Raises
    ------
    Flat
        If a polytope has no interior.
    """
    extremes: list[list[list[Fraction]]] = [
        [[] for _ in range(layer.n_out)] for layer in network.layers
    ]

    def visit(layer: int, cell: Cell, pre: Map) -> None:
        for unit, row in enumerate(pre.rows):
            values = _values(row, cell, pre.exponent)
            extremes[layer][unit] += [min(values), max(values)]
            extremes[layer][unit] = [min(extremes[layer][unit]), max(extremes[layer][unit])]

    cell, inputs = _start(domain.spread(network.input_size))
    for _ in _explore(network, 0, cell, inputs, visit):
        pass
    return [[(low, high) for low, high in units] for units in extremes]


def exact_pre_activations(
    network: Network, inputs: Sequence[float | Fraction]
) -> list[list[Fraction]]:
    """Pre-activations of every layer at one input, in rationals."""
    values = [Fraction(x) if isinstance(x, Fraction) else Fraction(float(x)) for x in inputs]
    pres = []
    for layer in network.layers:
        pre = [
            sum((Fraction(w) * v for w, v in zip(row, values, strict=True) if w), Fraction(b))
            for row, b in zip(dense(layer.weight).tolist(), layer.bias.tolist(), strict=True)
        ]
        pres.append(pre)
        values = _activated(layer, pre)
    return pres


def _activated(layer: Layer, pre: list[Fraction]) -> list[Fraction]:
    """Post-activations of a layer."""
    return [read_activation(tag).exact(g) for tag, g in zip(layer.tags, pre, strict=True)]


def exact_output(network: Network, inputs: Sequence[float | Fraction]) -> list[Fraction]:
    """Output at one input, in rationals."""
    pre = exact_pre_activations(network, inputs)[-1]
    return _activated(network.layers[-1], pre)


def exact_deviation(network: Network, other: Network, box: Domain) -> list[Fraction]:
    """For each output the largest difference of two networks anywhere on the domain.

    Both are affine in each cell of the common refinement of their cells, so that the largest
    difference is attained at a vertex of a cell.
    """
    cell, inputs = _start(box.spread(network.input_size))
    worst = [Fraction(0)] * network.output_size
    for coarse, mine in _explore(network, 0, cell, inputs, _ignore):
        for fine, theirs in _explore(other, 0, coarse, inputs, _ignore):
            pairs = zip(mine.rows, theirs.rows, strict=True)
            for k, (left, right) in enumerate(pairs):
                row = _difference(left, mine.exponent, right, theirs.exponent)
                values = _values(row, fine, mine.exponent + theirs.exponent)
                worst[k] = max(worst[k], *map(abs, values))
    return worst


def cell_vertices(network: Network, box: Box) -> list[list[Fraction]]:
    """All vertices of all activation cells, as full inputs."""
    cell, inputs = _start(box.spread(network.input_size))
    points = {
        tuple(vertex)
        for small, _ in _explore(network, 0, cell, inputs, _ignore)
        for vertex in small.vertices
    }
    scale = 1 << inputs.exponent
    return [
        [Fraction(_dot(row, vertex), vertex[-1] * scale) for row in inputs.rows]
        for vertex in sorted(points)
    ]


def _ignore(layer: int, cell: Cell, pre: Map) -> None:
    """The visitor that wants nothing."""


def _explore(
    network: Network, layer: int, cell: Cell, post: Map, visit: Callable[[int, Cell, Map], None]
) -> Iterator[tuple[Cell, Map]]:
    """The cells within a cell on which layers `layer`, ... are affine, with the output map.

    `post` maps the free inputs to what the layer reads; `visit` sees every layer's
    pre-activations on every cell of the layers before it.
    """
    if layer == len(network.layers):
        yield cell, post
        return
    current = network.layers[layer]
    pre = _affine(dense(current.weight), current.bias, post)
    visit(layer, cell, pre)
    activations = list(map(read_activation, current.tags))
    lines = [
        [(Fraction(piece.slope), offset) for piece, offset in zip(a.pieces, a.offsets, strict=True)]
        for a in activations
    ]
    numbers = [number for unit in lines for line in unit for number in line]
    numbers += [Fraction(place) for a in activations for place in a.breakpoints]
    extra = max(number.denominator for number in numbers).bit_length() - 1

    def line(row: Row, slope: Fraction, offset: Fraction) -> Row:
        """slope * row + offset, over 2**(pre.exponent + extra)."""
        *head, last = (int(slope * (1 << extra)) * entry for entry in row)
        return (*head, last + (int(offset * (1 << extra)) << pre.exponent))

    places = [(unit, place) for unit, a in enumerate(activations) for place in a.breakpoints]
    cuts = tuple(line(pre.rows[unit], Fraction(1), -Fraction(place)) for unit, place in places)
    for small, pattern in _cells(cell, cuts):
        piece = [0] * len(lines)
        for (unit, _), above in zip(places, pattern, strict=True):
            piece[unit] += above
        rows = tuple(map(line, pre.rows, *zip(*map(list.__getitem__, lines, piece), strict=True)))
        yield from _explore(network, layer + 1, small, Map(rows, pre.exponent + extra), visit)


def _cells(cell: Cell, rows: tuple[Row, ...]) -> Iterator[tuple[Cell, tuple[bool, ...]]]:
    """The cells into which the zero sets of the rows cut a cell, with the sign pattern of each."""
    if not rows:
        yield cell, ()
        return
    for half, positive in _cut(cell, rows[0]):
        for small, pattern in _cells(half, rows[1:]):
            yield small, (positive, *pattern)


def _cut(cell: Cell, row: Row) -> list[tuple[Cell, bool]]:
    """The part of a cell where the row is >= 0 and the part where it is <= 0.

    A part of lower dimension is dropped: the other part, being closed, holds it.
    """
    values = [_dot(row, vertex) for vertex in cell.vertices]
    above = [k for k, value in enumerate(values) if value > 0]
    below = [k for k, value in enumerate(values) if value < 0]
    if not above or not below:
        return [(cell, bool(above))]
    bit = 1 << cell.constraints
    born: list[tuple[Row, int]] = []
    for i in above:
        for j in below:
            common = cell.tight[i] & cell.tight[j]
            if _adjacent(cell, i, j, common):
                pairs = zip(cell.vertices[i], cell.vertices[j], strict=True)
                vertex = tuple(values[i] * v - values[j] * u for u, v in pairs)
                born.append((_reduce(vertex), common | bit))
    parts = []
    for side in (above, below):
        kept = [
            (cell.vertices[k], cell.tight[k] | (bit if values[k] == 0 else 0))
            for k in range(len(values))
            if values[k] == 0 or k in side
        ]
        vertices, tight = zip(*kept, *born, strict=True)
        parts.append((Cell(vertices, tight, cell.constraints + 1), side is above))
    return parts


def _adjacent(cell: Cell, i: int, j: int, common: int) -> bool:
    """Whether an edge joins two vertices: no third vertex is tight at all that both are."""
    if common.bit_count() < len(cell.vertices[0]) - 2:
        return False
    return not any(
        tight & common == common for k, tight in enumerate(cell.tight) if k not in (i, j)
    )


class Flat(Exception):  # noqa: N818 - no error
    """A polytope without an interior, of which there are no cells."""


def _start(domain: Domain) -> tuple[Cell, Map]:
    """The free inputs of a domain as a cell, and the map from these to all inputs."""
    lower, upper, *_ = domain.arrays
    cell, inputs = _start_box(Box(lower, upper))
    weight, bound = domain.rows
    for row in _affine(-weight, bound, inputs).rows if bound.size else ():
        inside = [part for part, positive in _cut(cell, row) if positive]
        if not inside:
            raise Flat
        [cell] = inside
    return cell, inputs


def _start_box(box: Box) -> tuple[Cell, Map]:
    """The box of the inputs that can vary as a cell, and the map from these to all inputs."""
    ends = [
        (Fraction(float(a)), Fraction(float(b))) for a, b in zip(box.lower, box.upper, strict=True)
    ]
    free = [k for k, (low, high) in enumerate(ends) if low < high]
    exponent = max(low.denominator.bit_length() - 1 for low, _ in ends)
    rows = []
    for k, (low, _) in enumerate(ends):
        row = [0] * (len(free) + 1)
        if k in free:
            row[free.index(k)] = 1 << exponent
        else:
            row[-1] = int(low * (1 << exponent))
        rows.append(tuple(row))
    scale = max(side.denominator for pair in ends for side in pair)
    vertices, tight = [], []
    for corner in range(1 << len(free)):
        sides = [(corner >> k) & 1 for k in range(len(free))]
        coordinates = [int(ends[free[k]][side] * scale) for k, side in enumerate(sides)]
        vertices.append(_reduce((*coordinates, scale)))
        tight.append(sum(1 << (2 * k + side) for k, side in enumerate(sides)))
    return Cell(tuple(vertices), tuple(tight), 2 * len(free)), Map(tuple(rows), exponent)


def _affine(weight: np.ndarray, bias: np.ndarray, post: Map) -> Map:
    """weight @ post + bias."""
    pairs = [value.as_integer_ratio() for value in (*weight.ravel().tolist(), *bias.tolist())]
    exponent = max(denominator.bit_length() - 1 for _, denominator in pairs)
    integers = [
        numerator << (exponent + 1 - denominator.bit_length()) for numerator, denominator in pairs
    ]
    n_out, n_in = weight.shape
    columns = list(zip(*post.rows, strict=True))
    rows = []
    for unit in range(n_out):
        coefficients = integers[unit * n_in : (unit + 1) * n_in]
        row = [_dot(coefficients, column) for column in columns]
        row[-1] += integers[n_out * n_in + unit] << post.exponent
        rows.append(tuple(row))
    return Map(tuple(rows), exponent + post.exponent)


def _difference(left: Row, left_exponent: int, right: Row, right_exponent: int) -> Row:
    """left - right over the sum of both exponents."""
    pairs = zip(left, right, strict=True)
    return tuple((a << right_exponent) - (b << left_exponent) for a, b in pairs)


def _values(row: Row, cell: Cell, exponent: int) -> list[Fraction]:
    """The values of an affine function at the vertices of a cell."""
    return [Fraction(_dot(row, vertex), vertex[-1] << exponent) for vertex in cell.vertices]


def _dot(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _reduce(vertex: tuple[int, ...]) -> Row:
    """The same point with coprime coordinates."""
    divisor = gcd(*vertex)
    return tuple(value // divisor for value in vertex)
