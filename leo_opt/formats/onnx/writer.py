"""Network to ONNX file: Gemm and activations, a drop-in replacement for what it was read from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.activations import Activation, Operator
from leo_opt.errors import OutputError, UnsupportedOperatorError
from leo_opt.formats.dtypes import (
    input_parts,
    is_batched,
    output_parts,
    parts_are_batched,
    size_of,
)
from leo_opt.formats.onnx.file import LARGEST, PREFIX, said
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.tails import WINNER, Tail

_OPSET = 17
_IR_VERSION = 8


class _Builder:
    """Nodes and initializers of a graph that is one chain."""

    def __init__(self, source: str, dtype: str, taken: Collection[str]) -> None:
        self._source, self._dtype, self._taken = source, dtype, taken
        self._count = 0
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    @property
    def current(self) -> str:
        """Name of the tensor at the end of the chain."""
        return self.nodes[-1].output[0] if self.nodes else self._source

    def add(
        self,
        operator: str,
        constants: dict[str, Any],
        sources: Sequence[str] = (),
        attributes: Mapping[str, float | int] = MappingProxyType({}),
    ) -> None:
        """Put a node at the end.

        Parameters
        ----------
        constants
            Its further inputs by name, None where one is left out.
        sources
            Tensors that it reads; by default the end of the chain.
        attributes
            Of the operator.
        """
        from onnx import helper, numpy_helper

        names = ["" if values is None else self._free(n) for n, values in constants.items()]
        for name, values in zip(names, constants.values(), strict=True):
            if values is None:
                continue
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        label = f"{operator.lower()}_{self._count}"
        self._count += 1
        self.nodes.append(
            helper.make_node(
                operator,
                [*(sources or (self.current,)), *names],
                [self._free(label)],
                name=label,
                **attributes,
            )
        )

    def end(self, name: str) -> None:
        """Give the last tensor the name of an output."""
        self.nodes[-1].output[0] = name

    def numbers(self, values: FloatArray) -> Any:
        """Values in the element type of the file."""
        return values.astype(self._dtype)

    def _free(self, name: str) -> str:
        """A name that nothing else has."""
        while name in self._taken:
            name += "_"
        return name


def encode(network: Network, provenance: Mapping[str, str]) -> bytes:
    """The bytes of an ONNX file.

    Parameters
    ----------
    network
        As `written` returns it: every number is one of the signature's dtype.
    provenance
        Becomes the model's metadata, and its entry "summary" the model's doc string.

    Raises
    ------
    OutputError
        If the model is too large for one file or ONNX's checker refuses it.
    """
    content: bytes = model(network, provenance).SerializeToString()
    return content


def model(network: Network, provenance: Mapping[str, str]) -> Any:
    """The same as an `onnx.ModelProto`.

    Raises
    ------
    OutputError
        If the model is too large for one file or ONNX's checker refuses it.
    """
    import onnx

    made = _model(network, provenance)
    if made.ByteSize() > LARGEST:
        raise OutputError(
            f"the model has {made.ByteSize()} bytes and an .onnx file holds at most {LARGEST}; "
            "write float32 or .npz"
        )
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise OutputError(
            f"ONNX's checker refuses the model: {said(error)}; choose other names in the signature"
        ) from error
    return made


def _model(network: Network, provenance: Mapping[str, str]) -> Any:
    """The network as an ONNX model."""
    from onnx import helper

    signature = network.signature
    parts = (*input_parts(network), *output_parts(network))
    taken = {name for name, _ in parts} | {tail.name for tail in signature.tails}
    builder = _Builder(signature.input_name, signature.dtype, taken)
    _flatten_inputs(builder, network)
    _add_layers(builder, network)
    _shape_outputs(builder, network)
    for tail in network.signature.tails:
        _add_tail(builder, tail, network.signature.dtype)
    kinds = _kinds()
    dtype = network.signature.dtype
    outputs = [(name, shape, dtype) for name, shape in output_parts(network)]
    behind = [(tail.name, tail.shape, tail.dtype or dtype) for tail in network.signature.tails]
    graph = helper.make_graph(
        builder.nodes,
        "network",
        [
            helper.make_tensor_value_info(n, kinds[dtype], shape)
            for n, shape in input_parts(network)
        ],
        [
            helper.make_tensor_value_info(name, kinds[kind], shape)
            for name, shape, kind in behind or outputs
        ],
        builder.initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="leo_opt",
        doc_string=provenance.get("summary", ""),
    )
    helper.set_model_props(model, {PREFIX + name: text for name, text in provenance.items()})
    return model


def layer_nodes(network: Network, taken: Collection[str]) -> tuple[list[Any], list[Any]]:
    """Nodes and initializers that make the rows of a network's output of those of its input.

    Parameters
    ----------
    taken
        Names that others have.
    """
    signature = network.signature
    builder = _Builder(signature.input_name, signature.dtype, taken)
    _add_layers(builder, network)
    builder.end(signature.output_name)
    return builder.nodes, builder.initializers


def _kinds() -> dict[str, int]:
    """Element types as ONNX numbers them."""
    from onnx import TensorProto

    return {
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
        "int32": TensorProto.INT32,
        "int64": TensorProto.INT64,
    }


def _flatten_inputs(builder: _Builder, network: Network) -> None:
    """Turn the inputs into rows of one input each, where they are not."""
    batched, rows = is_batched(network), []
    for name, shape in input_parts(network):
        flat = len(shape) == 2 and (batched or shape[0] == 1)
        if not flat:
            builder.add("Flatten", {}, [name], {"axis": int(batched)})
        rows.append(name if flat else builder.current)
    if len(rows) > 1:
        builder.add("Concat", {}, rows, {"axis": 1})


def _add_layers(builder: _Builder, network: Network) -> None:
    """Gemm and activations; where a linear layer carries inputs past its units, a sum of two."""
    index = 0
    while index < len(network.layers):
        sums = _is_sum(*network.layers[index : index + 2])
        (_add_sum if sums else _add_gemm)(builder, network, index)
        index += 1 + sums
        _add_activations(builder, network, index - 1)


def _is_sum(layer: Layer, after: Layer | None = None) -> bool:
    """Whether two layers are low rank and a product with some inputs, which lanes carry.

    The lanes stand behind, in order, and are no more than the units that read them; of a single
    product, and of more lanes, a reader would make other layers than these.
    """
    if after is None or layer.has_phases:
        return False
    count = int((layer.lanes >= 0).sum())
    behind = bool((np.diff(layer.lanes[-count - 1 :]) > 0).all())
    return 0 < count < layer.n_out - 1 and count <= after.n_out and behind


def _add_gemm(builder: _Builder, network: Network, index: int) -> None:
    """The affine map of a layer."""
    layer = network.layers[index]
    _multiply(builder, f"layers.{index}", weights.dense(layer.weight), layer.bias)


def _multiply(
    builder: _Builder,
    name: str,
    weight: FloatArray,
    bias: FloatArray | None = None,
    sources: Sequence[str] = (),
) -> None:
    """A Gemm."""
    constants = {f"{name}.weight": builder.numbers(weight)}
    if bias is not None:
        constants[f"{name}.bias"] = builder.numbers(bias)
    builder.add("Gemm", constants, sources, {"transB": 1})


def _add_sum(builder: _Builder, network: Network, index: int) -> None:
    """Two layers [V; I] and [U | S]: Gemm, Gemm and Add, where I picks the inputs that S reads."""
    layer, after = network.layers[index], network.layers[index + 1]
    source, own, weight = builder.current, layer.lanes < 0, weights.dense(after.weight)
    _multiply(builder, f"layers.{index}", weights.dense(layer.weight)[own], layer.bias[own])
    _multiply(builder, f"layers.{index + 1}", weight[:, own], after.bias)
    low, carried = builder.current, layer.lanes[~own]
    if not np.array_equal(carried, np.arange(layer.n_in)):
        builder.add("Gather", {f"layers.{index}.inputs": carried}, [source], {"axis": 1})
        source = builder.current
    _multiply(builder, f"layers.{index + 1}.carried", weight[:, ~own], sources=[source])
    builder.add("Add", {}, [low, builder.current])


def _add_activations(builder: _Builder, network: Network, index: int) -> None:
    """The operators of the activations of a layer.

    Where it has several, the units of each are gathered, and all are put together again and into
    their order.
    """
    layer = network.layers[index]
    groups = list(layer.activations())
    prefix = f"layers.{index}"
    if len(groups) == 1:
        _activate(builder, network, groups[0][0], layer.label, prefix)
        return
    pre, parts = builder.current, []
    for place, (activation, units) in enumerate(groups):
        name = f"{prefix}.{place}"
        builder.add("Gather", {f"{name}.units": units}, [pre], {"axis": 1})
        _activate(builder, network, activation, layer.tags[units[0]], name)
        parts.append(builder.current)
    builder.add("Concat", {}, parts, {"axis": 1})
    order = np.argsort(np.concatenate([units for _, units in groups]))
    if (np.diff(order) != 1).any():
        builder.add("Gather", {f"{prefix}.order": order}, attributes={"axis": 1})


def _activate(
    builder: _Builder, network: Network, activation: Activation, tag: str, prefix: str
) -> None:
    """The operator of an activation, where it has one, on the end of the chain."""
    operator = activation.operator
    if operator is not None:
        _check_numbers(operator, tag, network.signature.dtype)
        ends = {
            f"{prefix}.input_{place}": None if end is None else builder.numbers(np.array(end))
            for place, end in enumerate(operator.inputs, start=1)
        }
        builder.add(operator.name, ends, attributes=dict(operator.attributes))


def _check_numbers(operator: Operator, label: str, dtype: str) -> None:
    """Refuse numbers that the file would round: attributes are float32 whatever its type is."""
    kept = [(value, "float32") for _, value in operator.attributes]
    kept += [(value, dtype) for value in operator.inputs if value is not None]
    for value, kind in kept:
        nearest = float(np.array(value).astype(kind))
        if nearest != value:
            raise UnsupportedOperatorError(
                f"the activation {label!r} has the number {value!r}, which {kind} rounds to "
                f"{nearest!r}; use that number, or save the network as .npz"
            )


def _shape_outputs(builder: _Builder, network: Network) -> None:
    """Turn rows into the original outputs."""
    parts, batched = output_parts(network), is_batched(network)
    if len(parts) == 1:
        _shape_output(builder, "output", parts[0][1], batched)
        builder.end(parts[0][0])
        return
    batched = parts_are_batched(parts, network.output_size, batched)
    rows, start = builder.current, 0
    for name, shape in parts:
        end = start + (size_of(shape[1:] if batched else shape) or 0)
        bounds = {"start": [start], "end": [end], "axes": [1]}
        places = {f"{name}.{key}": np.array(value) for key, value in bounds.items()}
        builder.add("Slice", places, [rows])
        _shape_output(builder, name, shape, batched)
        builder.end(name)
        start = end


def _shape_output(
    builder: _Builder, name: str, shape: tuple[int | str | None, ...], batched: bool
) -> None:
    """Turn rows into the shape of an original output, where that is another."""
    if len(shape) == 2 and (batched or shape[0] == 1 or not isinstance(shape[0], int)):
        return
    sizes = [-1 if k == 0 and batched else size for k, size in enumerate(shape)]
    target = [size if isinstance(size, int) else -1 for size in sizes]
    builder.add("Reshape", {f"{name}_shape": np.array(target, dtype=np.int64)})


def _add_tail(builder: _Builder, tail: Tail, dtype: str) -> None:
    """Make an output of the file from the tensor that the network computes."""
    sizes, current, kind = list(tail.source_shape), tail.source, dtype
    for step in tail.steps:
        attributes = {} if step.axis is None else {"axis": step.axis}
        builder.add(step.operator, {}, [current], attributes)
        current = builder.current
        if step.operator == WINNER:
            sizes[step.axis or 0], kind = 1, "int64"
    if tuple(sizes) != tail.shape:
        target = [size if isinstance(size, int) else -1 for size in tail.shape]
        builder.add("Reshape", {f"{tail.name}_shape": np.array(target, dtype=np.int64)})
    if kind != (tail.dtype or dtype):
        builder.add("Cast", {}, attributes={"to": _kinds()[tail.dtype or dtype]})
    if tail.steps:
        builder.end(tail.name)
