"""An ONNX model with other constants: whatever is not touched stays as it is, byte for byte."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.deviation import add_up
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.rounded import Rounded
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.models import drop_unread, free_name, remove, tensor_of
from leo_opt.graphs.removal import Removal
from leo_opt.graphs.slices import Consumer
from leo_opt.network import FloatArray

_Place = tuple[tuple[str, ...], int]
"""An input of a node, which is known by its outputs."""


def apply(cutting: Cutting, removal: Removal) -> dict[str, FloatArray]:
    """Take slices out of the model of a cutting, in place.

    Returns
    -------
    dict
        Of biases and weights that were rounded, by name, how far from what is meant.
    """
    edits = _Edits(cutting)
    for index, weight in removal.weights.items():
        edits.weigh(cutting.consumers[index], weight)
    for trim in cutting.trims:
        kept = removal.keeps(cutting, trim.classes)
        if not kept.all():
            edits.trim(trim.node, trim.place, kept, trim.axis)
    for count in cutting.counts:
        kept = removal.keeps(cutting, count.classes)
        if not kept.all():
            edits.count(count.node, count.place, count.entry, int(kept.sum()))
    for index, shift in removal.shifts.items():
        consumer = cutting.consumers[index]
        edits.shift(consumer.node, shift[removal.keeps(cutting, consumer.made)])
    return edits.finish(
        {
            name
            for name, slices in cutting.tensors.items()
            if not removal.keeps(cutting, slices.classes).all()
        }
    )


class _Edits:
    """New constants for the inputs of nodes, until all are written into the model."""

    def __init__(self, cutting: Cutting) -> None:
        self._model, self._values = cutting.lowered.model, cutting.lowered.values
        self._protos = {tuple(proto.output): proto for proto in self._model.graph.node}
        self._new: dict[_Place, Array] = {}
        self._errors: dict[_Place, FloatArray] = {}

    def constant(self, node: Node, place: int) -> Array:
        """An input as it is now."""
        key = node.outputs, place
        return self._new[key] if key in self._new else np.asarray(self._values[node.inputs[place]])

    def change(self, node: Node, place: int, array: Array) -> None:
        """Give an input other numbers."""
        self._new[node.outputs, place] = array

    def trim(self, node: Node, place: int, kept: BoolArray, axis: int) -> None:
        """Keep some of an input's numbers along an axis."""
        self.change(node, place, np.compress(kept, self.constant(node, place), axis))
        key = node.outputs, place
        if key in self._errors:
            self._errors[key] = np.compress(kept, self._errors[key], axis)

    def weigh(self, consumer: Consumer, weight: Rounded) -> None:
        """Give a matrix other numbers."""
        before = self.constant(consumer.node, 1)
        kernel = [size for axis, size in enumerate(before.shape) if axis not in consumer.axes]
        whole = weight.reshape((*weight.shape[:2], *kernel))
        values, error = (np.moveaxis(a, (0, 1), consumer.axes) for a in (whole.values, whole.error))
        self._store(consumer.node, 1, Rounded(values, error), before.dtype)

    def _store(self, node: Node, place: int, meant: Rounded, dtype: Any) -> None:
        """Give an input the nearest numbers of the file's type."""
        stored = meant.values.astype(dtype)
        moved = meant + Rounded.exact(-np.asarray(stored, dtype=np.float64))
        self.change(node, place, stored)
        self._errors[node.outputs, place] = add_up(np.abs(moved.values), moved.error)

    def count(self, node: Node, place: int | str, entry: int, number: int) -> None:
        """State another number of slices."""
        if isinstance(place, int):
            sizes = self.constant(node, place).copy()
            sizes[entry] = number
            self.change(node, place, sizes)
            return
        for attribute in self._protos[node.outputs].attribute:
            if attribute.name == place:
                attribute.i = number

    def shift(self, node: Node, shift: Rounded) -> None:
        """Add numbers to a bias, which is made where there is none."""
        proto, before = self._protos[node.outputs], np.zeros(1)
        if len(node.inputs) > 2 and node.inputs[2]:
            before = np.asarray(self.constant(node, 2), dtype=np.float64).reshape(-1)
        total = Rounded.exact(np.broadcast_to(before, shift.values.shape)) + shift
        if proto.op_type == "MatMul":
            proto.op_type = "Gemm"
        self._store(node, 2, total, self.constant(node, 1).dtype)

    def finish(self, changed: set[str]) -> dict[str, FloatArray]:
        """Write everything down; the tensors whose names are given have other shapes.

        Returns
        -------
        dict
            Of biases and weights that were rounded, by name, how far from what is meant.
        """
        graph = self._model.graph
        uses = Counter(name for proto in graph.node for name in proto.input)
        before = set(uses)
        stored = {tensor.name: tensor for tensor in graph.initializer}
        taken = before | set(stored) | {name for proto in graph.node for name in proto.output}
        taken |= {value.name for value in graph.input}
        errors = {}
        for (outputs, place), array in self._new.items():
            proto = self._protos[outputs]
            old = proto.input[place] if place < len(proto.input) else ""
            if uses[old] == 1 and old in stored:
                stored[old].CopyFrom(tensor_of(array, old))
                name = old
            else:
                name = free_name(f"{proto.output[0]}.{place}", taken)
                graph.initializer.append(tensor_of(array, name))
                proto.input.extend([""] * (place + 1 - len(proto.input)))
                proto.input[place] = name
                uses[old] -= 1
            self._restate(name, array.shape)
            if (outputs, place) in self._errors:
                errors[name] = self._errors[outputs, place]
        remove(graph.value_info, lambda value: value.name in changed)
        drop_unread(self._model, before)
        return {name: error for name, error in errors.items() if error.any()}

    def _restate(self, name: str, shape: tuple[int, ...]) -> None:
        """Where old models state an initializer as an input, too, give it its new shape."""
        for value in self._model.graph.input:
            if value.name == name:
                del value.type.tensor_type.shape.dim[:]
                for size in shape:
                    value.type.tensor_type.shape.dim.add().dim_value = size
