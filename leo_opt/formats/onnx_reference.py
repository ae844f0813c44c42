"""ONNX's reference evaluator: for constant parts of a graph, and as the judge of an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats.agreement import SAMPLES, check_agreement
from leo_opt.formats.onnx_axes import BATCH, Array, Axes
from leo_opt.formats.onnx_graph import EVALUATOR_ERRORS, Graph, Node, is_float
from leo_opt.network import FloatArray, Network

_RANDOM = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


def evaluate_node(
    node: Node, constants: Mapping[str, Array], opsets: Mapping[str, int]
) -> dict[str, Array]:
    """Outputs of a node whose inputs are all constant.

    Raises
    ------
    UnsupportedOperatorError
        If the reference evaluator does not know the operator, or its outputs are random.
    FileFormatError
        If it cannot be evaluated.
    """
    from onnx import helper

    if node.operator in _RANDOM:
        raise UnsupportedOperatorError(f"{node.label} is random; networks must not be")
    given = {name: np.asarray(constants[name]) for name in node.inputs if name}
    names = [name for name in node.outputs if name]
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in given.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in names]
    graph = helper.make_graph([node.proto], "constant", inputs, outputs)
    values = _evaluate(graph, opsets, given, node.label)
    return dict(zip(names, (np.asarray(value) for value in values), strict=True))


def check_against_reference(
    graph: Graph, network: Network, source: Axes, samples: int | None
) -> None:
    """Compare a network with the graph it was read from at random inputs, all in float64.

    Parameters
    ----------
    source
        Axes of the graph's input.
    samples
        The size of the batch axis, where only one is possible.

    Raises
    ------
    FileFormatError
        If the graph cannot be evaluated.
    InvalidInputError
        If some output differs by more than rounding explains.
    """
    proto, constants = _in_double_precision(graph)
    largest = max(
        (float(np.abs(a).max(initial=0.0)) for a in constants.values() if is_float(a)), default=0.0
    )
    count = (samples or SAMPLES) if BATCH in source else 1
    shape = [count if size == BATCH else size for size in source]

    def forward(block: FloatArray) -> Array:
        feed = {**constants, graph.input.name: block.reshape(shape)}
        [output] = _evaluate(proto, graph.opsets, feed, "the graph")
        return np.asarray(output)

    check_agreement(network, forward, "ONNX's reference evaluator", largest, count)


def _in_double_precision(graph: Graph) -> tuple[Any, dict[str, Array]]:
    """The graph with every float32 made float64, its constants as inputs, and their values.

    In float32 a comparison would need so much slack that a lost bias could hide in it.
    """
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
    return helper.make_graph(protos, "reference", infos[:-1], infos[-1:]), precise


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


def _evaluate(
    graph: Any, opsets: Mapping[str, int], feed: Mapping[str, Array], label: str
) -> list[Any]:
    """Run a graph in the reference evaluator."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=imports))
            return list(evaluator.run(None, dict(feed)))
    except NotImplementedError as error:
        raise UnsupportedOperatorError(
            f"{label} cannot be evaluated by ONNX's reference evaluator: {error}"
        ) from error
    except EVALUATOR_ERRORS as error:
        raise FileFormatError(
            f"{label} cannot be evaluated: {error}; export the model again"
        ) from error
