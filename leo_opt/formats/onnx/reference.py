"""An import tried on random inputs against ONNX's reference evaluator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.errors import LeoOptError, UnsupportedOperatorError
from leo_opt.formats.agreement import check_agreement, random_inputs
from leo_opt.formats.onnx.evaluator import evaluate, evaluate_node
from leo_opt.formats.onnx.graph import Array, Graph, Node, is_float, read_node
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network

_TOGETHER = 3
"""Inputs that are given at once to a graph that may mix them."""


@dataclass(frozen=True)
class Trial:
    """A graph in float64, and how it takes random inputs.

    In float32 a comparison would need so much slack that a lost bias could hide in it.

    Parameters
    ----------
    graph
        What was read.
    shapes
        Of one input each; the size of a batch axis is 1.
    at_once
        How many inputs are given at once.
    batched
        Whether the first axis is a batch.
    proto
        The part of the graph that depends on the input, with every float32 made float64, and its
        constants as inputs.
    constants
        Values of these.
    """

    graph: Graph
    shapes: tuple[tuple[int, ...], ...]
    at_once: int
    batched: bool
    proto: Any
    constants: Mapping[str, Array]

    @lazy
    def largest(self) -> float:
        """The largest magnitude of the constants."""
        sizes = (float(np.abs(a).max(initial=0.0)) for a in self.constants.values() if is_float(a))
        return max(sizes, default=0.0)

    def feed(self, block: FloatArray) -> dict[str, FloatArray]:
        """Inputs (at_once, n_in) as the graph takes them."""
        fed, start = {}, 0
        for port, shape in zip(self.graph.inputs, self.shapes, strict=True):
            size = math.prod(shape)
            sizes = (self.at_once, *shape[1:]) if self.batched else shape
            fed[port.name] = block[:, start : start + size].reshape(sizes)
            start += size
        return fed

    def rows(self, outputs: Sequence[Any]) -> FloatArray:
        """Outputs of the graph, one row an input.

        Raises
        ------
        UnsupportedOperatorError
            If the first axis of one is not that of the batch.
        """
        for port, output in zip(self.graph.outputs, outputs, strict=True):
            if self.at_once > 1 and np.shape(output)[:1] != (self.at_once,):
                raise UnsupportedOperatorError(
                    f"the output {port.name!r} has the shape {list(np.shape(output))} for "
                    f"{self.at_once} inputs at once; its first axis must be that of the batch"
                )
        flat = [np.asarray(output, dtype=np.float64) for output in outputs]
        return np.hstack([output.reshape(self.at_once, -1) for output in flat])


def prepare(
    graph: Graph, shapes: tuple[tuple[int, ...], ...], at_once: int, batched: bool
) -> Trial:
    """The trial of a graph; `Trial` says what the parameters are."""
    from onnx import helper

    dependent = graph.dependent
    values: dict[str, Array] = dict(graph.constants)
    protos, used = [], {port.name for port in graph.outputs}
    for node in graph.nodes:
        if not dependent.intersection(node.inputs):
            values.update(evaluate_node(node, values, graph.opsets))
            continue
        used.update(node.inputs)
        protos.append(_precise_node(node))
    precise = {
        name: array.astype(np.float64) if is_float(array) else array
        for name, array in values.items()
        if name in used
    }
    ends = ([*(port.name for port in graph.inputs), *precise], [p.name for p in graph.outputs])
    infos = [[helper.make_empty_tensor_value_info(name) for name in names] for names in ends]
    proto = helper.make_graph(protos, "reference", *infos)
    return Trial(graph, shapes, at_once, batched, proto, precise)


def check_against_reference(trial: Trial, network: Network) -> None:
    """Compare a network with the graph it was read from at random inputs, all in float64.

    Raises
    ------
    FileFormatError
        If the graph cannot be evaluated.
    InvalidInputError
        If some output differs by more than rounding explains.
    """

    def forward(block: FloatArray) -> Array:
        feed = {**trial.constants, **trial.feed(block)}
        return trial.rows(evaluate(trial.proto, trial.graph.opsets, feed, "the graph"))

    check_agreement(network, forward, "ONNX's reference evaluator", trial.largest, trial.at_once)


def check_unmixed(trial: Trial) -> None:
    """Refuse a graph that takes several inputs at once and does not treat each of them alone.

    Parameters
    ----------
    trial
        With one input at once, although the first axis of some input is free.

    Raises
    ------
    UnsupportedOperatorError
        With the node that mixes them, as far as it can be told.
    """
    names = [port.name for port in trial.graph.outputs]
    try:
        if not any(differ for _, differ in _together_and_alone(trial, names)):
            return
    except LeoOptError:
        return  # It takes one input only.
    nodes = {name: node for node in trial.proto.node for name in node.output if name}
    label = "the graph"
    with suppress(LeoOptError):
        for name, differ in _together_and_alone(trial, list(nodes), ordered=False):
            if differ:
                label = read_node(nodes[name]).label
                break
    raise UnsupportedOperatorError(
        f"{label} mixes the inputs of a batch: of {_TOGETHER} at once it makes something else than "
        "of each alone; state the size 1 for the first axis with onnx.tools.update_model_dims if "
        "one is meant"
    )


def _together_and_alone(
    trial: Trial, names: Sequence[str], ordered: bool = True
) -> Iterator[tuple[str, bool]]:
    """For each tensor whether it holds other values for several inputs than for each alone.

    Parameters
    ----------
    ordered
        Whether values have to be in the order of the inputs.
    """
    from onnx import GraphProto, helper

    graph = GraphProto()
    graph.CopyFrom(trial.proto)
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    points = random_inputs(_TOGETHER, sum(map(math.prod, trial.shapes)))
    feeds: list[dict[str, Array]] = [dict(trial.constants) for _ in range(_TOGETHER + 1)]
    start = 0
    for port, shape in zip(trial.graph.inputs, trial.shapes, strict=True):
        part = points[:, start : start + math.prod(shape)]
        start += math.prod(shape)
        rows = part if port.is_free else np.repeat(part[:1], _TOGETHER, axis=0)
        feeds[0][port.name] = (
            rows.reshape(-1, *shape[1:]) if port.is_free else rows[0].reshape(shape)
        )
        for feed, row in zip(feeds[1:], rows, strict=True):
            feed[port.name] = row.reshape(shape)
    together, *alone = (evaluate(graph, trial.graph.opsets, feed, "the graph") for feed in feeds)
    for index, name in enumerate(names):
        left = np.ravel(together[index]).astype(np.float64)
        right = np.concatenate([np.ravel(one[index]) for one in alone]).astype(np.float64)
        if not ordered:
            if not is_float(np.asarray(together[index])):
                continue  # Shapes may well differ.
            left, right = np.sort(left), np.sort(right)
        yield name, left.shape != right.shape or not np.allclose(left, right, 1e-9, 1e-9)


def _precise_node(node: Node) -> Any:
    """The node as the reference evaluator has to see it."""
    from onnx import NodeProto, TensorProto

    proto = NodeProto()
    proto.CopyFrom(node.proto)
    for attribute in proto.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
    if node.operator == "BatchNormalization":
        # Below opset 14 the evaluator mixes the statistics of the batch into those of the file,
        # with the weight 1 - momentum, although only training should (onnx/onnx#8442).
        _set(proto, "momentum", 1.0)
    if node.operator == "MaxPool" and set(node.attributes.get("strides", [1])) == {1}:
        # At strides of 1, where it does nothing, the evaluator adds the padding once more.
        _set(proto, "ceil_mode", 0)
    if node.operator == "ai.onnx.ml.LinearRegressor" and "intercepts" not in node.attributes:
        _set(proto, "intercepts", [0.0] * node.attributes.get("targets", 1))
    return proto


def _set(proto: Any, name: str, value: float | list[float]) -> None:
    """Replace an attribute of a node."""
    from onnx import helper

    kept = [attribute for attribute in proto.attribute if attribute.name != name]
    del proto.attribute[:]
    proto.attribute.extend([*kept, helper.make_attribute(name, value)])
