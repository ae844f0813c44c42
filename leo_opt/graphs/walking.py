"""How a graph can be cut: which slices of its tensors go or stay together.

A tensor is cut along one axis into slices, the channels of an image or the entries of a row. Each
has the number of a class; operators that treat slices one by one hand the numbers on, those that
join tensors make two classes one, and those that mix slices end the classes of what they read and
begin new ones. All slices of a class are deleted, or none. Where an operator is not known, or
mixes what no matrix of the file mixes, the slices are of the class that stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from leo_opt.formats.onnx.graph import Node
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.graphs.cutting import Cutting, StuckError
from leo_opt.graphs.operators import HOMOGENEOUS, OPERATORS
from leo_opt.graphs.slices import Slices, staying


def cut_graph(lowered: Lowered) -> Cutting:
    """The classes of a graph."""
    cutting = Cutting(lowered)
    for port in lowered.graph.inputs:
        value = lowered.values[port.name]
        assert isinstance(value, Tensor)
        cutting.tensors[port.name] = staying(value)
    for node in lowered.graph.nodes:
        _visit(cutting, node)
    # What other nodes of the model read, such as a tail, stays, too.
    ends = {port.name for port in lowered.graph.outputs}
    known = {node.outputs for node in lowered.graph.nodes}
    for proto in lowered.model.graph.node:
        ends.update(() if tuple(proto.output) in known else proto.input)
    for name in ends & set(cutting.tensors):
        cutting.keep(cutting.tensors[name])
    return cutting


def _visit(cutting: Cutting, node: Node) -> None:
    """Hand the classes of what a node reads on to what it makes."""
    values = cutting.lowered.values
    made = [name for name in node.outputs if isinstance(values.get(name), Tensor)]
    given = [name for name in node.inputs if isinstance(values.get(name), Tensor)]
    if node.operator in ("Shape", "Size"):
        _measured(cutting, node, given)
    if not made:
        return
    noted: tuple[list[Any], ...] = cutting.trims, cutting.counts, cutting.picks, cutting.consumers
    begun = [len(notes) for notes in noted]
    try:
        if node.operator not in OPERATORS:
            raise StuckError
        found = OPERATORS[node.operator](cutting, node)
        parts = found if isinstance(found, list) else [found]
        if len(parts) != len(made) or len(made) != len(node.outputs):
            raise StuckError
        cutting.tensors.update(zip(made, parts, strict=True))
        if node.operator not in HOMOGENEOUS or int(node.attributes.get("group", 1)) > 1:
            cutting.rigid.extend(part.classes for part in parts)
    except StuckError:
        for notes, start in zip(noted, begun, strict=True):
            del notes[start:]
        for name in given:
            cutting.keep(cutting.tensors[name])
        for name in made:
            tensor = values[name]
            assert isinstance(tensor, Tensor)
            cutting.tensors[name] = staying(tensor)


def _measured(cutting: Cutting, node: Node, given: list[str]) -> None:
    """Shape and Size: slices stay whose number is used for more than a Reshape that says so."""
    made, nodes = node.outputs[0], cutting.lowered.graph.nodes
    readers = [other for other in nodes if made in other.inputs]
    every = [proto for proto in cutting.lowered.model.graph.node if made in proto.input]
    for name in given:
        slices = cutting.tensors[name]
        plain = node.operator == "Shape" and not node.attributes and len(every) == len(readers)
        if not (plain and all(_spares(cutting, reader, slices) for reader in readers)):
            cutting.keep(slices)


def _spares(cutting: Cutting, reader: Node, slices: Slices) -> bool:
    """Whether a reader of a shape takes other numbers than that of the slices."""
    if reader.operator != "Gather":
        return False
    places = np.asarray(cutting.lowered.values[reader.inputs[1]])
    return not (places % len(slices.shape) == slices.axis).any()
