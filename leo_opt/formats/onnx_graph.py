"""An ONNX file as a graph of plain values: the nodes that matter, in order, and the constants."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import numpy as np

from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats.onnx_axes import Array

OLDEST_OPSET = 9
"""Older files are converted to it: they broadcast otherwise, and ask for training otherwise."""

PREFIX = "leo_opt."
"""How the keys of this package's metadata begin."""

EVALUATOR_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What ONNX's tools raise, by experience, when a file is not what they expect."""

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
class Tensor:
    """An input or output of the graph: name, dimensions (None if not stated), element type."""

    name: str
    shape: tuple[Dimension, ...] | None
    dtype: str


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
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    input: Tensor
    output: Tensor
    opsets: Mapping[str, int]

    @property
    def dependent(self) -> frozenset[str]:
        """Names of the tensors that depend on the input."""
        names = {self.input.name}
        for node in self.nodes:
            if names.intersection(node.inputs):
                names.update(node.outputs)
        return frozenset(names)


def read_graph(path: Path) -> Graph:
    """The graph in an ONNX file.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model or contradicts itself.
    UnsupportedOperatorError
        If it has not exactly one input and one output.
    """
    proto = _upgrade(_parse(path))
    constants = _constants(proto.graph)
    inputs = [value for value in proto.graph.input if value.name not in constants]
    for values, side in ((inputs, "input"), (proto.graph.output, "output")):
        if len(values) != 1:
            names = ", ".join(repr(value.name) for value in values) or "none"
            raise UnsupportedOperatorError(
                f"the graph has {len(values)} {side}s ({names}); networks of one {side} are "
                "supported: extract one with onnx.utils.extract_model"
            )
    source, target = _tensor(inputs[0]), _tensor(proto.graph.output[0])
    nodes = [_node(node) for node in proto.graph.node]
    return Graph(
        nodes=_sort(nodes, {source.name, *constants}, target.name),
        constants=constants,
        input=source,
        output=target,
        opsets={_domain(entry.domain): entry.version for entry in proto.opset_import},
    )


def provenance(path: Path) -> dict[str, str]:
    """What the writer of this package put into a model's metadata.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model.
    """
    return {
        entry.key.removeprefix(PREFIX): entry.value
        for entry in _parse(path).metadata_props
        if entry.key.startswith(PREFIX)
    }


def _parse(path: Path) -> Any:
    """The model in a file, with its external data and without local functions."""
    import onnx

    # Named at run time: Protocol Buffers come with ONNX, type stubs for them do not.
    damaged = importlib.import_module("google.protobuf.message").DecodeError

    try:
        model = onnx.load(path, format="protobuf")
    except damaged as error:
        raise FileFormatError("this is no ONNX model, or a truncated one; export it again") from (
            error
        )
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise FileFormatError(
            f"the model or its external data cannot be read: {error}; keep the data file beside it"
        ) from error
    if not model.graph.output:
        raise FileFormatError("this holds no ONNX graph with an output; export the model again")
    return _inline(model) if model.functions else model


def _inline(model: Any) -> Any:
    """The model without local functions, which some exporters make of every layer."""
    import onnx
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except (*EVALUATOR_ERRORS, onnx.checker.ValidationError) as error:
        raise FileFormatError(
            f"ONNX cannot inline the model's functions: {error}; export it without functions"
        ) from error


def _upgrade(model: Any) -> Any:
    """A model of an old opset, converted to `OLDEST_OPSET`."""
    import onnx
    import onnx.version_converter

    versions = [entry.version for entry in model.opset_import if _domain(entry.domain) == ""]
    if not versions or versions[0] >= OLDEST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OLDEST_OPSET)
    except (*EVALUATOR_ERRORS, onnx.version_converter.ConvertError) as error:
        raise FileFormatError(
            f"ONNX cannot convert opset {versions[0]} to {OLDEST_OPSET}: {error}; export the model "
            "with a newer opset"
        ) from error


def _domain(name: str) -> str:
    """A domain of operators, with one name for ONNX's own."""
    return "" if name == "ai.onnx" else name


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
                f"initializer {tensor.name!r} is damaged: {error}; export the model again"
            ) from error
    return constants


def _node(proto: Any) -> Node:
    """A node with its attributes as Python values."""
    import onnx

    domain = _domain(proto.domain)
    operator = f"{domain}.{proto.op_type}" if domain else proto.op_type
    named = repr(proto.name) if proto.name else f"that computes {next(iter(proto.output), '')!r}"
    return Node(
        operator=operator,
        label=f"{operator} {named}",
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={
            entry.name: onnx.helper.get_attribute_value(entry) for entry in proto.attribute
        },
        proto=proto,
    )


def _tensor(value: Any) -> Tensor:
    """Name, dimensions and element type of an input or output."""
    import onnx

    types = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
    kind = value.type.tensor_type
    if kind.elem_type not in types:
        known = onnx.TensorProto.DataType.values()
        name = onnx.TensorProto.DataType.Name(kind.elem_type) if kind.elem_type in known else "?"
        raise UnsupportedOperatorError(
            f"tensor {value.name!r} has elements of type {name.lower()}; float (float32) and "
            "double (float64) are supported: convert the model"
        )
    shape = None
    if kind.HasField("shape"):
        # Some exporters state 0 or -1 for a free dimension.
        shape = tuple(
            size.dim_value if size.dim_value > 0 else size.dim_param or None
            for size in kind.shape.dim
        )
    return Tensor(value.name, shape, types[kind.elem_type])


def _sort(nodes: list[Node], given: set[str], output: str) -> tuple[Node, ...]:
    """The nodes that `output` depends on, each behind those it reads."""
    graph = networkx.DiGraph()
    graph.add_node(("tensor", output))
    for index, node in enumerate(nodes):
        graph.add_edges_from((("tensor", name), ("node", index)) for name in node.inputs if name)
        graph.add_edges_from((("node", index), ("tensor", name)) for name in node.outputs if name)
    needed = graph.subgraph(networkx.ancestors(graph, ("tensor", output)) | {("tensor", output)})
    for kind, name in needed:
        sources = graph.in_degree((kind, name)) + (name in given)
        if kind == "tensor" and sources != 1:
            how = "nothing computes" if sources == 0 else "several nodes compute"
            raise FileFormatError(f"{how} the tensor {name!r}; export the model again")
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
