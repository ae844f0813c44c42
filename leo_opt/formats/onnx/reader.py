"""ONNX file to network.

The graph is lowered node by node: each tensor is a shape and an affine map over the units made so
far. Nodes that depend on constants only are evaluated by ONNX's reference evaluator, so that any
operator may occur there. What comes out is compared with the reference evaluator, and with
onnxruntime where it is installed, before it is returned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.errors import FileFormatError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats.affine import Affine
from leo_opt.formats.agreement import SAMPLES
from leo_opt.formats.levels import Levels
from leo_opt.formats.onnx.evaluator import evaluate_node
from leo_opt.formats.onnx.file import EVALUATOR_ERRORS, current, parse, said
from leo_opt.formats.onnx.graph import Array, Dimension, Graph, Node, Port, read_graph
from leo_opt.formats.onnx.operation import LoweringError, Operation, Tensor
from leo_opt.formats.onnx.operators import OPERATORS
from leo_opt.formats.onnx.reference import Trial, check_against_reference, check_unmixed, prepare
from leo_opt.formats.onnx.refusals import explain
from leo_opt.formats.onnx.runtime import check_against_runtime, check_file
from leo_opt.formats.onnx.tails import end_at, find_endings, labels, stated_ports, with_tails
from leo_opt.formats.selection import EVERYTHING, Selection
from leo_opt.network import FloatArray, Network, Signature


@dataclass(frozen=True)
class Reading:
    """How the shapes of the inputs are understood.

    Parameters
    ----------
    shapes
        Of one input each; a batch axis has the size 1.
    stated
        The size that the file states of the batch axis; None where it is free.
    at_once
        How many inputs the graph takes at once when it is judged.
    batched
        Whether the first axis is a batch.
    """

    shapes: tuple[tuple[int, ...], ...]
    stated: int | None
    at_once: int
    batched: bool


@dataclass(frozen=True, eq=False)
class Lowered:
    """A graph and the network that it amounts to.

    Parameters
    ----------
    model
        As ONNX has it; the nodes of `graph` are parts of it.
    graph
        What of the model the network is made of.
    values
        Each tensor of the graph by name: an array, or what it is of the network's units.
    levels
        Where these units were made.
    network
        The chain of them.
    """

    model: Any
    graph: Graph
    values: Mapping[str, Array | Tensor]
    levels: Levels
    network: Network


def read(path: Path, selection: Selection = EVERYTHING) -> Network:
    """The network in an ONNX file.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model or contradicts itself.
    InvalidInputError
        If the reference evaluator computes something else.
    UnsupportedOperatorError
        If the graph has an operator that is not piecewise linear, or not supported.
    """
    return read_model(parse(path), path, selection)


def read_model(model: Any, path: Path | None = None, selection: Selection = EVERYTHING) -> Network:
    """The network in an ONNX model, which a file may hold; see `read`."""
    endings = find_endings(model, selection.output_tensor)
    left_out = labels(model) if selection.output_tensor is None else ()
    end_at(model, [ending.source for ending in endings], stated_ports(model))
    try:
        network = lower(model).network
    except UnsupportedOperatorError as error:
        told = explain(error, model, path, lambda part: lower(part).network)
        raise UnsupportedOperatorError(told) from error
    network = with_tails(network, model, endings)
    if left_out:
        signature = replace(network.signature, left_out=left_out)
        network = replace(network, signature=signature)
    if network.signature.tails:
        check_file(model, network)
    return network


def lower(model: Any, errors: Mapping[str, FloatArray] = MappingProxyType({})) -> Lowered:
    """The network in an ONNX model, under the first reading of its inputs that fits.

    Parameters
    ----------
    errors
        Of constants by name, how far they may be from what is meant, number by number. They are
        asked for of biases and summands.
    """
    known = current(model)
    graph = replace(read_graph(known), errors=errors)
    kinds = {port.dtype for port in (*graph.inputs, *graph.outputs)}
    if len(kinds) > 1:
        raise UnsupportedOperatorError(
            f"the inputs are {', '.join(port.dtype for port in graph.inputs)} and the outputs "
            f"{', '.join(port.dtype for port in graph.outputs)}; convert the model to one type"
        )
    refused: LeoOptError | None = None
    for reading in _readings(graph.inputs):
        try:
            values, levels, network, trial = _read(model, graph, reading)
        except LeoOptError as error:
            refused = refused or error
            continue
        if reading.stated == 1 and any(port.is_free for port in graph.inputs):
            check_unmixed(trial)
        return Lowered(known, graph, values, levels, network)
    assert refused is not None
    raise refused


def _read(
    model: Any, graph: Graph, reading: Reading
) -> tuple[dict[str, Array | Tensor], Levels, Network, Trial]:
    """The tensors, units and network of a graph under one reading, judged."""
    levels = Levels(sum(map(math.prod, reading.shapes)))
    values = _lower(graph, levels, reading)
    outputs = [_output(values, port.name) for port in graph.outputs]
    output = Affine.stacked([tensor.values for tensor in outputs])
    with np.errstate(all="ignore"):  # Values that overflow are refused with their layer.
        network = levels.network(output, _signature(graph, reading, outputs))
    trial = prepare(graph, reading.shapes, reading.at_once, reading.batched)
    check_against_reference(trial, network)
    check_against_runtime(model, trial, network)
    return values, levels, network, trial


def _readings(ports: tuple[Port, ...]) -> Iterator[Reading]:
    """How the inputs may be understood, the likeliest first.

    A first axis of fixed size above 1 is a batch, or a column vector, or part of one input; the
    graph decides. A free one is a batch; but a graph may take batches of one input only. One that
    takes more and mixes them is refused.
    """
    shapes = tuple(_stated(port) for port in ports)
    free = [port.is_free for port in ports]
    single = tuple(
        tuple(size if isinstance(size, int) else 1 for size in shape) for shape in shapes
    )
    if any(free):
        if all(free):
            yield Reading(single, None, SAMPLES, True)
        yield Reading(single, 1, 1, all(free))
        return
    whole = Reading(single, 1, 1, all(len(s) > 1 and s[0] == 1 for s in single))
    first = single[0][0] if len(single) == 1 and len(single[0]) > 1 else 1
    if first == 1:
        yield whole
        return
    rest = single[0][1:]
    batch = Reading(((1, *rest),), first, first, True)
    yield from (whole, batch) if math.prod(rest) == 1 else (batch, whole)


def _stated(port: Port) -> tuple[Dimension, ...]:
    """The shape of an input, of which only the first axis may be free."""
    shape = port.shape
    if shape is None or any(not isinstance(size, int) for size in shape[1:]):
        stated = "no shape" if shape is None else f"the shape {list(shape)}"
        raise UnsupportedOperatorError(
            f"input {port.name!r} has {stated}; only the first axis may be left free: state the "
            "sizes with onnx.tools.update_model_dims"
        )
    return shape


def _lower(graph: Graph, levels: Levels, reading: Reading) -> dict[str, Array | Tensor]:
    """The tensors of a graph over the units that it is made of."""
    values: dict[str, Array | Tensor] = dict(graph.constants)
    start = 0
    for port, shape in zip(graph.inputs, reading.shapes, strict=True):
        places = np.arange(start, start + math.prod(shape))
        values[port.name] = Tensor(shape, levels.inputs.take(places))
        start += len(places)
    batch = reading.stated or 1
    for node in graph.nodes:
        for name in filter(None, node.inputs):
            if name not in values:
                raise UnsupportedOperatorError(f"{node.label} reads {name!r}, which is not read")
        given = tuple(values[name] if name else None for name in node.inputs)
        if not any(isinstance(value, Tensor) for value in given):
            constants = {name: v for name, v in values.items() if not isinstance(v, Tensor)}
            values.update(evaluate_node(node, constants, graph.opsets))
        else:
            step = Operation(node, given, levels, graph.opsets, batch, graph.errors)
            values.update(zip(filter(None, node.outputs), _apply(step), strict=False))
    return values


def _output(values: Mapping[str, Array | Tensor], name: str) -> Tensor:
    """An output of a graph."""
    value = values.get(name)
    if not isinstance(value, Tensor):
        raise UnsupportedOperatorError(f"the output {name!r} does not depend on the input")
    return value


def _apply(step: Operation) -> list[Any]:
    """What one operator makes of its inputs."""
    node = step.node
    if node.operator in ("Shape", "Size"):
        return [_shape(node, step.tensor())]
    if node.operator not in OPERATORS:
        raise UnsupportedOperatorError(f"{node.label} is not supported")
    try:
        with np.errstate(all="ignore"):
            return list(OPERATORS[node.operator](step))
    except LoweringError as error:
        raise UnsupportedOperatorError(f"{node.label} {error}") from error
    except LeoOptError:
        raise
    except EVALUATOR_ERRORS as error:
        raise FileFormatError(
            f"{node.label} is malformed: {said(error)}; export the model again"
        ) from error


def _shape(node: Node, tensor: Tensor) -> Array:
    """What Shape and Size compute."""
    if node.operator == "Size":
        return np.array(len(tensor.values), dtype=np.int64)
    start = node.attributes.get("start", 0)
    end = node.attributes.get("end", len(tensor.shape))
    return np.array(tensor.shape[start:end], dtype=np.int64)


def _signature(graph: Graph, reading: Reading, outputs: list[Tensor]) -> Signature:
    """Names and shapes as the file states them, completed where it states nothing."""
    first: Dimension = reading.stated
    if reading.stated is None:
        stated = graph.inputs[0].shape
        first = stated[0] if stated else None
    inputs = tuple(
        (port.name, (first, *shape[1:]) if reading.batched else shape)
        for port, shape in zip(graph.inputs, reading.shapes, strict=True)
    )
    results = tuple(
        (port.name, _output_shape(port.shape, tensor.shape, first, reading.batched))
        for port, tensor in zip(graph.outputs, outputs, strict=True)
    )
    return Signature(
        input_name=", ".join(name for name, _ in inputs),
        output_name=", ".join(name for name, _ in results),
        input_shape=inputs[0][1] if len(inputs) == 1 else None,
        output_shape=results[0][1] if len(results) == 1 else None,
        dtype=graph.inputs[0].dtype,
        inputs=inputs if len(inputs) > 1 else (),
        outputs=results if len(results) > 1 else (),
    )


def _output_shape(
    stated: tuple[Dimension, ...] | None,
    found: tuple[int, ...],
    batch: Dimension,
    batched: bool,
) -> tuple[Dimension, ...]:
    """The shape of an output: the one stated where the rank is right, with free sizes filled."""
    follows = batched and found[:1] == (1,)
    shape: tuple[Dimension, ...] = (batch, *found[1:]) if follows else found
    if stated is None or len(stated) != len(shape) or not shape:
        return shape
    keeps = not isinstance(stated[0], int) and found[0] == 1
    return (stated[0] if keeps else shape[0], *shape[1:])
