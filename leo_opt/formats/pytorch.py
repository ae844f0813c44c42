"""PyTorch modules to and from networks, without a file in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from leo_opt.errors import (
    InvalidInputError,
    SolverNotAvailableError,
    UnsupportedOperatorError,
)
from leo_opt.formats.chain import Chain
from leo_opt.formats.storage import written
from leo_opt.network import FloatArray, Network, Signature


def from_torch(module: Any) -> Network:
    """The network that a PyTorch module in evaluation mode computes.

    Parameters
    ----------
    module : torch.nn.Module
        Linear, or a Sequential, nested at will, of Linear, ReLU, Flatten, Identity, Dropout and
        BatchNorm1d. The latter two must be in evaluation mode.

    Returns
    -------
    Network
        Weights converted exactly to float64; a batch normalisation is folded.

    Raises
    ------
    UnsupportedOperatorError
        If another module occurs; export to ONNX may still help.
    InvalidInputError
        If a module is in training mode, or the sizes do not chain.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    steps = _steps(_torch())
    parts = list(_flatten(module, "module", steps))
    width = next((_width(part) for _, part in parts if _width(part) is not None), None)
    if width is None:
        raise InvalidInputError("the module has no Linear layer; its number of inputs is unknown")
    dtype = "float64" if "float64" in {_dtype(part) for _, part in parts} else "float32"
    chain = Chain(width, dtype)
    for name, part in parts:
        if _width(part) not in (None, chain.width):
            raise InvalidInputError(
                f"{name} takes {_width(part)} inputs and is given {chain.width}; correct the module"
            )
        steps[type(part)](chain, part, name)
    return Network(chain.layers(), Signature(dtype=dtype))


def to_torch(network: Network, dtype: str | None = None) -> Any:
    """A Sequential of Linear and ReLU with the weights of `written(network, dtype)`.

    Parameters
    ----------
    dtype
        "float32" or "float64"; by default that of the signature.

    Raises
    ------
    InvalidInputError
        If a number does not fit `dtype`.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    torch = _torch()
    stored = written(network, dtype)
    kind = getattr(torch, stored.signature.dtype)
    activations = {"linear": (), "relu": (torch.nn.ReLU,)}
    parts = []
    for layer in stored.layers:
        linear = torch.nn.Linear(layer.n_in, layer.n_out, dtype=kind)
        with torch.no_grad():
            # The arrays of a layer are read-only; PyTorch wants its own.
            linear.weight.copy_(torch.tensor(layer.weight.tolist(), dtype=kind))
            linear.bias.copy_(torch.tensor(layer.bias.tolist(), dtype=kind))
        parts.append(linear)
        parts.extend(activation() for activation in activations[layer.activation])
    return torch.nn.Sequential(*parts).eval()


def _torch() -> Any:
    """PyTorch, if it is installed."""
    try:
        import torch
    except ImportError as error:
        raise SolverNotAvailableError(
            "PyTorch modules need torch: pip install 'leo-opt[torch]'"
        ) from error
    return torch


_Step = Callable[[Chain, Any, str], None]


def _steps(torch: Any) -> dict[type, _Step]:
    """The one table of modules."""
    nn = torch.nn
    return {
        nn.BatchNorm1d: _normalise,
        nn.Dropout: _drop_out,
        nn.Flatten: _flatten_axes,
        nn.Identity: lambda chain, part, name: None,
        nn.Linear: _apply,
        nn.ReLU: lambda chain, part, name: chain.rectify(),
    }


def _flatten(module: Any, name: str, steps: dict[type, _Step]) -> Iterator[tuple[str, Any]]:
    """The modules that do the work, in order, with the names of messages."""
    if type(module).__name__ == "Sequential" and type(module) not in steps:
        for child, part in module.named_children():
            yield from _flatten(part, f"{name}.{child}", steps)
    elif type(module) in steps:
        yield name, module
    else:
        known = ", ".join(["Sequential", *(kind.__name__ for kind in steps)])
        raise UnsupportedOperatorError(
            f"{name} is a {type(module).__name__}; supported are {known}: export other modules "
            "to ONNX"
        )


def _width(part: Any) -> int | None:
    """Number of inputs that a module states."""
    stated = getattr(part, "in_features", getattr(part, "num_features", None))
    return None if stated is None else int(stated)


def _dtype(part: Any) -> str | None:
    """Element type of a module's weights."""
    weight = getattr(part, "weight", None)
    return None if weight is None else str(weight.dtype).removeprefix("torch.")


def _numbers(tensor: Any, name: str) -> FloatArray:
    """A tensor as float64, exactly."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in ("float32", "float64"):
        raise InvalidInputError(
            f"{name} has weights of type {kind}; convert the module with module.float()"
        )
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _apply(chain: Chain, part: Any, name: str) -> None:
    """Linear."""
    chain.apply(_numbers(part.weight, name))
    if part.bias is not None:
        chain.add(_numbers(part.bias, name))


def _normalise(chain: Chain, part: Any, name: str) -> None:
    """BatchNorm1d with the statistics of training."""
    if part.training or part.running_mean is None:
        raise InvalidInputError(
            f"{name} normalises by its batch; train it with running statistics and call "
            "module.eval()"
        )
    variance = _numbers(part.running_var, name) + part.eps
    scale = np.ones(chain.width) if part.weight is None else _numbers(part.weight, name)
    shift = np.zeros(chain.width) if part.bias is None else _numbers(part.bias, name)
    factor = scale / np.sqrt(variance)
    chain.normalise(factor, shift - _numbers(part.running_mean, name) * factor)


def _drop_out(_chain: Chain, part: Any, name: str) -> None:
    """Dropout, which does nothing in evaluation mode."""
    if part.training:
        raise InvalidInputError(f"{name} drops units at random; call module.eval()")


def _flatten_axes(_chain: Chain, part: Any, name: str) -> None:
    """Flatten of all axes but the batch."""
    if (part.start_dim, part.end_dim) != (1, -1):
        raise UnsupportedOperatorError(
            f"{name} flattens the axes {part.start_dim} to {part.end_dim}; Flatten() is supported"
        )
