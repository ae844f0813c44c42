"""An ONNX model as a graph of plain values: the nodes that matter, in order, and the constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import networkx
import numpy as np
from numpy.typing import NDArray

from leo_opt.arrays import FloatArray
from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats.onnx.file import EVALUATOR_ERRORS, domain_of, said

Array = NDArray[np.generic]
Dimension = int | str | None


@dataclass(frozen=True)
class Node:
    """One operator of the graph.

    Parameters
    ----------
    operator
        Its type, with the domain in front where that is not ONNX's own.
    label
        What error messages call it.
    inputs, outputs
        Names of tensors; empty where an optional one is left out.
    attributes
        Only those that the file states.
    proto
        The node as ONNX stores it.
    """

    operator: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: Any


@dataclass(frozen=True)
class Port:
    """An input or output of the graph: name, dimensions (None if not stated), element type."""

    name: str
    shape: tuple[Dimension, ...] | None
    dtype: str

    @property
    def is_free(self) -> bool:
        """Whether the size of its first axis is not stated."""
        return bool(self.shape) and not isinstance(self.shape[0], int)  # type: ignore[index]


@dataclass(frozen=True)
class Graph:
    """What a network is made of.

    Parameters
    ----------
    nodes
        All that the output depends on, in an order in which they can be evaluated.
    constants
        The initializers.
    opsets
        Version of each operator domain.
    errors
        Of initializers by name, how far they may be from what is meant; see `reader.lower`.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opsets: Mapping[str, int]
    errors: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def dependent(self) -> frozenset[str]:
        """Names of the tensors that depend on the input."""
        names = {port.name for port in self.inputs}
        for node in self.nodes:
            if names.intersection(node.inputs):
                names.update(node.outputs)
        return frozenset(names)


def read_graph(model: Any) -> Graph:
    """The graph of a model as `onnx_file.current` gives it.

    Raises
    ------
    FileFormatError
        If it contradicts itself.
    UnsupportedOperatorError
        If it has no input, or one that is no float.
    """
    _check_names(model.graph)
    constants = _constants(model.graph)
    inputs = [value for value in model.graph.input if value.name not in constants]
    if not inputs:
        raise UnsupportedOperatorError("the graph has no input; it computes a constant")
    sources = tuple(map(_port, inputs))
    targets = tuple(_port(value, sources[0].dtype) for value in model.graph.output)
    nodes = [read_node(node) for node in model.graph.node]
    return Graph(
        nodes=_sort(nodes, {*constants, *(p.name for p in sources)}, [p.name for p in targets]),
        constants=constants,
        inputs=sources,
        outputs=targets,
        opsets={domain_of(entry.domain): entry.version for entry in model.opset_import},
    )


def _check_names(graph: Any) -> None:
    """Refuse a graph in which a name stands for several tensors."""
    givers: dict[str, list[str]] = {}
    stored = {tensor.name for tensor in graph.initializer}
    for tensor in graph.initializer:
        givers.setdefault(tensor.name, []).append("an initializer")
    for value in graph.input:
        if value.name not in stored:  # An initializer may be named as an input, too.
            givers.setdefault(value.name, []).append("an input")
    for node in graph.node:
        for name in filter(None, node.output):
            givers.setdefault(name, []).append(_label(node))
    for name, several in givers.items():
        if len(several) > 1:
            raise FileFormatError(
                f"{len(several)} things give the tensor {name!r}: {', '.join(several)}; export the "
                "model again"
            )


def _constants(graph: Any) -> dict[str, Array]:
    """Initializers as arrays."""
    import onnx

    if graph.sparse_initializer:
        raise UnsupportedOperatorError(
            f"initializer {graph.sparse_initializer[0].values.name!r} is sparse; export the "
            "weights as dense tensors"
        )
    constants = {}
    for tensor in graph.initializer:
        try:
            constants[tensor.name] = onnx.numpy_helper.to_array(tensor)
        except EVALUATOR_ERRORS as error:
            raise FileFormatError(
                f"initializer {tensor.name!r} is damaged: {said(error)}; export the model again"
            ) from error
    return constants


def read_node(proto: Any) -> Node:
    """A node with its attributes as Python values."""
    import onnx

    return Node(
        operator=_operator(proto),
        label=_label(proto),
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={
            entry.name: onnx.helper.get_attribute_value(entry) for entry in proto.attribute
        },
        proto=proto,
    )


def _operator(proto: Any) -> str:
    """The type of a node, with the domain in front where that is not ONNX's own."""
    domain = domain_of(proto.domain)
    return f"{domain}.{proto.op_type}" if domain else str(proto.op_type)


def _label(proto: Any) -> str:
    """What error messages call a node."""
    named = repr(proto.name) if proto.name else f"that computes {next(iter(proto.output), '')!r}"
    return f"{_operator(proto)} {named}"


def _port(value: Any, unstated: str = "") -> Port:
    """Name, dimensions and element type of an input or output.

    A tensor within the graph that is read as an output may state no type.
    """
    import onnx

    types = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
    if unstated and not value.HasField("type"):
        return Port(value.name, None, unstated)
    kind = value.type.tensor_type
    if kind.elem_type not in types:
        known = onnx.TensorProto.DataType.values()
        name = onnx.TensorProto.DataType.Name(kind.elem_type) if kind.elem_type in known else "?"
        raise UnsupportedOperatorError(
            f"tensor {value.name!r} has elements of type {name.lower()}; float (float32) and "
            "double (float64) are supported: convert the model"
            + (", or choose another output with --output-tensor NAME" if unstated else "")
        )
    shape = None
    if kind.HasField("shape"):
        # Some exporters state 0 or -1 for a free dimension.
        shape = tuple(
            size.dim_value if size.dim_value > 0 else size.dim_param or None
            for size in kind.shape.dim
        )
    return Port(value.name, shape, types[kind.elem_type])


def _sort(nodes: list[Node], given: set[str], outputs: list[str]) -> tuple[Node, ...]:
    """The nodes that the outputs depend on, each behind those it reads."""
    graph = networkx.DiGraph()
    ends = {("tensor", name) for name in outputs}
    graph.add_nodes_from(ends)
    for index, node in enumerate(nodes):
        graph.add_edges_from((("tensor", name), ("node", index)) for name in node.inputs if name)
        graph.add_edges_from((("node", index), ("tensor", name)) for name in node.outputs if name)
    before = (networkx.ancestors(graph, end) for end in ends)
    needed = graph.subgraph(ends.union(*before))
    for kind, name in needed:
        if kind == "tensor" and not graph.in_degree((kind, name)) and name not in given:
            raise FileFormatError(f"nothing computes the tensor {name!r}; export the model again")
    try:
        order = list(networkx.lexicographical_topological_sort(needed, key=_position))
    except networkx.NetworkXUnfeasible:
        raise FileFormatError("the nodes form a cycle; export the model again") from None
    return tuple(nodes[index] for kind, index in order if kind == "node")


def _position(vertex: tuple[str, Any]) -> tuple[int, int]:
    """Order among vertices that do not depend on each other: as in the file."""
    return (0, 0) if vertex[0] == "tensor" else (1, vertex[1])


def is_float(array: Array) -> bool:
    """Whether the elements convert exactly to float64."""
    return array.dtype in (np.float32, np.float64)
