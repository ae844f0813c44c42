"""ONNX models changed in place, and what of them stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from leo_opt.errors import OutputError
from leo_opt.formats.dtypes import output_parts
from leo_opt.formats.onnx.file import said
from leo_opt.formats.onnx.graph import Array
from leo_opt.formats.onnx.tails import end_at
from leo_opt.network import Network


def copy(model: Any) -> Any:
    """A copy of a model, or of a part of one."""
    copied = type(model)()
    copied.CopyFrom(model)
    return copied


def put(model: Any, target: str, protos: Sequence[Any], constants: Mapping[str, Array]) -> None:
    """Put nodes, and the constants that they read, in the place of the one that makes a tensor."""
    graph = model.graph
    [place] = [k for k, proto in enumerate(graph.node) if target in proto.output]
    del graph.node[place]
    for proto in reversed(protos):
        graph.node.insert(place, proto)
    graph.initializer.extend(tensor_of(array, name) for name, array in constants.items())


def ended(
    model: Any,
    names: Sequence[str],
    ports: Mapping[str, Any],
    network: Network,
    original: Callable[[], Any],
) -> Any:
    """A model with these outputs and without what they do not need, once ONNX has checked it.

    Parameters
    ----------
    ports
        What the file states of tensors.
    network
        In it, whose outputs and tails may be tensors of which the file states nothing.
    original
        What it was made of: where the checker refuses its shapes, too, they do not matter.

    Raises
    ------
    OutputError
        If the checker refuses it.
    """
    import onnx

    end_at(model, names, ports)
    dtype = network.signature.dtype
    known = {name: (shape, dtype) for name, shape in output_parts(network)}
    known |= {tail.name: (tail.shape, tail.dtype or dtype) for tail in network.signature.tails}
    for value in model.graph.output:
        if not value.HasField("type"):
            shape, name = known[value.name]
            kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(name))
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, shape))
    makers = {name: proto for proto in model.graph.node for name in proto.output if name}
    needed, open_ends = set(), list(names)
    while open_ends:
        name = open_ends.pop()
        if name not in needed and name in makers:
            open_ends.extend(makers[name].input)
        needed.add(name)
    read = {name for proto in model.graph.node for name in proto.input}
    remove(model.graph.node, lambda proto: needed.isdisjoint(proto.output))
    drop_unread(model, read)
    _list_initializers(model)
    # A file may state shapes that its operators do not make, and runs all the same.
    if _refusal(model, full=True):
        del model.graph.value_info[:]
    refused = _refusal(model, full=True)
    if refused and not (_refusal(original(), full=True) and not _refusal(model, full=False)):
        raise OutputError(
            f"ONNX's checker refuses the smaller graph: {refused}; write --form chain"
        )
    return model


def stated_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors as ONNX infers them, 0 for sizes that are free."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in values
    }
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def _list_initializers(model: Any) -> None:
    """Before version 4 of the format initializers are inputs, too."""
    import onnx

    graph = model.graph
    listed = {value.name for value in graph.input}
    for tensor in graph.initializer if model.ir_version < 4 else ():
        if tensor.name not in listed:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(value)


def _refusal(model: Any, full: bool) -> str:
    """What ONNX's checker says against a model, shapes included if it is to be full, or ""."""
    import onnx

    try:
        onnx.checker.check_model(model, full_check=full)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return said(error)
    return ""


def tensor_of(array: Array, name: str) -> Any:
    """An array as ONNX stores it."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def names_of(model: Any) -> set[str]:
    """All names that something of a model has."""
    graph = model.graph
    taken = {name for proto in graph.node for name in (proto.name, *proto.input, *proto.output)}
    return taken.union(entry.name for part in (graph.initializer, graph.input) for entry in part)


def free_name(name: str, taken: set[str]) -> str:
    """A name that nothing has, which is taken from then on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def state_ends(proto: Any, numbers: Mapping[str, Array]) -> None:
    """Make the ends of a Clip attributes, as before version 11 of ONNX, in place.

    Parameters
    ----------
    numbers
        Constants by name.
    """
    from onnx import helper

    for name, given in zip(("min", "max"), proto.input[1:], strict=False):
        if given:
            proto.attribute.append(helper.make_attribute(name, numbers[given].item()))
    del proto.input[1:]


def drop_unread(model: Any, candidates: set[str]) -> None:
    """Remove constants of these names that nothing reads."""
    graph = model.graph
    read = {name for proto in graph.node for name in proto.input}
    read.update(value.name for value in graph.output)
    gone = candidates - read
    remove(graph.initializer, lambda tensor: tensor.name in gone)
    remove(graph.node, lambda proto: proto.op_type == "Constant" and proto.output[0] in gone)
    stored = {tensor.name for tensor in graph.initializer}
    remove(graph.input, lambda value: value.name in gone and value.name not in stored)


def drop_unmade(model: Any, names: list[str]) -> None:
    """Remove what makes tensors that nothing reads any more, of which some are given."""
    makers = {name: proto for proto in model.graph.node for name in proto.output if name}
    gone = set[str]()
    while names:
        proto = makers.get(names.pop())
        left = (other for other in model.graph.node if gone.isdisjoint(other.output))
        used = {name for other in left for name in other.input}
        used.update(value.name for value in model.graph.output)
        if proto is not None and used.isdisjoint(proto.output):
            gone.update(proto.output)
            names.extend(proto.input)
    remove(model.graph.node, lambda proto: not gone.isdisjoint(proto.output))


def remove(entries: Any, goes: Callable[[Any], bool]) -> None:
    """Delete entries of a repeated field, in place."""
    for index in reversed([k for k, entry in enumerate(entries) if goes(entry)]):
        del entries[index]
