"""PyTorch modules as networks: exported to ONNX in memory, read, and judged by the module."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats.agreement import SAMPLES, check_agreement, random_inputs
from leo_opt.formats.onnx.file import said
from leo_opt.formats.onnx.reader import read_model
from leo_opt.formats.outputs import file_outputs
from leo_opt.formats.pytorch.modes import exact, look, same
from leo_opt.formats.pytorch.twin import border, dtype_of, import_torch, plain, twin_of
from leo_opt.network import FloatArray, Network

_OPSET = 17
_TAIL_SLACK = 1e-9
"""Difference granted to outputs behind a tail, relative and absolute."""


def from_torch(module: Any, example: Any = None) -> Network:
    """The network that a PyTorch module computes in evaluation mode and double precision.

    Any module will do that PyTorch's exporter to ONNX takes and whose graph `load` would read:
    convolutions, branches, functional calls, hooks, parametrizations. The module stays as it is.
    What was read is compared with the forward pass of a copy of it before it is returned.

    Parameters
    ----------
    module : torch.nn.Module
        Batch normalisation and dropout must be in evaluation mode. It may end with Softmax,
        LogSoftmax, Sigmoid, Tanh or the like.
    example : tensor or array, or tuple of them, or None
        An input whose first axis is the batch, of which only the shape counts; several for a module
        that takes several. By default one vector, as long as the first linear layer says.

    Returns
    -------
    Network
        Weights are converted exactly to float64, and inputs are flattened. It is what stands in
        front of the end, which is in `signature.tails`.

    Raises
    ------
    UnsupportedOperatorError
        If the module cannot be exported, may decide by values which way it goes, changes from one
        forward pass to the next, or has an operator that is not piecewise linear; the message has
        its path.
    InvalidInputError
        If a module is in training mode, no example was given where one is needed, a number is not
        float32 or float64, or PyTorch computes something else than what was read.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    torch = import_torch()
    _check_module(module, torch)
    dtype, judge = dtype_of(module), twin_of(module, torch)
    inputs = [torch.zeros(shape, dtype=torch.float64) for shape in _shapes(module, example, torch)]
    cure = "correct it, or export it to ONNX"
    with border("computes no outputs", cure if example is not None else f"{_EXAMPLE}, or {cure}"):
        looked, ones = twin_of(module, torch), [torch.ones_like(one) for one in inputs]
        first = look(looked, ones, lambda: _tensors(_run(looked, ones, torch), torch), torch)
        again = _tensors(_run(looked, ones, torch), torch)
    if not all(same(one, other, torch) for one, other in zip(first, again, strict=True)):
        raise UnsupportedOperatorError(
            "the module gives something else for the same inputs when it is run again; make it a "
            "function of its inputs in evaluation mode"
        )
    model = _export(plain(twin_of(module, torch), torch), inputs, len(first), torch)
    stated = [port.name for port in model.graph.input]
    if 0 < len(stated) < len(inputs):
        raise InvalidInputError(
            f"of the {len(inputs)} inputs in example only {', '.join(stated)} have a part in the "
            "outputs; wrap the module in one that takes no others"
        )
    largest = max((_largest(one) for one in model.graph.initializer), default=0.0)
    network = read_model(model)
    sizes = [math.prod(one.shape[1:]) for one in inputs]

    def forward(block: FloatArray) -> FloatArray:
        parts = np.split(block, np.cumsum(sizes)[:-1], axis=1)
        given = [
            torch.from_numpy(np.ascontiguousarray(part)).reshape(-1, *one.shape[1:])
            for part, one in zip(parts, inputs, strict=True)
        ]
        outputs = _tensors(_run(judge, given, torch), torch)
        return np.hstack([output.numpy().reshape(len(block), -1) for output in outputs])

    if network.signature.tails:
        _check_tails(network, forward)
    else:
        check_agreement(network, forward, _JUDGE, largest)
    return replace(network, signature=replace(network.signature, dtype=dtype))


_JUDGE = "PyTorch's own forward pass"
_EXAMPLE = "give example=torch.zeros(1, ...) with the shape of an input"


def _largest(constant: Any) -> float:
    """The largest magnitude of a constant of an ONNX model."""
    from onnx import numpy_helper

    return float(np.abs(numpy_helper.to_array(constant)).max(initial=0.0))


def _check_tails(network: Network, forward: Callable[[FloatArray], FloatArray]) -> None:
    """Compare a network and its tails with the module as a whole."""
    inputs = random_inputs(SAMPLES, network.input_size)
    with border("computes no outputs"):
        expected = forward(inputs)
    found = file_outputs(network, network(inputs))
    if not np.allclose(found, expected, _TAIL_SLACK, _TAIL_SLACK):
        raise InvalidInputError(
            f"what was read disagrees with {_JUDGE}; please report this with the module"
        )


def _run(module: Any, inputs: Sequence[Any], torch: Any) -> Any:
    """What a module gives; an autocast and the random numbers of the caller play no part."""
    with (
        warnings.catch_warnings(),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.random.fork_rng([]),
    ):
        warnings.simplefilter("ignore")
        return module(*inputs)


def _tensors(outputs: Any, torch: Any) -> list[Any]:
    """The outputs of a module, as a list."""
    found = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    for one in found:
        if not isinstance(one, torch.Tensor):
            raise UnsupportedOperatorError(
                f"the module gives a {type(one).__name__}; a tensor, or a tuple of them, is read"
            )
    return found


def _check_module(module: Any, torch: Any) -> None:
    """Refuse what is no module, or would compute something else in evaluation mode."""
    if not isinstance(module, torch.nn.Module):
        raise InvalidInputError(
            f"from_torch takes a torch.nn.Module and was given a {type(module).__name__}"
        )
    nn = torch.nn
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    drops = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
    families = (
        ((*drops, nn.FeatureAlphaDropout), "drops units at random"),
        (norms, "normalises by its batch"),
    )
    for name, part in module.named_modules(prefix="module"):
        own = (*part.parameters(recurse=False), *part.buffers(recurse=False))
        if any(map(torch.nn.parameter.is_lazy, own)):
            raise InvalidInputError(
                f"{name} is a {type(part).__name__} that has no weights yet; call the module once"
            )
        for family, what in families:
            if part.training and isinstance(part, family):
                raise InvalidInputError(f"{name} {what}; call module.eval()")
        if isinstance(part, norms) and part.running_mean is None:
            raise InvalidInputError(
                f"{name} has no running statistics and normalises by its batch; train it with "
                "track_running_stats=True"
            )


def _shapes(module: Any, example: Any, torch: Any) -> list[tuple[int, ...]]:
    """The shapes of the inputs, with a batch of one in front."""
    if example is None:
        return [(1, _width(module))]
    several = example if isinstance(example, (tuple, list)) else (example,)
    shapes = [
        tuple(one.shape) if isinstance(one, (torch.Tensor, np.ndarray)) else () for one in several
    ]
    if not shapes or any(len(shape) < 2 for shape in shapes):
        raise InvalidInputError(
            "example is no tensor with a batch axis in front; give one such as "
            "torch.zeros(1, 3, 32, 32), or a tuple of them"
        )
    return [(1, *shape[1:]) for shape in shapes]


def _width(module: Any) -> int:
    """The number of inputs that the first module with weights takes."""
    for name, part in module.named_modules(prefix="module"):
        # Names that modules of PyTorch have for it.
        known = vars(part)
        width = known.get("in_features", known.get("num_features"))
        if "in_channels" in known or (width is None and "weight" in known.get("_parameters", {})):
            raise InvalidInputError(
                f"{name} is a {type(part).__name__}, which does not say how large its inputs are; "
                f"{_EXAMPLE}"
            )
        if width is not None:
            return int(width)
    raise InvalidInputError(
        f"the module has no Linear layer; its number of inputs is unknown: {_EXAMPLE}"
    )


def _export(twin: Any, inputs: Sequence[Any], count: int, torch: Any) -> Any:
    """The module, which gives `count` tensors, as an ONNX model in double precision."""
    import onnx

    stream = io.BytesIO()
    names = [f"input_{k}" for k in range(len(inputs))] if len(inputs) > 1 else ["input"]
    outputs = [f"output_{k}" for k in range(count)] if count > 1 else ["output"]
    decided: list[str] = []
    try:
        with (
            _quiet(torch),
            torch.no_grad(),
            torch.random.fork_rng([]),
            exact(torch, decided),
        ):
            torch.onnx.export(
                twin,
                tuple(inputs),
                stream,
                input_names=names,
                output_names=outputs,
                dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
                opset_version=_OPSET,
                dynamo=False,
            )
    except LeoOptError:
        raise
    except Exception as error:
        # Behind it PyTorch asks for a contribution, and lists what it made of the module.
        told = said(error).partition(" [Caused by")[0].partition(" Please feel free")[0].rstrip(".")
        raise UnsupportedOperatorError(
            f"PyTorch does not export the module to ONNX: {told}; write what it computes with "
            "other operators"
        ) from error
    if decided:
        raise UnsupportedOperatorError(
            f"the module decides by sizes which way it goes, {decided[0]}, and one way would be "
            "exported; decide outside of forward"
        )
    return onnx.load_model_from_string(stream.getvalue())


@contextmanager
def _quiet(torch: Any) -> Iterator[None]:
    """Without warnings, and what the exporter prints, in Python or not, where it fails."""
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch._C._jit_onnx_log = log
