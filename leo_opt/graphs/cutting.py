"""The classes of the slices of a graph: which go or stay together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from networkx.utils import UnionFind

from leo_opt import weights
from leo_opt.arrays import IntArray
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.graphs.slices import STAYS, Consumer, Count, Pick, Slices, Trim
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Layer


class StuckError(Exception):
    """An operator of which slices cannot be deleted."""


@dataclass(eq=False)
class Cutting:
    """The classes of the slices of a graph, and what changes where some are deleted.

    Those in `rigid` have passed an operator that is not positively homogeneous, or that treats
    slices each in its way.
    """

    lowered: Lowered
    tensors: dict[str, Slices] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    trims: list[Trim] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    picks: list[Pick] = field(default_factory=list)
    rigid: list[IntArray] = field(default_factory=list)
    _joined: UnionFind[int] = field(default_factory=lambda: UnionFind([STAYS]))
    _last: int = STAYS

    def roots(self, classes: IntArray) -> IntArray:
        """One number for each class, equal where classes were joined; `STAYS` for that one."""
        stays = self._joined[STAYS]
        found = (self._joined[number] for number in classes.tolist())
        return np.array([STAYS if root == stays else root for root in found], dtype=np.int64)

    def read(self, source: str, layer: Layer, nodes: Iterable[Node]) -> None:
        """Note that the node which reads a tensor is the Gemm of a layer, and makes what stays."""
        slices = self.tensors[source]
        [node] = [n for n in nodes if n.operator == "Gemm" and n.inputs[0] == source]
        weight = weights.dense(layer.weight).T[:, :, None]
        made = np.full(layer.n_out, STAYS)
        self.consumers.append(Consumer(node, source, slices, made, weight, (1, 0), True))
        self.trims.append(Trim(node, 1, 1, slices.classes))

    def bias(self, node: Node, count: int) -> FloatArray:
        """What a matrix adds to each of the slices that it makes."""
        stored = self.constant(node, 2)
        before = np.zeros(1) if stored is None else np.asarray(stored, dtype=np.float64)
        return np.broadcast_to(before.reshape(-1), count)

    def keep(self, slices: Slices) -> None:
        for number in slices.classes.tolist():
            self._joined.union(STAYS, number)

    def join(self, left: IntArray, right: IntArray) -> None:
        for pair in zip(left.tolist(), right.tolist(), strict=True):
            self._joined.union(*pair)

    def fresh(self, count: int) -> IntArray:
        self._last += count
        return np.arange(self._last - count + 1, self._last + 1)

    def given(self, node: Node, place: int = 0) -> Slices:
        """The slices of an input that depends on the network's."""
        name = node.inputs[place]
        if name not in self.tensors:
            raise StuckError
        return self.tensors[name]

    def constant(self, node: Node, place: int) -> Array | None:
        """An input that the model stores, None where it is left out."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        value = self.lowered.values[name]
        if isinstance(value, Tensor) or name not in self._stored:
            raise StuckError
        return value

    @lazy
    def _stored(self) -> frozenset[str]:
        """Names of the constants that the model states as they are."""
        graph = self.lowered.graph
        made = (node.outputs for node in graph.nodes if node.operator == "Constant")
        return frozenset(graph.constants).union(*made)

    def shapes_of(self, node: Node) -> list[tuple[int, ...]]:
        made = [self.lowered.values[name] for name in node.outputs]
        return [tensor.shape for tensor in made if isinstance(tensor, Tensor)]

    def shape_of(self, node: Node) -> tuple[int, ...]:
        return self.shapes_of(node)[0]

    def trim(self, node: Node, place: int, axis: int, classes: IntArray) -> None:
        """Note that a stored input goes with slices, if it has one number for each."""
        stored = self.constant(node, place)
        if stored is not None and axis >= 0 and stored.ndim > axis and stored.shape[axis] > 1:
            if stored.shape[axis] != len(classes):
                raise StuckError
            self.trims.append(Trim(node, place, axis, classes))

    def cut_again(self, numbers: IntArray, classes: IntArray) -> tuple[Slices, IntArray]:
        """A tensor of which the slice that each element comes from is given, 0 for none, cut along
        an axis whose slices are whole ones; and the first number in each."""
        if numbers.ndim < 2:
            raise StuckError
        for axis in range(1, numbers.ndim):
            rows = np.moveaxis(numbers, axis, 0).reshape(numbers.shape[axis], -1)
            largest = rows.max(axis=1, initial=0)
            if ((rows == largest[:, None]) | (rows == 0)).all() and len(largest) > 1:
                return Slices(numbers.shape, axis, classes[largest]), largest
        rows = np.moveaxis(numbers, 1, 0).reshape(numbers.shape[1], -1)
        for row in rows:
            members = classes[np.unique(row)]
            self.join(np.full(len(members), members[0]), members)
        return Slices(numbers.shape, 1, classes[rows.max(axis=1, initial=0)]), rows.max(axis=1)
