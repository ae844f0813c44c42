"""Parts of a matrix as nodes of a graph: Conv in groups, Conv 1x1 and Add; Gemm, Gemm and Add."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leo_opt.approximation.parts import Parts
from leo_opt.arrays import FloatArray, IntArray
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.models import copy, drop_unread, free_name, names_of, put

_WINDOWED = ("auto_pad", "dilations", "pads", "strides")
"""Attributes of a convolution that the one which reads its input has."""


@dataclass(eq=False)
class Factors:
    """Nodes in the place of one, and the constants that they read.

    Parameters
    ----------
    node
        The one that is replaced.
    kernel
        Its window; of a Gemm ().
    dtype
        Of the constants.
    taken
        Names that others have.
    thin
        Whether channels that are not read are left out.
    """

    node: Node
    kernel: tuple[int, ...]
    dtype: Any
    taken: set[str]
    thin: bool
    protos: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def write(self, parts: Parts) -> Factors:
        """Nodes that compute parts; the last one makes what the one that is replaced made."""
        self._write(parts)
        self.protos[-1].output[0] = self.node.outputs[0]
        return self

    def _write(self, parts: Parts) -> None:
        source, rows = self.node.inputs[0], parts.sparse.any(axis=1)
        if not parts.rank:
            self._read(source, parts.sparse, parts.bias)
            return
        low = self._read(source, parts.right, None, parts.groups)
        if not rows.any():
            self._mix(low, parts.left, parts.bias)
        elif rows.all() or parts.left[rows].any():
            summands = self._mix(low, parts.left, parts.bias), self._read(source, parts.sparse)
            self._add("Add", summands)
        else:
            # Units of the sparse part alone, and units of the other alone.
            sides = (
                self._read(source, parts.sparse[rows], parts.bias[rows]),
                self._mix(low, parts.left[~rows], parts.bias[~rows]),
            )
            joined = self._add("Concat", sides, axis=1)
            order = np.concatenate([np.flatnonzero(rows), np.flatnonzero(~rows)])
            self.take(joined, np.argsort(order))

    def _read(
        self,
        source: str,
        weight: FloatArray,
        bias: FloatArray | None = None,
        groups: Sequence[IntArray] = (),
    ) -> str:
        """The product that reads the input: of the channels that it needs."""
        window = math.prod(self.kernel)
        blocks = weight.reshape(len(weight), -1, window)
        whole = np.arange(blocks.shape[1])
        if groups:
            order = np.concatenate(groups)
            shares = zip(np.split(blocks, len(groups)), groups, strict=True)
            blocks = np.concatenate([rows[:, own] for rows, own in shares])
        else:
            order = worth_reading(blocks.swapaxes(0, 1)) if self.thin else whole
            blocks = blocks[:, order]
        if not np.array_equal(order, whole):
            source = self.take(source, order)
        if self.node.operator == "Conv":
            kept = {k: v for k, v in self.node.attributes.items() if k in _WINDOWED}
            shape = (*blocks.shape[:2], *self.kernel)
            return self._product(source, blocks.reshape(shape), bias, max(len(groups), 1), **kept)
        return self._product(source, blocks[:, :, 0], bias)

    def _mix(self, source: str, weight: FloatArray, bias: FloatArray | None) -> str:
        """The product of channels at one place."""
        return self._product(source, weight.reshape(*weight.shape, *[1] * len(self.kernel)), bias)

    def _product(
        self, source: str, weight: FloatArray, bias: FloatArray | None, group: int = 1, **kept: Any
    ) -> str:
        names = [self.constant(array) for array in (weight, bias) if array is not None]
        if self.node.operator == "Conv":
            shape = list(weight.shape[2:])
            return self._add("Conv", [source, *names], kernel_shape=shape, group=group, **kept)
        return self._add("Gemm", [source, *names], transB=1)

    def take(self, source: str, order: IntArray) -> str:
        """Some channels, in an order."""
        return self._add("Gather", [source, self.constant(order.astype(np.int64))], axis=1)

    def constant(self, array: Array) -> str:
        name = free_name(f"{self.node.outputs[0]}.{len(self.constants)}", self.taken)
        self.constants[name] = array.astype(self.dtype) if array.dtype.kind == "f" else array
        return name

    def _add(self, operator: str, sources: Sequence[str], **attributes: Any) -> str:
        from onnx import helper

        name = free_name(f"{self.node.outputs[0]}.part{len(self.protos)}", self.taken)
        made = helper.make_node(operator, list(sources), [name], name=name, **attributes)
        self.protos.append(made)
        return name


def worth_reading(weight: FloatArray) -> IntArray:
    """The channels to read of a weight (n, m, k), of n channels: those with weights, where a list
    of them takes less than the weights of the others."""
    read: IntArray = np.flatnonzero(weight.any(axis=(1, 2)))
    saved = (len(weight) - len(read)) * weight[0].size
    return read if 0 < len(read) < saved else np.arange(len(weight))


def thin(cutting: Cutting) -> bool:
    """Let the matrices of a graph, in place, read no more channels than they need: those that stay
    for the sake of others, or are inputs. Whether anything was changed."""
    model, changed = cutting.lowered.model, False
    taken = names_of(model)
    for consumer in cutting.consumers:
        node, order = consumer.node, worth_reading(consumer.weight)
        if len(order) == len(consumer.weight):
            continue
        [proto] = [one for one in model.graph.node if node.outputs[0] in one.output]
        weight = np.asarray(cutting.lowered.values[node.inputs[1]])
        nodes = Factors(node, (), weight.dtype, taken, thin=True)
        proto.input[0] = nodes.take(node.inputs[0], order)
        proto.input[1] = nodes.constant(np.take(weight, order, axis=consumer.axes[0]))
        put(model, node.outputs[0], [*nodes.protos, copy(proto)], nodes.constants)
        drop_unread(model, {node.inputs[1]})
        changed = True
    return changed
