"""A graph as stages, whose matrices can be replaced by parts, and what is built of these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from leo_opt.activations import LINEAR
from leo_opt.approximation.costs import Cost, of_constants
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.pursuit import Calibration, Imitation
from leo_opt.approximation.stages import FEWEST, Matrix, Stage, Tensors, relative
from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError
from leo_opt.formats.onnx.evaluator import run_node
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.onnx.operation import Operation, Tensor
from leo_opt.formats.onnx.reader import Lowered, lower
from leo_opt.formats.onnx.windows import Geometry, geometry
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.editing import planned
from leo_opt.graphs.factors import Factors, thin
from leo_opt.graphs.known import Known
from leo_opt.graphs.models import copy, drop_unread, names_of, put
from leo_opt.graphs.removal import find_removal
from leo_opt.graphs.slices import Consumer
from leo_opt.graphs.walking import cut_graph
from leo_opt.layer import Layer
from leo_opt.lazily import lazy

_ROWS = 20_000
"""Windows that a convolution is fitted to, drawn from all."""
_AT_ONCE = 1 << 22
"""Numbers of windows that are unfolded at once."""

_MIXING = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose constants are multiplied."""
_SHAPED = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that leave the order of elements as it is."""


@dataclass(frozen=True, eq=False)
class NodeStage(Stage):
    """A node that is evaluated as it stands.

    Parameters
    ----------
    node
    constants
        Those that it reads.
    shape
        Of what it makes of one input.
    opsets
        Version of each operator domain.
    """

    node: Node
    constants: Mapping[str, Array]
    shape: tuple[int, ...]
    opsets: Mapping[str, int]

    @lazy
    def reads(self) -> tuple[str, ...]:
        """See `Stage.reads`."""
        names = dict.fromkeys(filter(None, self.node.inputs))
        return tuple(name for name in names if name not in self.constants)

    def run(self, given: Tensors) -> Tensors:
        """See `Stage.run`.

        Raises
        ------
        InvalidInputError
            If the node takes one input at a time.
        """
        [name, *more], own = self.node.outputs, {key: given[key] for key in self.reads}
        first = next(iter(own.values()))
        shape = (len(first), *self.shape[1:])
        if self.node.operator in _SHAPED and not more:
            return {name: first.reshape(shape)}
        made = run_node(self.node, {**self.constants, **own}, self.opsets)
        if made[name].shape != shape:
            raise InvalidInputError(
                f"{self.node.label} makes {list(made[name].shape)} of {len(first)} inputs, where "
                f"it should make {list(shape)}: it takes one at a time; give leo_opt.load(path), "
                "which is a chain"
            )
        return made  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class GraphMatrix(Matrix):
    """A Conv or Gemm of a graph.

    Parameters
    ----------
    node
    axes
        How its window moves; () of a Gemm.
    dtype
        Of the file's numbers.
    """

    node: Node
    axes: tuple[Geometry, ...]
    dtype: np.dtype

    def multiply(self, given: FloatArray, parts: Parts | None) -> FloatArray:
        """See `Matrix.multiply`."""
        weight, bias = (
            (self.layer.weight, self.layer.bias) if parts is None else (parts.weight, parts.bias)
        )
        matrix, shift = weight.T.astype(given.dtype), bias.astype(given.dtype)
        windows = self._windows(given)
        each = max(1, _AT_ONCE // (self.positions * self.layer.n_in))
        made = [
            self._unfolded(windows[start : start + each]) @ matrix + shift
            for start in range(0, len(given), each)
        ]
        places = [axis.out for axis in self.axes]
        whole = np.concatenate(made).reshape(len(given), *places, len(shift))
        return np.ascontiguousarray(np.moveaxis(whole, -1, 1))

    def rows(self, given: FloatArray) -> FloatArray:
        """See `Matrix.rows`."""
        drawn = self._windows(given)[self._drawn(len(given))]
        return np.asarray(drawn.reshape(len(drawn), -1), dtype=np.float64)

    def made(self, tensor: FloatArray) -> FloatArray:
        """See `Matrix.made`."""
        return np.asarray(tensor[self._drawn(len(tensor))], dtype=np.float64)

    def _drawn(self, samples: int) -> tuple[Any, ...]:
        """Samples and places of the rows that are fitted to."""
        places = [axis.out for axis in self.axes]
        total = samples * self.positions
        flat = np.arange(total)
        if total > _ROWS:
            flat = np.sort(np.random.default_rng(0).integers(total, size=_ROWS))
        first, *others = np.unravel_index(flat, (samples, *places))
        return (first, slice(None), *others)

    def _windows(self, given: FloatArray) -> FloatArray:
        """Of tensors (N, C, ...) windows (N, C, positions..., window...)."""
        if not self.axes:
            return given
        room = [(axis.begin, max(axis.end, 0)) for axis in self.axes]
        padded = np.pad(given, [(0, 0), (0, 0), *room])
        inner = tuple(range(2, 2 + len(self.axes)))
        extents = [axis.extent for axis in self.axes]
        view = np.lib.stride_tricks.sliding_window_view(padded, extents, inner)
        starts = (slice(0, axis.out * axis.stride, axis.stride) for axis in self.axes)
        places: tuple[Any, ...] = (*starts, *(slice(None, None, a.dilation) for a in self.axes))
        return np.asarray(view[(..., *places)])

    def _unfolded(self, windows: FloatArray) -> FloatArray:
        """Windows as rows."""
        moved = np.moveaxis(windows, 1, 1 + len(self.axes))
        return moved.reshape(-1, self.layer.n_in)

    def cost(self, parts: Parts | None) -> Cost:
        """See `Matrix.cost`."""
        if parts is None:
            layer = self.layer
            biased = [layer.bias] if len(self.node.inputs) > 2 else []
            return of_constants([layer.weight, *biased], self.positions, sparse=False)
        made = self.factors(parts, set(), thin=True)
        return of_constants(made.constants.values(), self.positions)

    def factors(self, parts: Parts, taken: set[str], *, thin: bool) -> Factors:
        """The nodes that compute parts."""
        kernel = tuple(axis.kernel for axis in self.axes)
        return Factors(self.node, kernel, self.dtype, taken, thin).write(parts)


@dataclass(frozen=True, eq=False)
class GraphCalibration(Calibration[Lowered]):
    """A graph and the data on which it is imitated.

    Parameters
    ----------
    lowered
        The original.
    data : (N, n_in) array
    """

    lowered: Lowered
    data: FloatArray

    @lazy
    def stages(self) -> tuple[Stage, ...]:
        """See `Calibration.stages`."""
        lowered, cutting = self.lowered, cut_graph(self.lowered)
        matrices = {one.target: one for one in _matrices(cutting)}
        found: list[Stage] = []
        for node in lowered.graph.nodes:
            value = lowered.values.get(node.outputs[0])
            if isinstance(value, Tensor):
                constants = {
                    name: array
                    for name in filter(None, node.inputs)
                    if not isinstance(array := lowered.values[name], Tensor)
                }
                plain = NodeStage(node, constants, value.shape, lowered.graph.opsets)
                found.append(matrices.get(node.outputs[0], plain))
        return tuple(found)

    @lazy
    def inputs(self) -> Tensors:
        """See `Calibration.inputs`."""
        made, start = {}, 0
        for port in self.lowered.graph.inputs:
            shape = _tensor(self.lowered, port.name).shape
            end = start + math.prod(shape)
            own = self.data[:, start:end].reshape(len(self.data), *shape[1:])
            made[port.name] = own.astype(port.dtype)
            start = end
        return made

    @property
    def ends(self) -> tuple[str, ...]:
        """See `Calibration.ends`."""
        return tuple(port.name for port in self.lowered.graph.outputs)

    @lazy
    def own_cost(self) -> Cost:
        """See `Calibration.own_cost`."""
        return cost_of(self.lowered, sparse=False)

    def build(self, imitation: Imitation) -> Lowered:
        """The graph of all parts, without channels and units that nothing reads any more."""
        model = copy(self.lowered.model)
        taken = names_of(model)
        for one in imitation.substitutes:
            matrix = one.matrix
            if one.parts is None or not isinstance(matrix, GraphMatrix):
                continue
            made = matrix.factors(one.parts, taken, thin=False)
            put(model, matrix.target, made.protos, made.constants)
            drop_unread(model, set(matrix.node.inputs[1:]))
        built = lower(model)
        cutting = cut_graph(built)
        edits = planned(cutting, partial(find_removal, cutting, Known.nothing(built)))
        if edits.removal.classes:
            edits.write()
            built = lower(copy(built.model))
            cutting = cut_graph(built)
        return lower(copy(built.model)) if thin(cutting) else built

    def cost(self, built: Lowered) -> Cost:
        """See `Calibration.cost`."""
        return cost_of(built)


def cost_of(lowered: Lowered, *, sparse: bool = True) -> Cost:
    """What the nodes of a graph that depend on the input store and multiply."""
    total, seen = Cost(), set[str]()
    for node in lowered.graph.nodes:
        value = lowered.values.get(node.outputs[0])
        if not isinstance(value, Tensor):
            continue
        own = [lowered.values[name] for name in node.inputs if name and name not in seen]
        seen.update(node.inputs)
        arrays = [
            array
            for array in own
            if not isinstance(array, Tensor)
            and (array.dtype.kind == "f" or node.operator == "Gather")
        ]
        windows = _tensor(lowered, node.inputs[0]) if node.operator == "ConvTranspose" else value
        positions = math.prod(windows.shape[2:]) if node.operator in _MIXING else 0
        total += of_constants(arrays, positions, sparse=sparse)
    return total


def _matrices(cutting: Cutting) -> Iterator[GraphMatrix]:
    """The Conv and Gemm of a graph that can be replaced."""
    lowered = cutting.lowered
    for index, consumer in enumerate(cutting.consumers):
        node, shape = consumer.node, _tensor(lowered, consumer.source).shape
        plain = node.operator == "Conv" or (consumer.foldable and len(shape) == 2)
        if node.operator == "ConvTranspose" or not plain or shape[0] != 1:
            continue
        rows = consumer.weight.transpose(1, 0, 2)
        layer = Layer(
            rows.reshape(len(rows), -1), cutting.bias(node, len(rows)), _behind(lowered, node)
        )
        axes = _axes(lowered, consumer)
        units = np.full(layer.n_out, layer.n_in >= FEWEST)
        yield GraphMatrix(
            index=index,
            source=consumer.source,
            target=node.outputs[0],
            layer=layer,
            units=units,
            readers=relative(_products(cutting, consumer), np.ones_like(units)),
            positions=math.prod(axis.out for axis in axes),
            channels=rows.shape[1] if axes else 0,
            node=node,
            axes=axes,
            dtype=np.asarray(lowered.values[node.inputs[1]]).dtype,
        )


def _products(cutting: Cutting, consumer: Consumer) -> FloatArray:
    """Products of the weights that read each two of the slices that a node makes.

    A flattened channel is read once at each position, and only the same positions of two channels
    are taken to go together.
    """
    roots, place = np.unique(cutting.roots(consumer.made), return_inverse=True)
    found = np.zeros((len(roots), len(roots)))
    for reader in cutting.consumers:
        read = cutting.roots(reader.slices.classes)
        known = np.isin(read, roots)
        rows = reader.weight.reshape(len(reader.weight), -1)[known]
        own = np.searchsorted(roots, read[known])
        order = np.argsort(own, kind="stable")
        own, rows = own[order], rows[order]
        position = np.arange(len(own)) - np.searchsorted(own, own)
        for one in range(max(position, default=-1) + 1):
            there = own[position == one]
            found[np.ix_(there, there)] += rows[position == one] @ rows[position == one].T
    spread: FloatArray = found[np.ix_(place, place)]
    return spread


def _behind(lowered: Lowered, node: Node) -> str:
    """The activation behind a node, if nothing else reads what it makes."""
    readers = [one for one in lowered.graph.nodes if node.outputs[0] in one.inputs]
    return "relu" if [one.operator for one in readers] == ["Relu"] else LINEAR


def _axes(lowered: Lowered, consumer: Consumer) -> tuple[Geometry, ...]:
    """How the window of a Conv moves."""
    node, graph = consumer.node, lowered.graph
    if node.operator != "Conv":
        return ()
    given = tuple(lowered.values[name] if name else None for name in node.inputs)
    kernel = np.asarray(lowered.values[node.inputs[1]]).shape[2:]
    step = Operation(node, given, lowered.levels, graph.opsets, 1)
    return tuple(geometry(step, _tensor(lowered, consumer.source).shape[2:], kernel))


def _tensor(lowered: Lowered, name: str) -> Tensor:
    value = lowered.values[name]
    assert isinstance(value, Tensor)
    return value
