"""An ONNX file as ONNX's own model: parsed, with its external data, in one opset that is known."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from leo_opt.errors import FileFormatError
from leo_opt.storage.files import check_readable, read_bytes

OLDEST_OPSET = 9
"""Older files are converted to it: they broadcast otherwise, and ask for training otherwise."""

PREFIX = "leo_opt."
"""How the keys of this package's metadata begin."""

LARGEST = 2**31 - 1
"""Protocol Buffers hold no more bytes."""

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

_SOURCE_PLACE = re.compile(r"\S*[\\/]\S+\.(?:h|hpp|c|cc|cpp|cu|py):\d+:?\s*")
_ASSERTION = re.compile(r"\w+: Assertion `.*?` failed:\s*")


def said(error: Exception) -> str:
    """What a foreign tool says, in one line and without places in the source of that tool."""
    text = _ASSERTION.sub("", _SOURCE_PLACE.sub("", str(error)))
    return " ".join(text.split()) or type(error).__name__


def parse(path: Path) -> Any:
    """The model in a file, with its external data.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model, too large to be one, or its external data cannot be read.
    """
    import onnx

    # Named at run time: Protocol Buffers come with ONNX, type stubs for them do not.
    damaged = importlib.import_module("google.protobuf.message").DecodeError

    size = path.stat().st_size
    if size > LARGEST:
        raise FileFormatError(
            f"the file has {size} bytes and an .onnx file holds at most {LARGEST}; save the model "
            "with its weights as external data"
        )
    content = read_bytes(path, LARGEST)
    try:
        model = onnx.load_model_from_string(content)
    except damaged as error:
        raise FileFormatError("this is no ONNX model, or a truncated one; export it again") from (
            error
        )
    except (OSError, ValueError) as error:
        raise FileFormatError(f"the model cannot be read: {said(error)}") from error
    if not model.graph.output:
        raise FileFormatError("this holds no ONNX graph with an output; export the model again")
    _load_external_data(model, path.parent)
    return model


def current(model: Any) -> Any:
    """A model without local functions and of an opset from `OLDEST_OPSET` on.

    Raises
    ------
    FileFormatError
        If ONNX cannot make it so, or does not know the opset.
    """
    _check_opsets(model)
    return _upgrade(_inline(model) if model.functions else model)


def provenance(path: Path) -> dict[str, str]:
    """What the writer of this package put into a model's metadata.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model.
    """
    return {
        entry.key.removeprefix(PREFIX): entry.value
        for entry in parse(path).metadata_props
        if entry.key.startswith(PREFIX)
    }


def domain_of(name: str) -> str:
    """A domain of operators, with one name for ONNX's own."""
    return "" if name == "ai.onnx" else name


def _load_external_data(model: Any, folder: Path) -> None:
    """Take the data beside a model into it, from files in its own folder only."""
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor

    graphs = [model.graph, *model.functions]
    tensors = [tensor for graph in graphs for tensor in _tensors(graph)]
    external = [t for t in tensors if t.data_location == onnx.TensorProto.EXTERNAL]
    total = 0
    for tensor in external:
        location = _entries(tensor).get("location", "")
        if not location or _leaves_folder(location):
            raise FileFormatError(
                f"tensor {tensor.name!r} has its external data at {location!r}; it must be a file "
                "in the model's folder or below: move it there and save the model anew"
            )
        try:
            check_readable(folder / location)
        except FileFormatError as error:
            raise FileFormatError(
                f"the external data of tensor {tensor.name!r} cannot be read: {error}; keep the "
                "data file beside the model"
            ) from error
        total += _external_size(tensor, folder / location)
        if total > LARGEST:
            raise FileFormatError(
                f"the external data up to tensor {tensor.name!r} in {location} has {total} bytes; "
                f"at most {LARGEST} are read: export a smaller model, or one in float32"
            )
    for tensor in external:
        location = _entries(tensor)["location"]
        try:
            load_external_data_for_tensor(tensor, str(folder))
            # Before 1.23.2 ONNX leaves the tensor saying that its numbers are elsewhere.
            tensor.data_location = onnx.TensorProto.DEFAULT
            tensor.ClearField("external_data")
        except (OSError, *EVALUATOR_ERRORS, onnx.checker.ValidationError) as error:
            raise FileFormatError(
                f"the external data of tensor {tensor.name!r} in {location} cannot be read: "
                f"{said(error)}; save the model anew"
            ) from error


def _entries(tensor: Any) -> dict[str, str]:
    """Where and how a tensor's external data is kept, as the model states it."""
    return {entry.key: entry.value for entry in tensor.external_data}


def _external_size(tensor: Any, path: Path) -> int:
    """How many bytes loading a tensor takes: those stated, or all behind its offset."""
    entries = _entries(tensor)
    try:
        rest = path.stat().st_size - int(entries.get("offset", 0))
        size = int(entries.get("length", rest))
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"the external data of tensor {tensor.name!r} cannot be read: {error}; save the model "
            "anew"
        ) from error
    # Not every version of ONNX minds.
    if size > rest:
        raise FileFormatError(
            f"the external data of tensor {tensor.name!r} in {path.name} ends {size - rest} bytes "
            "too early; save the model anew"
        )
    return size


def _leaves_folder(location: str) -> bool:
    """Whether a path of a file could lead out of a folder, by the rules of any system."""
    kinds = (PurePosixPath(location), PureWindowsPath(location))
    return any(path.is_absolute() or path.anchor or ".." in path.parts for path in kinds)


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors that a graph or function stores, also in attributes and graphs within."""
    import onnx

    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for within in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _tensors(within)


def _check_opsets(model: Any) -> None:
    """Refuse a model whose operators mean something that the installed ONNX does not know."""
    from onnx import defs

    versions: dict[str, int] = {}
    for entry in model.opset_import:
        domain = domain_of(entry.domain)
        if versions.setdefault(domain, entry.version) != entry.version:
            raise FileFormatError(
                f"the model states opset {versions[domain]} and {entry.version} at once; export it "
                "again"
            )
    newest, stated = defs.onnx_opset_version(), versions.get("")
    if stated is None:
        raise FileFormatError("the model states no opset of ONNX's operators; export it again")
    if not 1 <= stated <= newest:
        raise FileFormatError(
            f"the model has opset {stated} and the installed onnx knows 1 to {newest}; export it "
            "with an older opset, or upgrade onnx"
        )


def _inline(model: Any) -> Any:
    """The model without local functions, which some exporters make of every layer."""
    import onnx
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except (*EVALUATOR_ERRORS, onnx.checker.ValidationError) as error:
        raise FileFormatError(
            f"ONNX cannot inline the model's functions: {said(error)}; export it without functions"
        ) from error


def _upgrade(model: Any) -> Any:
    """A model of an old opset, converted to `OLDEST_OPSET`."""
    import onnx
    import onnx.version_converter

    [version] = {e.version for e in model.opset_import if domain_of(e.domain) == ""}
    if version >= OLDEST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(_flattened(model), OLDEST_OPSET)
    except (*EVALUATOR_ERRORS, onnx.version_converter.ConvertError) as error:
        raise FileFormatError(
            f"ONNX cannot convert opset {version} to {OLDEST_OPSET}: {said(error)}; export the "
            "model with a newer opset"
        ) from error


def _flattened(model: Any) -> Any:
    """A model of an opset before 7 with a Flatten in front of each Gemm.

    Some exporters give it more than two axes there, which ONNX's converter refuses.
    """
    import onnx

    [version] = {e.version for e in model.opset_import if domain_of(e.domain) == ""}
    stored = {tensor.name for tensor in model.graph.initializer}
    if version >= 7:
        return model
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = []
    for node in model.graph.node:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        if node.op_type == "Gemm" and node.input[0] not in stored:
            flat = f"{node.input[0]}/rows of {node.output[0]}"
            nodes.append(onnx.helper.make_node("Flatten", [node.input[0]], [flat], axis=1))
            copied.input[0] = flat
        nodes.append(copied)
    del changed.graph.node[:], changed.graph.value_info[:]
    changed.graph.node.extend(nodes)
    return changed
