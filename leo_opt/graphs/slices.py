"""Tensors cut into slices, and what in a graph goes with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.formats.onnx.graph import Node
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.network import FloatArray

STAYS = 0
"""The class of slices that are not deleted."""


@dataclass(frozen=True, eq=False)
class Slices:
    """A tensor that is cut along an axis into slices of these classes, (shape[axis],)."""

    shape: tuple[int, ...]
    axis: int
    classes: IntArray

    def numbered(self, start: int) -> IntArray:
        """For each element the number of its slice, the first of which is `start`."""
        shape = [1] * len(self.shape)
        shape[self.axis] = -1
        numbers = np.arange(start, start + len(self.classes)).reshape(shape)
        return np.broadcast_to(numbers, self.shape)


@dataclass(frozen=True, eq=False)
class Consumer:
    """A node whose matrix mixes the slices of a tensor.

    Parameters
    ----------
    node
    source
        The tensor.
    slices
    made : (m,) array
        Classes of the slices that it makes.
    weight : (n, m, k) array
        Its numbers: of a slice that it reads, for one that it makes.
    axes
        Those of the stored matrix along which slices are read and made.
    foldable
        Whether a slice that has one value everywhere adds the same number to all of what each
        slice is made of.
    """

    node: Node
    source: str
    slices: Slices
    made: IntArray
    weight: FloatArray
    axes: tuple[int, int]
    foldable: bool


@dataclass(frozen=True, eq=False)
class Trim:
    """A constant input of a node that loses slices of these classes along an axis."""

    node: Node
    place: int
    axis: int
    classes: IntArray


@dataclass(frozen=True, eq=False)
class Count:
    """A number in a node that is the number of the first `stop` slices, or of all: an entry of an
    input, or of an attribute."""

    node: Node
    place: int | str
    entry: int
    classes: IntArray
    stop: int | None = None


@dataclass(frozen=True, eq=False)
class Pick:
    """A constant input of a node whose entries are numbers of slices."""

    node: Node
    place: int
    classes: IntArray


def staying(tensor: Tensor) -> Slices:
    """A tensor of which nothing is deleted."""
    axis = min(1, max(len(tensor.shape) - 1, 0))
    size = tensor.shape[axis] if tensor.shape else math.prod(tensor.shape)
    return Slices(tensor.shape or (1,), axis, np.full(size, STAYS))
