"""An ONNX model with other constants: whatever is not touched stays as it is, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.deviation import add_up
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.rounded import Rounded
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.models import drop_unread, free_name, names_of, remove, tensor_of
from leo_opt.graphs.removal import Removal
from leo_opt.graphs.slices import Consumer, Count, Pick
from leo_opt.network import FloatArray

_Place = tuple[tuple[str, ...], int]
"""An input of a node, which is known by its outputs."""

_BIAS = 2
"""Place of the input of a matrix that is added."""

_MOST_TRIES = 8
"""Constants that are tried without the copies that nodes make of them."""


def planned(cutting: Cutting, find: Callable[[frozenset[int]], Removal]) -> Edits:
    """What takes slices out of a graph without making it larger.

    A constant that several nodes read is copied where they do not lose the same of it: the classes
    of its readers stay if the file is the smaller for it.

    Parameters
    ----------
    find
        From classes that are to stay to a removal.
    """
    stay = frozenset[int]()
    best = Edits(cutting, find(stay))
    for name in best.copied()[:_MOST_TRIES]:
        if name not in best.copied():
            continue  # What stays for the sake of another constant spares this one, too.
        more = stay | best.classes_of(name)
        other = Edits(cutting, find(more))
        if other.growth < best.growth:
            best, stay = other, more
    return best if best.growth <= 0 else Edits(cutting, Removal(frozenset(), {}, {}))


class Edits:
    """New constants for the inputs of nodes, until all are written into the model."""

    def __init__(self, cutting: Cutting, removal: Removal) -> None:
        self._model, self._values = cutting.lowered.model, cutting.lowered.values
        self._cutting, self.removal = cutting, removal
        self._new: dict[_Place, Array] = {}
        self._errors: dict[_Place, FloatArray] = {}
        self._attributes: list[tuple[Node, str, int, int]] = []
        for index, weight in removal.weights.items():
            self._weigh(cutting.consumers[index], weight)
        for trim in cutting.trims:
            kept = removal.keeps(cutting, trim.classes)
            if not kept.all():
                self._trim(trim.node, trim.place, kept, trim.axis)
        for pick in cutting.picks:
            kept = removal.keeps(cutting, pick.classes)
            if not kept.all():
                self._pick(pick, kept)
        for count in cutting.counts:
            kept = removal.keeps(cutting, count.classes)
            if not kept.all():
                self._count(count, int(kept[: count.stop].sum()))
        for index, shift in removal.shifts.items():
            consumer = cutting.consumers[index]
            self._shift(consumer.node, shift[removal.keeps(cutting, consumer.made)])
        graph = self._model.graph
        self._readers = Counter(name for proto in graph.node for name in proto.input)
        self._readers.update(value.name for value in graph.output)
        self._parts = self._by_content()

    @property
    def growth(self) -> int:
        """How many numbers more the model stores."""
        return sum(self._growth_of(name) for name in self._parts)

    def copied(self) -> list[str]:
        """Constants in whose place more numbers are stored, the worst first."""
        grown = [name for name in self._parts if name and self._growth_of(name) > 0]
        return sorted(grown, key=self._growth_of, reverse=True)

    def classes_of(self, name: str) -> frozenset[int]:
        """The classes on which it hangs what the readers of a constant lose."""
        cutting = self._cutting
        outputs = {key for parts in self._parts[name].values() for key, _ in parts}
        classes = [trim.classes for trim in cutting.trims if trim.node.outputs in outputs]
        for consumer in cutting.consumers:
            if consumer.node.outputs in outputs:
                classes += [consumer.slices.classes, consumer.made]
        return frozenset(root for part in classes for root in cutting.roots(part).tolist())

    def _by_content(self) -> dict[str, dict[bytes, list[_Place]]]:
        """By the constant that it replaces and by content the places of each new one."""
        nodes = {node.outputs: node for node in self._cutting.lowered.graph.nodes}
        parts: dict[str, dict[bytes, list[_Place]]] = {}
        for (outputs, place), array in self._new.items():
            inputs = nodes[outputs].inputs
            name = inputs[place] if place < len(inputs) else ""
            content = repr(array.shape).encode() + array.tobytes()
            parts.setdefault(name, {}).setdefault(content, []).append((outputs, place))
        return parts

    def _growth_of(self, name: str) -> int:
        """How many numbers more there are in the place of a constant, or where none was."""
        parts = self._parts[name]
        total = sum(self._new[places[0]].size for places in parts.values())
        if not name:
            return sum(self._new[place].size for places in parts.values() for place in places)
        if self._readers[name] > sum(map(len, parts.values())):
            return total
        return total - np.asarray(self._values[name]).size

    def _constant(self, node: Node, place: int) -> Array:
        """An input as it is now."""
        key = node.outputs, place
        return self._new[key] if key in self._new else np.asarray(self._values[node.inputs[place]])

    def _change(self, node: Node, place: int, array: Array) -> None:
        """Give an input other numbers."""
        self._new[node.outputs, place] = array

    def _trim(self, node: Node, place: int, kept: BoolArray, axis: int) -> None:
        """Keep some of an input's numbers along an axis."""
        self._change(node, place, np.compress(kept, self._constant(node, place), axis))
        key = node.outputs, place
        if key in self._errors:
            self._errors[key] = np.compress(kept, self._errors[key], axis)

    def _weigh(self, consumer: Consumer, weight: Rounded) -> None:
        """Give a matrix other numbers."""
        before = self._constant(consumer.node, 1)
        kernel = [size for axis, size in enumerate(before.shape) if axis not in consumer.axes]
        whole = weight.reshape((*weight.shape[:2], *kernel))
        values, error = (np.moveaxis(a, (0, 1), consumer.axes) for a in (whole.values, whole.error))
        self._store(consumer.node, 1, Rounded(values, error), before.dtype)

    def _store(self, node: Node, place: int, meant: Rounded, dtype: Any) -> None:
        """Give an input the nearest numbers of the file's type."""
        stored = meant.values.astype(dtype)
        moved = meant + Rounded.exact(-np.asarray(stored, dtype=np.float64))
        self._change(node, place, stored)
        self._errors[node.outputs, place] = add_up(np.abs(moved.values), moved.error)

    def _pick(self, pick: Pick, kept: BoolArray) -> None:
        """Name slices by the numbers that they have where others are gone."""
        before = self._constant(pick.node, pick.place)
        numbers = (np.cumsum(kept) - 1)[before % len(kept)]
        self._change(pick.node, pick.place, numbers.astype(before.dtype))

    def _count(self, count: Count, number: int) -> None:
        """State another number of slices."""
        node, place = count.node, count.place
        if not isinstance(place, int):
            self._attributes.append((node, place, count.entry, number))
            return
        known = place < len(node.inputs) or (node.outputs, place) in self._new
        sizes = self._constant(node, place).copy() if known else np.zeros(len(node.outputs), int)
        sizes[count.entry] = number
        self._change(node, place, sizes)

    def _shift(self, node: Node, shift: Rounded) -> None:
        """Add numbers to a bias, which is made where there is none."""
        before = np.zeros(1)
        if len(node.inputs) > 2 and node.inputs[2]:
            before = np.asarray(self._constant(node, 2), dtype=np.float64).reshape(-1)
        total = Rounded.exact(np.broadcast_to(before, shift.values.shape)) + shift
        self._store(node, 2, total, self._constant(node, 1).dtype)

    def write(self) -> dict[str, FloatArray]:
        """Write everything into the model.

        Returns
        -------
        dict
            Of biases and weights that were rounded, by name, how far from what is meant.
        """
        graph, errors = self._model.graph, dict[str, FloatArray]()
        before = {name for proto in graph.node for name in proto.input}
        stored = {tensor.name: tensor for tensor in graph.initializer}
        taken = names_of(self._model)
        protos = {tuple(proto.output): proto for proto in graph.node}
        for old, parts in self._parts.items():
            whole = self._readers[old] == sum(map(len, parts.values()))
            if old in stored and whole and len(parts) == 1:
                [places] = parts.values()
                stored[old].CopyFrom(tensor_of(self._new[places[0]], old))
                groups = [(old, places)]
            else:
                # Where none was before, nodes do not share what they get.
                several = parts.values() if old else ([k] for one in parts.values() for k in one)
                groups = [
                    (free_name(f"{places[0][0][0]}.{places[0][1]}", taken), list(places))
                    for places in several
                ]
                for name, places in groups:
                    graph.initializer.append(tensor_of(self._new[places[0]], name))
            for name, places in groups:
                self._restate(name, self._new[places[0]].shape)
                for outputs, place in places:
                    _read(protos[outputs], place, name)
                    error = self._errors.get((outputs, place))
                    if error is not None and error.any():
                        errors[name] = np.maximum(error, errors.get(name, 0.0))
        for node, name, entry, number in self._attributes:
            for attribute in protos[node.outputs].attribute:
                if attribute.name == name and attribute.ints:
                    attribute.ints[entry] = number
                elif attribute.name == name:
                    attribute.i = number
        changed = {
            name
            for name, slices in self._cutting.tensors.items()
            if not self.removal.keeps(self._cutting, slices.classes).all()
        }
        remove(graph.value_info, lambda value: value.name in changed)
        drop_unread(self._model, before)
        return errors

    def _restate(self, name: str, shape: tuple[int, ...]) -> None:
        """Where old models state an initializer as an input, too, give it its new shape."""
        for value in self._model.graph.input:
            if value.name == name:
                del value.type.tensor_type.shape.dim[:]
                for size in shape:
                    value.type.tensor_type.shape.dim.add().dim_value = size


def _read(proto: Any, place: int, name: str) -> None:
    """Give a node another input, which it may not have had before."""
    proto.input.extend([""] * (place + 1 - len(proto.input)))
    proto.input[place] = name
    if proto.op_type == "MatMul" and place == _BIAS:
        proto.op_type = "Gemm"
    elif proto.op_type == "Split":
        remove(proto.attribute, lambda entry: entry.name == "num_outputs")
