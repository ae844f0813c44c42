"""How a graph can be cut: which slices of its tensors go or stay together.

A tensor is cut along one axis into slices, the channels of an image or the entries of a row. Each
has the number of a class; operators that treat slices one by one hand the numbers on, those that
join tensors make two classes one, and those that mix slices end the classes of what they read and
begin new ones. All slices of a class are deleted, or none. Where an operator is not known, or
mixes what no matrix of the file mixes, the slices are of the class that stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from networkx.utils import UnionFind

from leo_opt import weights
from leo_opt.arrays import IntArray
from leo_opt.errors import LeoOptError
from leo_opt.formats.onnx.evaluator import run_node
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.onnx.linear import grouped
from leo_opt.formats.onnx.operation import Operation, Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Layer

STAYS = 0
"""The class of slices that are not deleted."""


class _StuckError(Exception):
    """An operator of which slices cannot be deleted."""


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
    """A number in a node that is the number of slices: an entry of an input, or an attribute."""

    node: Node
    place: int | str
    entry: int
    classes: IntArray


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
    rigid: list[IntArray] = field(default_factory=list)
    _joined: UnionFind[int] = field(default_factory=lambda: UnionFind([STAYS]))
    _last: int = STAYS

    @classmethod
    def of(cls, lowered: Lowered) -> Cutting:
        """The classes of a graph."""
        cutting = cls(lowered)
        for port in lowered.graph.inputs:
            value = lowered.values[port.name]
            assert isinstance(value, Tensor)
            cutting.tensors[port.name] = _staying(value)
        for node in lowered.graph.nodes:
            cutting._visit(node)
        # What other nodes of the model read, such as a tail, stays, too.
        ends = {port.name for port in lowered.graph.outputs}
        known = {node.outputs for node in lowered.graph.nodes}
        for proto in lowered.model.graph.node:
            ends.update(() if tuple(proto.output) in known else proto.input)
        for name in ends & set(cutting.tensors):
            cutting._keep(cutting.tensors[name])
        return cutting

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
        stored = self._constant(node, 2)
        before = np.zeros(1) if stored is None else np.asarray(stored, dtype=np.float64)
        return np.broadcast_to(before.reshape(-1), count)

    def _visit(self, node: Node) -> None:
        """Hand the classes of what a node reads on to what it makes."""
        values = self.lowered.values
        made = [name for name in node.outputs if isinstance(values.get(name), Tensor)]
        given = [name for name in node.inputs if isinstance(values.get(name), Tensor)]
        if node.operator in ("Shape", "Size"):
            self._measured(node, given)
        if not made:
            return
        begun = len(self.trims), len(self.counts), len(self.consumers)
        try:
            if node.operator not in _OPERATORS or len(made) > 1:
                raise _StuckError
            slices = _OPERATORS[node.operator](self, node)
            self.tensors[made[0]] = slices
            if node.operator not in _HOMOGENEOUS or int(node.attributes.get("group", 1)) > 1:
                self.rigid.append(slices.classes)
        except _StuckError:
            del self.trims[begun[0] :], self.counts[begun[1] :], self.consumers[begun[2] :]
            for name in given:
                self._keep(self.tensors[name])
            for name in made:
                tensor = values[name]
                assert isinstance(tensor, Tensor)
                self.tensors[name] = _staying(tensor)

    def _measured(self, node: Node, given: list[str]) -> None:
        """Shape and Size: slices stay whose number is used for more than a Reshape that says so."""
        made, nodes = node.outputs[0], self.lowered.graph.nodes
        readers = [other for other in nodes if made in other.inputs]
        every = [proto for proto in self.lowered.model.graph.node if made in proto.input]
        for name in given:
            slices = self.tensors[name]
            plain = node.operator == "Shape" and not node.attributes and len(every) == len(readers)
            if not (plain and all(self._spares(reader, slices) for reader in readers)):
                self._keep(slices)

    def _spares(self, reader: Node, slices: Slices) -> bool:
        """Whether a reader of a shape takes other numbers than that of the slices."""
        if reader.operator != "Gather":
            return False
        places = np.asarray(self.lowered.values[reader.inputs[1]])
        return not (places % len(slices.shape) == slices.axis).any()

    def _keep(self, slices: Slices) -> None:
        for number in slices.classes.tolist():
            self._joined.union(STAYS, number)

    def _join(self, left: IntArray, right: IntArray) -> None:
        for pair in zip(left.tolist(), right.tolist(), strict=True):
            self._joined.union(*pair)

    def _fresh(self, count: int) -> IntArray:
        self._last += count
        return np.arange(self._last - count + 1, self._last + 1)

    def _given(self, node: Node, place: int = 0) -> Slices:
        """The slices of an input that depends on the network's."""
        name = node.inputs[place]
        if name not in self.tensors:
            raise _StuckError
        return self.tensors[name]

    def _constant(self, node: Node, place: int) -> Array | None:
        """An input that the model stores, None where it is left out."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        value = self.lowered.values[name]
        if isinstance(value, Tensor) or name not in self._stored:
            raise _StuckError
        return value

    @lazy
    def _stored(self) -> frozenset[str]:
        """Names of the constants that the model states as they are."""
        graph = self.lowered.graph
        made = (node.outputs for node in graph.nodes if node.operator == "Constant")
        return frozenset(graph.constants).union(*made)

    def _shape(self, node: Node) -> tuple[int, ...]:
        made = self.lowered.values[node.outputs[0]]
        assert isinstance(made, Tensor)
        return made.shape

    def _cut(self, node: Node, place: int, axis: int, classes: IntArray) -> None:
        """Note that a stored input goes with slices, if it has one number for each."""
        stored = self._constant(node, place)
        if stored is not None and axis >= 0 and stored.ndim > axis and stored.shape[axis] > 1:
            if stored.shape[axis] != len(classes):
                raise _StuckError
            self.trims.append(Trim(node, place, axis, classes))

    def row_product(self, node: Node) -> Slices:
        """Gemm and MatMul: a row times a stored matrix."""
        given, matrix = self._given(node), self._constant(node, 1)
        if given.axis != 1 or len(given.shape) != 2 or matrix is None or matrix.ndim != 2:
            raise _StuckError
        flags = {name: node.attributes.get(name, default) for name, default in _GEMM.items()}
        if flags["transA"]:
            raise _StuckError
        across = int(bool(flags["transB"]))
        made = self._fresh(matrix.shape[1 - across])
        self._cut(node, 1, across, given.classes)
        self._cut(node, 1, 1 - across, made)
        if node.operator == "Gemm":
            bias = self._constant(node, 2)
            self._cut(node, 2, -1 if bias is None else bias.ndim - 1, made)
        weight = np.asarray(matrix.T if across else matrix, dtype=np.float64)[:, :, None]
        plain, axes = flags["alpha"] == flags["beta"] == 1.0, (across, 1 - across)
        self.consumers.append(Consumer(node, node.inputs[0], given, made, weight, axes, plain))
        return Slices(self._shape(node), 1, made)

    def convolution(self, node: Node) -> Slices:
        """Conv and ConvTranspose."""
        given, weight = self._given(node), self._constant(node, 1)
        if weight is None:
            raise _StuckError
        if given.axis != 1:
            self._keep(given)
            given = Slices(given.shape, 1, np.full(given.shape[1], STAYS))
        groups = int(node.attributes.get("group", 1))
        transposed = node.operator == "ConvTranspose"
        shape = self._shape(node)
        if groups > 1:
            return self._grouped(node, given, weight, groups, shape)
        made = self._fresh(shape[1])
        self._cut(node, 1, int(not transposed), given.classes)
        self._cut(node, 1, int(transposed), made)
        self._cut(node, 2, 0, made)
        numbers = np.asarray(weight if transposed else np.swapaxes(weight, 0, 1), dtype=np.float64)
        automatic = node.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
        padded = transposed or automatic or any(node.attributes.get("pads", ()))
        flat, axes = numbers.reshape(*numbers.shape[:2], -1), (int(not transposed), int(transposed))
        self.consumers.append(Consumer(node, node.inputs[0], given, made, flat, axes, not padded))
        return Slices(shape, 1, made)

    def _grouped(
        self, node: Node, given: Slices, weight: Array, groups: int, shape: tuple[int, ...]
    ) -> Slices:
        """A convolution in groups: a group goes as a whole."""
        each = given.classes.reshape(groups, -1)
        for column in each.T[1:]:
            self._join(each[:, 0], column)
        made = np.repeat(each[:, 0], shape[1] // groups)
        own = given.classes if node.operator == "ConvTranspose" else made
        if weight.shape[0] != len(own):
            raise _StuckError
        self._cut(node, 1, 0, own)
        self._cut(node, 2, 0, made)
        self.counts.append(Count(node, "group", 0, each[:, 0]))
        return Slices(shape, 1, made)

    def elementwise(self, node: Node) -> Slices:
        """Operators that combine elements at the same place."""
        shape, values = self._shape(node), self.lowered.values
        tensors = [self._given(node, k) for k in self._depending(node)]
        behind = tensors[0].axis - len(tensors[0].shape)
        first = tensors[0].classes
        for other in tensors[1:]:
            if other.axis - len(other.shape) != behind or len(other.classes) != len(first):
                raise _StuckError
            self._join(first, other.classes)
        if shape[behind] != len(first):
            raise _StuckError
        for place, name in enumerate(node.inputs):
            value = values[name] if name else None
            if value is None or isinstance(value, Tensor):
                continue
            axis = value.ndim + behind
            if axis >= 0 and value.shape[axis] > 1:
                self._cut(node, place, axis, first)
        return Slices(shape, len(shape) + behind, first)

    def _depending(self, node: Node) -> Iterator[int]:
        """Places of the inputs that depend on the network's."""
        for place, name in enumerate(node.inputs):
            if name and isinstance(self.lowered.values[name], Tensor):
                yield place

    def by_channel(self, node: Node) -> Slices:
        """Pools, and normalisation by numbers of the channels."""
        given, shape = self._given(node), self._shape(node)
        if given.axis != 1 or shape[1] != given.shape[1]:
            raise _StuckError
        if node.operator == "BatchNormalization":
            for place in range(1, 5):
                self._cut(node, place, 0, given.classes)
        return Slices(shape, 1, given.classes)

    def reduced(self, node: Node) -> Slices:
        """Sums and the like over axes other than that of the slices."""
        given, values = self._given(node), self.lowered.values
        inputs = tuple(values[name] if name else None for name in node.inputs)
        step = Operation(node, inputs, self.lowered.levels, self.lowered.graph.opsets, 1)
        _, places, shape = grouped(step)
        numbers = given.numbered(1).ravel()[places]
        if not (numbers == numbers[:, :1]).all():
            raise _StuckError
        classes = np.concatenate([[STAYS], given.classes])
        return self._cut_again(numbers[:, 0].reshape(shape), classes)[0]

    def moved(self, node: Node) -> Slices:
        """Operators that move elements: run once on the numbers of the slices."""
        if node.operator == "Squeeze" and len(node.inputs) < 2 and "axes" not in node.attributes:
            raise _StuckError  # An axis with one slice left would go, too.
        given, classes = self._numbered(node)
        try:
            [found] = run_node(node, given, self.lowered.graph.opsets).values()
        except (LeoOptError, ValueError):
            raise _StuckError from None
        numbers = np.asarray(np.rint(np.float64(found)), dtype=np.int64)
        if numbers.shape != self._shape(node):
            raise _StuckError
        whole = np.concatenate(classes)
        slices, rows = self._cut_again(numbers, whole)
        straight = len(classes) == 2 and np.array_equal(rows, np.arange(1, len(whole)))
        if node.operator == "Reshape":
            self._reshaped(node, slices)
        elif node.operator == "Concat" and node.attributes["axis"] % numbers.ndim != slices.axis:
            for place, name in enumerate(node.inputs):
                if not isinstance(self.lowered.values[name], Tensor):
                    self._cut(node, place, slices.axis, slices.classes)
                    self.rigid.append(slices.classes)
        elif node.operator in _ALONG:
            if not straight:
                raise _StuckError
            if node.operator == "Resize" and self._constant(node, _SIZES) is not None:
                if "axes" in node.attributes:
                    raise _StuckError
                self.counts.append(Count(node, _SIZES, slices.axis, slices.classes))
        return slices

    def _numbered(self, node: Node) -> tuple[dict[str, Array], list[IntArray]]:
        """The inputs of a node with the number of its slice for each element, 0 for what constants
        fill in; and the classes of the slices."""
        given: dict[str, Array] = {}
        classes = [np.array([STAYS])]
        for place, name in enumerate(node.inputs):
            if not name or name in given:
                continue
            value = self.lowered.values[name]
            if isinstance(value, Tensor):
                slices = self._given(node, place)
                given[name] = slices.numbered(sum(map(len, classes)))
                classes.append(slices.classes)
            else:
                filling = node.operator == "Concat" or (node.operator == "Pad" and place == _VALUE)
                given[name] = np.zeros_like(value) if filling else value
        return given, classes

    def _cut_again(self, numbers: IntArray, classes: IntArray) -> tuple[Slices, IntArray]:
        """A tensor of which the slice that each element comes from is given, 0 for none, cut along
        an axis whose slices are whole ones; and the first number in each."""
        if numbers.ndim < 2:
            raise _StuckError
        for axis in range(1, numbers.ndim):
            rows = np.moveaxis(numbers, axis, 0).reshape(numbers.shape[axis], -1)
            largest = rows.max(axis=1, initial=0)
            if ((rows == largest[:, None]) | (rows == 0)).all() and len(largest) > 1:
                return Slices(numbers.shape, axis, classes[largest]), largest
        rows = np.moveaxis(numbers, 1, 0).reshape(numbers.shape[1], -1)
        for row in rows:
            members = classes[np.unique(row)]
            self._join(np.full(len(members), members[0]), members)
        return Slices(numbers.shape, 1, classes[rows.max(axis=1, initial=0)]), rows.max(axis=1)

    def _reshaped(self, node: Node, slices: Slices) -> None:
        """Note that the target of a Reshape has another number of slices."""
        target, given = self.lowered.values[node.inputs[1]], self._given(node)
        assert not isinstance(target, Tensor)
        sizes = target.reshape(-1).tolist()
        copied = [k for k, size in enumerate(sizes) if size == 0]
        if node.attributes.get("allowzero", 0) or len(sizes) != len(slices.shape):
            raise _StuckError
        if any((k == slices.axis) != (k == given.axis) for k in copied):
            raise _StuckError
        if sizes[slices.axis] > 0:
            self._constant(node, 1)
            self.counts.append(Count(node, 1, slices.axis, slices.classes))


def _staying(tensor: Tensor) -> Slices:
    """A tensor of which nothing is deleted."""
    axis = min(1, max(len(tensor.shape) - 1, 0))
    size = tensor.shape[axis] if tensor.shape else math.prod(tensor.shape)
    return Slices(tensor.shape or (1,), axis, np.full(size, STAYS))


_GEMM: Mapping[str, float] = MappingProxyType({"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0})

_HOMOGENEOUS = frozenset(
    (
        *("Abs", "AveragePool", "Cast", "Concat", "Conv", "ConvTranspose", "Dropout", "Flatten"),
        *("Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu", "MatMul"),
        *("MaxPool", "Neg", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu"),
        *("Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    )
)
"""Operators that make c times as much of c > 0 times a slice, the same for each; and matrices,
which begin new classes."""

_SIZES = 3
"""Place of the input of a Resize that states sizes, the number of slices among them."""

_VALUE = 2
"""Place of the input of a Pad that states the number to pad with."""

_ALONG = frozenset({"Pad", "Resize", "Slice", "Upsample"})
"""Operators with numbers for each axis: they may do nothing along that of the slices."""

_OPERATORS: Mapping[str, Callable[[Cutting, Node], Slices]] = MappingProxyType(
    {
        **dict.fromkeys(("Gemm", "MatMul"), Cutting.row_product),
        **dict.fromkeys(("Conv", "ConvTranspose"), Cutting.convolution),
        **dict.fromkeys(
            (
                *("Abs", "Add", "Cast", "Clip", "Div", "Dropout", "HardSigmoid", "Identity"),
                *("LeakyRelu", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Relu", "Sub", "Sum"),
            ),
            Cutting.elementwise,
        ),
        **dict.fromkeys(
            (
                *("AveragePool", "BatchNormalization", "GlobalAveragePool", "GlobalMaxPool"),
                "MaxPool",
            ),
            Cutting.by_channel,
        ),
        **dict.fromkeys(
            ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
            Cutting.reduced,
        ),
        **dict.fromkeys(
            ("Concat", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze", *_ALONG),
            Cutting.moved,
        ),
    }
)
"""Operators whose slices can be deleted; all others keep what they read and make."""
