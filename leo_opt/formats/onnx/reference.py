"""An import tried on random inputs against ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.formats.agreement import SAMPLES, check_agreement
from leo_opt.formats.onnx.axes import BATCH, Array, Axes
from leo_opt.formats.onnx.evaluator import evaluate, evaluate_node
from leo_opt.formats.onnx.graph import Graph, Node, is_float
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network


@dataclass(frozen=True)
class Trial:
    """A graph in float64, and how it takes random inputs.

    In float32 a comparison would need so much slack that a lost bias could hide in it.

    Parameters
    ----------
    graph
        What was read.
    source
        Axes of its input.
    batch
        The size of the batch axis, where only one is possible.
    proto
        The part of the graph that depends on the input, with every float32 made float64, and its
        constants as inputs.
    constants
        Values of these.
    """

    graph: Graph
    source: Axes
    batch: int | None
    proto: Any
    constants: Mapping[str, Array]

    @property
    def count(self) -> int:
        """Inputs at once."""
        return (self.batch or SAMPLES) if BATCH in self.source else 1

    @lazy
    def largest(self) -> float:
        """The largest magnitude of the constants."""
        sizes = (float(np.abs(a).max(initial=0.0)) for a in self.constants.values() if is_float(a))
        return max(sizes, default=0.0)

    def shape(self, block: FloatArray) -> FloatArray:
        """Inputs (count, n_in) as the graph takes them."""
        return block.reshape([self.count if size == BATCH else size for size in self.source])


def prepare(graph: Graph, source: Axes, batch: int | None) -> Trial:
    """The trial of a graph; `Trial` says what the parameters are."""
    from onnx import helper

    dependent = graph.dependent
    values: dict[str, Array] = dict(graph.constants)
    protos, used = [], {graph.output.name}
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
    names = [graph.input.name, *precise]
    infos = [helper.make_empty_tensor_value_info(name) for name in [*names, graph.output.name]]
    proto = helper.make_graph(protos, "reference", infos[:-1], infos[-1:])
    return Trial(graph, source, batch, proto, precise)


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
        feed = {**trial.constants, trial.graph.input.name: trial.shape(block)}
        [output] = evaluate(trial.proto, trial.graph.opsets, feed, "the graph")
        return np.asarray(output)

    check_agreement(network, forward, "ONNX's reference evaluator", trial.largest, trial.count)


def _precise_node(node: Node) -> Any:
    """The node as the reference evaluator has to see it."""
    from onnx import NodeProto, TensorProto, helper

    proto = NodeProto()
    proto.CopyFrom(node.proto)
    for attribute in proto.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
    if node.operator == "BatchNormalization":
        # Below opset 14 the evaluator mixes the statistics of the batch into those of the file,
        # with the weight 1 - momentum, although only training should (onnx/onnx#8442).
        kept = [attribute for attribute in proto.attribute if attribute.name != "momentum"]
        del proto.attribute[:]
        proto.attribute.extend([*kept, helper.make_attribute("momentum", 1.0)])
    return proto
