"""What networks cost: numbers and indices that must be kept, and multiplications of one input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.layer import Layer
from leo_opt.network import Network
from leo_opt.weights import Weight

_WORD = 32
"""Places of a bitmap that take the room of one number."""


@dataclass(frozen=True)
class Cost:
    """What layers take.

    Parameters
    ----------
    parameters
        Numbers, and one more for the index of each entry of a sparse matrix.
    bitmap
        The same with a bit for each place of a sparse matrix, 32 to a number, for its indices.
    multiply_adds
        Multiplications of one evaluation by numbers that are not 0.
    """

    parameters: int = 0
    bitmap: int = 0
    multiply_adds: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.bitmap + other.bitmap,
            self.multiply_adds + other.multiply_adds,
        )


def indexed_room(weight: Weight) -> int:
    """Numbers that the entries of a sparse matrix take with an index each."""
    return 2 * int(np.count_nonzero(weights.entries(weight)))


def of_network(network: Network, *, sparse: bool = True) -> Cost:
    """The cost of all layers; without `sparse` every dense array counts in full."""
    return sum((of_layer(layer, sparse=sparse) for layer in network.layers), Cost())


def of_layer(layer: Layer, *, sparse: bool = True) -> Cost:
    """The cost of one layer.

    Identity lanes take nothing but an index each, where only some inputs are carried. Rows and
    columns that are full count without indices, and what is left as a smaller matrix without its
    empty rows and columns, or as entries with an index each, whichever is less.
    """
    matrix = layer.weight
    lanes = layer.lanes >= 0
    carried = int(lanes.sum())
    rows, columns, ones = _places(matrix)
    joined = _joined(matrix.shape[1], columns, ones)
    kept = ~lanes[rows] & ~joined[columns]
    rows, columns = rows[kept], columns[kept]
    height = layer.n_out - carried
    biases = height if layer.bias.any() or not sparse else 0
    indices = carried if 0 < carried < layer.n_in else 0
    if not sparse and not weights.is_sparse(matrix):
        full = height * (layer.n_in - carried if carried else layer.n_in)
        return Cost(full + biases, full + biases, full)
    numbers = Cost(biases + indices, biases + indices)
    room = height, layer.n_in - int(np.count_nonzero(joined)), layer.n_in - carried
    # Rows that are full first, then columns, or columns only, whichever takes less.
    ways = (_in_groups(rows, columns, room, first) for first in (0, 1))
    return numbers + min(ways, key=lambda cost: cost.parameters)


def _in_groups(rows: IntArray, columns: IntArray, room: tuple[int, int, int], first: int) -> Cost:
    """The cost of entries, of which full rows (unless `first` is 1) and full columns stand apart.

    Parameters
    ----------
    room
        How many rows and columns there are, and how many of these are carried by no lane.
    """
    full, left, indices = 0, list(room[:2]), 0
    places = [rows, columns]
    for side in range(first, 2):
        mine, others = places[side], places[1 - side]
        gone = (np.bincount(mine, minlength=1) == len(np.unique(others)))[mine]
        full += int(gone.sum())
        left[side] -= len(np.unique(mine[gone]))
        if not side and gone.any():
            # Of the inputs of full rows either those that are read are listed, or the others.
            read = len(np.unique(others))
            indices = min(read, room[2] - read) if read < room[2] else 0
        places = [one[~gone] for one in places]
    entries, sizes = len(places[0]), [len(np.unique(one)) for one in places]
    # Which rows and columns a smaller matrix has takes an index each, unless it has all.
    block = int(sizes[0] * sizes[1])
    listed = block + sum(size for size, most in zip(sizes, left, strict=True) if size < most)
    return Cost(
        full + indices + min(2 * entries, listed),
        full + indices + min(entries + -(-block // _WORD), listed),
        full + entries,
    )


def of_constants(arrays: Iterable[NDArray[Any]], positions: int, *, sparse: bool = True) -> Cost:
    """The cost of weights, biases and indices that a graph stores.

    Parameters
    ----------
    positions
        How often a weight is multiplied for one input.
    sparse
        Whether a weight with few entries counts as those with an index each.
    """
    total = Cost()
    for array in arrays:
        full, used, bitmap = array.size, 0, array.size
        if array.ndim > 1 and array.dtype.kind == "f":
            used = int(np.count_nonzero(array)) if sparse else full
            bitmap = min(used + -(-full // _WORD), full)
            full = min(2 * used, full)
        total += Cost(full, bitmap, used * positions)
    return total


def _places(matrix: Weight) -> tuple[IntArray, IntArray, BoolArray]:
    """Rows and columns of the entries that are not 0, and which of these are 1."""
    if weights.is_sparse(matrix):
        listed = matrix.tocoo()
        return listed.coords[0], listed.coords[1], listed.data == 1.0
    rows, columns = np.nonzero(matrix)
    return rows, columns, matrix[rows, columns] == 1.0


def _joined(width: int, columns: IntArray, ones: BoolArray) -> BoolArray:
    """Which columns only pass their input on to one unit: their one entry is 1."""
    count = np.bincount(columns, minlength=width)
    lone = np.zeros(width, dtype=bool)
    lone[columns[ones]] = True
    lone &= count == 1
    return lone
