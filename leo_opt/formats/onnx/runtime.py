"""onnxruntime as the second judge of an import, where it is installed and can run the file.

ONNX's reference evaluator has faults of its own, and computes constants as well as it judges. So
the file as it stands, with nothing of it read, converted or folded by us, is run a second time,
and then once more in float64, where a comparison needs no tolerance worth the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from leo_opt.formats.agreement import SLACK, check_agreement
from leo_opt.formats.onnx.file import LARGEST, domain_of
from leo_opt.formats.onnx.graph import Array
from leo_opt.formats.onnx.reference import Trial
from leo_opt.network import FloatArray, Network

_JUDGE = "onnxruntime"
_ELEMENTWISE = 16
"""Elementwise steps, each with a rounding of its own, that one layer may stand for."""


class _NoOpinionError(Exception):
    """The runtime is not installed, refuses the graph, or overflows."""


def check_against_runtime(model: Any, trial: Trial, network: Network) -> None:
    """Compare a network with what onnxruntime makes of its file; no opinion where that cannot be.

    Parameters
    ----------
    model
        The file as ONNX's model, before anything was done to it.

    Raises
    ------
    InvalidInputError
        If some output differs by more than rounding explains.
    """
    dtype = trial.graph.inputs[0].dtype
    slack, largest = SLACK, trial.largest
    if dtype == "float32":
        # A sum of n float32 terms is off by at most n units of 2**-24, whatever their order, and
        # so is each elementwise step. Such steps are folded here, but not in the runtime, where
        # their results may be as large as the constants.
        terms = max(layer.n_in for layer in network.layers) + _ELEMENTWISE
        slack, largest = 4.0 * terms * 2.0**-24, 1e4 * trial.largest
    with suppress(_NoOpinionError):
        whole = _session(model)

        def as_stored(block: FloatArray) -> Array:
            feed = {name: given.astype(dtype) for name, given in trial.feed(block).items()}
            return _run(whole, trial, feed)

        check_agreement(network, as_stored, _JUDGE, largest, trial.at_once, slack)
    with suppress(_NoOpinionError):
        precise = _session(_typed(trial))

        def in_double(block: FloatArray) -> Array:
            return _run(precise, trial, {**trial.constants, **trial.feed(block)})

        check_agreement(network, in_double, _JUDGE, trial.largest, trial.at_once)


def _typed(trial: Trial) -> Any:
    """The graph of a trial as a model, with the types that the runtime asks for.

    Raises
    ------
    _NoOpinionError
        If it has an operator that computes in float32 whatever it is given.
    """
    from onnx import TensorProto, helper

    if any(domain_of(node.domain) for node in trial.proto.node):
        raise _NoOpinionError
    graph = trial.graph
    sources, targets = (
        [helper.make_tensor_value_info(port.name, TensorProto.DOUBLE, None) for port in ports]
        for ports in (graph.inputs, graph.outputs)
    )
    constants = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in trial.constants.items()
    ]
    typed = helper.make_graph(list(trial.proto.node), "precise", [*sources, *constants], targets)
    imports = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    return helper.make_model(typed, opset_imports=imports, ir_version=10)


def _session(model: Any) -> Any:
    """A model in onnxruntime, quiet and with one thread.

    Raises
    ------
    _NoOpinionError
        If onnxruntime is not installed or does not take the model.
    """
    try:
        import onnxruntime

        if model.ByteSize() > LARGEST:
            raise _NoOpinionError
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Optimised, it would not compute what the file says: quantised weights, for one, make it
        # quantise activations, too.
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # The border to a foreign binding: whatever it is, no opinion.
        raise _NoOpinionError from error


def _run(session: Any, trial: Trial, feed: Mapping[str, Array]) -> Array:
    """What a session computes, one row an input.

    Raises
    ------
    _NoOpinionError
        If there is nothing, or it is not finite.
    """
    try:
        names = [port.name for port in trial.graph.outputs]
        array = trial.rows(session.run(names, dict(feed)))
    except Exception as error:  # As above.
        raise _NoOpinionError from error
    if not np.isfinite(array).all():
        raise _NoOpinionError
    return array
