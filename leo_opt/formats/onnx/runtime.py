"""onnxruntime as the second judge of an import, where it is installed and can run the file.

ONNX's reference evaluator has faults of its own, and computes constants as well as it judges. So
the file as it stands, with nothing of it read, converted or folded by us, is run a second time,
and then once more in float64, where a comparison needs no tolerance worth the name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, LeoOptError
from leo_opt.formats.agreement import SAMPLES, SLACK, check_agreement, random_inputs, with_room
from leo_opt.formats.dtypes import input_parts, is_batched, output_parts
from leo_opt.formats.onnx.file import LARGEST, domain_of, parse
from leo_opt.formats.onnx.graph import Array
from leo_opt.formats.onnx.reference import Trial
from leo_opt.formats.onnx.tails import end_at, stated_ports
from leo_opt.formats.outputs import file_outputs, file_room
from leo_opt.network import FloatArray, Network

_JUDGE = "onnxruntime"
_ELEMENTWISE = 16
"""Elementwise steps, each with a rounding of its own, that one layer may stand for."""


class _NoOpinionError(LeoOptError):
    """The runtime is not installed, refuses the graph, or overflows; never seen outside."""


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


def check_file(model: Any, network: Network) -> None:
    """Compare a network and its tails with what onnxruntime makes of their file.

    Raises
    ------
    InvalidInputError
        If some output differs by more than rounding explains.
    """
    constants = max(float(np.abs(layer.bias).max(initial=1.0)) for layer in network.layers)
    room = 16.0 * _ELEMENTWISE * max(layer.n_in for layer in network.layers) * 2.0**-24
    inputs = random_inputs(SAMPLES, network.input_size)
    outputs, spread = with_room(network, inputs, 1e4 * constants, room)
    with suppress(_NoOpinionError):
        found, taken = _outputs_of(model, network, inputs)
        _check_near(network, outputs[:taken], spread[:taken], found, "the file's tail")


def compare_files(
    source: Path, target: Path, networks: tuple[Network, Network], points: FloatArray, room: float
) -> float | None:
    """The largest difference that onnxruntime shows between two files, tails included.

    Parameters
    ----------
    networks
        In the two files.
    points : (N, n_in) array
    room
        How far outputs in front of the tails may differ, float evaluation of both files included.

    Returns
    -------
    float or None
        None where it does not run both of them.

    Raises
    ------
    InvalidInputError
        If a difference is larger.
    """
    with suppress(_NoOpinionError):
        points = points.astype(np.float32).astype(np.float64)
        sides = [
            _outputs_of(parse(path), network, points)
            for path, network in zip((source, target), networks, strict=True)
        ]
        taken = min(rows for _, rows in sides)
        outputs = networks[0](points[:taken])
        expected, found = (side[:taken] for side, _ in sides)
        spread = np.full(outputs.shape, room)
        return _check_near(networks[0], outputs, spread, found, "the file written", expected)
    return None


def _check_near(
    network: Network,
    outputs: FloatArray,
    room: FloatArray,
    found: FloatArray,
    what: str,
    expected: FloatArray | None = None,
) -> float:
    """The largest difference to what a file gives, which must not be more than room explains."""
    wanted = file_outputs(network, outputs) if expected is None else expected
    allowed = file_room(network, outputs, room)
    judged = np.isfinite(allowed)
    if found.shape != wanted.shape:
        raise InvalidInputError(
            f"{what} gives {found.shape[1]} numbers an input by {_JUDGE} where {wanted.shape[1]} "
            "are expected; please report this with the model"
        )
    off = np.where(judged, np.abs(found - wanted), 0.0)
    # What stands behind the network is computed in float32, with functions of its own.
    if not (off <= np.where(judged, allowed, 0.0) + 1e-5 * (1.0 + np.abs(wanted))).all():
        raise InvalidInputError(
            f"{what} is off by {off.max():.3g} by {_JUDGE}; please report this with the model"
        )
    return float(off.max(initial=0.0))


def _outputs_of(model: Any, network: Network, points: FloatArray) -> tuple[FloatArray, int]:
    """Outputs of a file, one row an input, and how many of the points were taken.

    Raises
    ------
    _NoOpinionError
        If onnxruntime is not installed or does not run the file.
    """
    parts, signature, batched = input_parts(network), network.signature, is_batched(network)
    names = [tail.name for tail in signature.tails] or [name for name, _ in output_parts(network)]
    end_at(model, names, stated_ports(model))
    session = _session(model)
    first = parts[0][1][:1] if batched else (1,)
    at_once = first[0] if first and isinstance(first[0], int) else len(points)
    rows: list[FloatArray] = []
    for begin in range(0, len(points) - at_once + 1, at_once):
        block, feed, start = points[begin : begin + at_once], {}, 0
        for name, shape in parts:
            inner = [k for k in shape[batched:] if isinstance(k, int)] or [network.input_size]
            size = math.prod(inner)
            sizes = [at_once, *inner] if batched else inner
            feed[name] = block[:, start : start + size].reshape(sizes).astype(signature.dtype)
            start += size
        try:
            results = session.run(names, feed)
            rows.append(np.hstack([np.reshape(r, (at_once, -1)) for r in results]))
        except Exception as error:  # The border to a foreign binding.
            raise _NoOpinionError from error
    found = np.vstack(rows).astype(np.float64) if rows else np.empty((0, 0))
    if not rows or not np.isfinite(found).all():
        raise _NoOpinionError
    return found, len(found)


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
