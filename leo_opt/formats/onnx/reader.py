"""ONNX file to network.

A graph is read as a chain: every node between input and output takes exactly one tensor that
depends on the input. Nodes that depend on constants only are evaluated by ONNX's reference
evaluator, so that any operator may occur there. What comes out is compared with the reference
evaluator before it is returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt.errors import FileFormatError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats.chain import Chain
from leo_opt.formats.onnx.axes import BATCH, Array, Axes, LayoutError, describe, width
from leo_opt.formats.onnx.evaluator import evaluate_node
from leo_opt.formats.onnx.file import EVALUATOR_ERRORS, current, parse, said
from leo_opt.formats.onnx.graph import Dimension, Graph, Node, Tensor, read_graph
from leo_opt.formats.onnx.operators import OPERATORS, Step, Stream
from leo_opt.formats.onnx.reference import check_against_reference, prepare
from leo_opt.formats.onnx.refusals import explain
from leo_opt.formats.onnx.runtime import check_against_runtime
from leo_opt.network import Network, Signature


def read(path: Path) -> Network:
    """The network in an ONNX file.

    Raises
    ------
    FileFormatError
        If the file is no ONNX model or contradicts itself.
    InvalidInputError
        If the reference evaluator computes something else.
    UnsupportedOperatorError
        If the graph is not a chain of supported operators.
    """
    model = parse(path)
    try:
        return _network(model)
    except UnsupportedOperatorError as error:
        raise UnsupportedOperatorError(explain(error, model, path, _network)) from error


def _network(model: Any) -> Network:
    """The network in an ONNX model."""
    graph = read_graph(current(model))
    if graph.input.dtype != graph.output.dtype:
        raise UnsupportedOperatorError(
            f"the input is {graph.input.dtype} and the output {graph.output.dtype}; convert the "
            "model to one type"
        )
    stream, source, dropped = _walk_any(graph)
    signature = _signature(graph, source, stream, dropped)
    network = stream.chain.network(signature)
    trial = prepare(graph, source, 1 if dropped else stream.fixed)
    check_against_reference(trial, network)
    check_against_runtime(model, trial, network)
    return network


def _walk_any(graph: Graph) -> tuple[Stream, Axes, bool]:
    """Walk under each reading of the input's axes until one fits.

    Returns
    -------
    stream, source, dropped
        The tensor at the output, the axes at the input, and whether a reshape on the way allows
        for a single input only.
    """
    refused: UnsupportedOperatorError | None = None
    for source, fixed in _readings(graph.input):
        stream = Stream(source, Chain(width(source)), fixed)
        try:
            _walk(graph, stream)
        except UnsupportedOperatorError as error:
            refused = refused or error
            continue
        dropped = BATCH in source and BATCH not in stream.axes
        if BATCH in stream.axes[1:]:
            raise UnsupportedOperatorError(
                f"the output has the axes {describe(stream.axes)}; the batch axis must be the first"
            )
        return stream, source, dropped
    raise refused or UnsupportedOperatorError("the input has no reading")


def _readings(tensor: Tensor) -> Iterator[tuple[Axes, int | None]]:
    """Axes that the input may have, with the size of the batch axis where the file states one.

    A first axis of fixed size above 1 is a batch, or a column vector; the graph decides.
    """
    shape = tensor.shape
    if shape is None or any(not isinstance(size, int) for size in shape[1:]):
        stated = "no shape" if shape is None else f"the shape {list(shape)}"
        raise UnsupportedOperatorError(
            f"input {tensor.name!r} has {stated}; only the first axis may be left free: state the "
            "sizes with onnx.tools.update_model_dims"
        )
    rest: Axes = tuple(size for size in shape[1:] if isinstance(size, int))
    first = shape[0] if shape else None
    if not shape or (isinstance(first, int) and len(shape) == 1):
        yield tuple(size for size in shape if isinstance(size, int)), None
    elif not isinstance(first, int):
        yield (BATCH, *rest), None
    else:
        whole, batch = ((first, *rest), None), ((BATCH, *rest), first)
        if first == 1:
            yield whole
        else:
            yield from (whole, batch) if width(rest) == 1 else (batch, whole)


def _walk(graph: Graph, stream: Stream) -> None:
    """Follow the tensor of the chain from input to output."""
    constants = dict(graph.constants)
    axes = {graph.input.name: stream.axes}
    current = graph.input.name
    for node in graph.nodes:
        missing = [k for k, name in enumerate(node.inputs) if name and name not in constants]
        if node.operator == "Shape" and missing:
            constants[node.outputs[0]] = _shape(node, axes.get(node.inputs[0]))
        elif not missing:
            constants.update(evaluate_node(node, constants, graph.opsets))
        else:
            step = _step(node, missing, constants, current)
            _apply(stream, step)
            current = node.outputs[0]
            axes[current] = stream.axes
    if current != graph.output.name:
        raise UnsupportedOperatorError(
            f"the output {graph.output.name!r} is not the end of the chain, which is {current!r}"
        )


def _step(node: Node, missing: list[int], constants: dict[str, Array], current: str) -> Step:
    """The node as a step of the chain.

    Raises
    ------
    UnsupportedOperatorError
        If the operator is unknown or the graph branches here.
    """
    if node.operator not in OPERATORS:
        raise UnsupportedOperatorError(f"{node.label} is not supported")
    if len(missing) > 1 or node.inputs[missing[0]] != current:
        names = ", ".join(repr(node.inputs[k]) for k in missing)
        raise UnsupportedOperatorError(
            f"{node.label} reads {names} where the graph branches or joins"
        )
    values = tuple(constants.get(name) for name in node.inputs)
    return Step(node, missing[0], values)


def _apply(stream: Stream, step: Step) -> None:
    """Let one operator act on the stream."""
    try:
        with np.errstate(all="ignore"):  # Values that overflow are refused with their layer.
            OPERATORS[step.node.operator](stream, step)
    except LayoutError as error:
        raise UnsupportedOperatorError(f"{step.node.label} {error}") from error
    except LeoOptError:
        raise
    except EVALUATOR_ERRORS as error:
        raise FileFormatError(
            f"{step.node.label} is malformed: {said(error)}; export the model again"
        ) from error


def _shape(node: Node, axes: Axes | None) -> Array:
    """What Shape computes, with `BATCH` for the size of the batch axis."""
    if axes is None:
        raise UnsupportedOperatorError(f"{node.label} is not supported here")
    start, end = node.attributes.get("start", 0), node.attributes.get("end", len(axes))
    return np.array(axes[start:end], dtype=np.int64)


def _signature(graph: Graph, source: Axes, stream: Stream, dropped: bool) -> Signature:
    """Names and shapes as the file states them, completed where it states nothing."""
    stated = graph.input.shape or ()
    first: Dimension = 1 if dropped else stated[0] if stated else None
    shape = (first, *source[1:]) if source else ()
    return Signature(
        input_name=graph.input.name,
        output_name=graph.output.name,
        input_shape=shape,
        output_shape=_output_shape(graph.output.shape, stream, first),
        dtype=graph.input.dtype,
    )


def _output_shape(
    stated: tuple[Dimension, ...] | None, stream: Stream, batch: Dimension
) -> tuple[Dimension, ...]:
    """The shape of the output: the one stated where the rank is right, with free sizes filled."""
    shape: tuple[Dimension, ...] = tuple(batch if size == BATCH else size for size in stream.axes)
    if stated is None or len(stated) != len(shape) or not shape:
        return shape
    keeps = not isinstance(stated[0], int) and (stream.axes[0] == BATCH or stream.axes[0] == 1)
    return (stated[0] if keeps else shape[0], *shape[1:])
