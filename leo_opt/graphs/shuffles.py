"""Shuffled channels, and the Gather that each shuffle is.

A shuffle, as ShuffleNet has them, is a Reshape of the channels to rows and columns, a Transpose and
a Reshape back. It takes whole rows and columns only; a Gather takes any channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.formats.onnx.graph import Node
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.graphs.models import copy, drop_unmade, drop_unread, free_name, names_of, put, remove


def find_shuffles(lowered: Lowered) -> dict[str, IntArray]:
    """By the tensor that each makes the numbers of the channels that it takes."""
    makers = {name: node for node in lowered.graph.nodes for name in node.outputs}
    uses = Counter(name for proto in lowered.model.graph.node for name in proto.input)
    uses.update(port.name for port in lowered.graph.outputs)
    found: dict[str, IntArray] = {}
    for node in lowered.graph.nodes:
        way = _way_to(node, makers, uses)
        shapes = [lowered.values[name] for name in (*way, node.outputs[0])]
        if len(way) == 3 and all(isinstance(value, Tensor) for value in shapes):
            given, rows, _, made = (value.shape for value in shapes if isinstance(value, Tensor))
            taken = _taken(given, rows, makers[way[2]].attributes["perm"], made)
            if taken is not None:
                found[node.outputs[0]] = taken
    return found


def _way_to(node: Node, makers: Mapping[str, Node], uses: Mapping[str, int]) -> list[str]:
    """The tensors that go through Reshape, Transpose and Reshape to one, the first first."""
    way: list[str] = []
    for operator in ("Reshape", "Transpose", "Reshape"):
        known = node.operator == operator and (operator == "Reshape" or "perm" in node.attributes)
        if not known or (way and uses[way[0]] != 1):
            return []
        way.insert(0, node.inputs[0])
        if len(way) < 3:
            if way[0] not in makers:
                return []
            node = makers[way[0]]
    return way


def _taken(
    given: tuple[int, ...], rows: tuple[int, ...], perm: Any, made: tuple[int, ...]
) -> IntArray | None:
    """The channel that each of the channels of an image is, None if they are not whole ones."""
    if len(given) < 2 or given != made:
        return None
    shape = [1] * len(given)
    shape[1] = -1
    numbers = np.arange(np.prod(given)).reshape(given)
    moved = numbers.reshape(rows).transpose(perm).reshape(made)
    taken = moved.reshape(given[0], given[1], -1)[0, :, 0] // np.prod(given[2:], dtype=int)
    return taken if np.array_equal(moved, numbers[:, taken]) else None


def with_gathers(lowered: Lowered, shuffles: Mapping[str, IntArray]) -> Any:
    """The model with a Gather in the place of each of some shuffles."""
    from onnx import helper

    model, taken = copy(lowered.model), names_of(lowered.model)
    makers = {name: node for node in lowered.graph.nodes for name in node.outputs}
    gone = set[str]()
    for name, numbers in shuffles.items():
        nodes = [makers[name]]
        while len(nodes) < 3:
            nodes.append(makers[nodes[-1].inputs[0]])
        places = free_name(f"{name}.places", taken)
        gather = helper.make_node("Gather", [nodes[-1].inputs[0], places], [name], axis=1)
        put(model, name, [gather], {places: numbers})
        read = {given for node in nodes for given in node.inputs} - {nodes[-1].inputs[0]}
        drop_unmade(model, list(read))
        drop_unread(model, read)
        gone |= read
    remove(model.graph.value_info, lambda value: value.name in gone)
    return model
