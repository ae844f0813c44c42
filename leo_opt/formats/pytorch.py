"""PyTorch modules to and from networks, without a file in between."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    torch = _torch()
    kinds = _kinds(torch)
    parts = list(_flatten(module, "module", kinds, torch.nn.Sequential))
    sized = [(part, kinds[type(part)]) for _, part in parts if kinds[type(part)].width]
    if not sized:
        raise InvalidInputError("the module has no Linear layer; its number of inputs is unknown")
    double = any(str(part.weight.dtype) == "torch.float64" for part, kind in sized if kind.weighted)
    dtype = "float64" if double else "float32"
    chain = Chain(getattr(sized[0][0], sized[0][1].width), dtype)
    for name, part in parts:
        kind = kinds[type(part)]
        if kind.width and getattr(part, kind.width) != chain.width:
            raise InvalidInputError(
                f"{name} takes {getattr(part, kind.width)} inputs and is given {chain.width}; "
                "correct the module"
            )
        kind.step(chain, part, name)
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
            # The arrays of a layer are read-only; `astype` gives PyTorch its own.
            linear.weight.copy_(torch.from_numpy(layer.weight.astype(stored.signature.dtype)))
            linear.bias.copy_(torch.from_numpy(layer.bias.astype(stored.signature.dtype)))
        parts.append(linear)
        parts.extend(activation() for activation in activations[layer.activation])
    return torch.nn.Sequential(*parts).eval()


def _torch() -> Any:
    """PyTorch, if it is installed."""
    try:
        # Named at run time: type checkers need not find an optional package.
        return importlib.import_module("torch")
    except ImportError as error:
        raise SolverNotAvailableError(
            "PyTorch modules need torch: pip install 'leo-opt[torch]'"
        ) from error


@dataclass(frozen=True)
class _Kind:
    """What a type of module does to a chain.

    Parameters
    ----------
    step
        Applies a module, given with its name, to a chain.
    width
        Name of the attribute that states the number of inputs; empty where none does.
    weighted
        Whether `weight` is always there.
    """

    step: Callable[[Chain, Any, str], None]
    width: str = ""
    weighted: bool = False


def _kinds(torch: Any) -> dict[type, _Kind]:
    """The one table of modules."""
    nn = torch.nn
    return {
        nn.BatchNorm1d: _Kind(_normalise, "num_features"),
        nn.Dropout: _Kind(_drop_out),
        nn.Flatten: _Kind(_flatten_axes),
        nn.Identity: _Kind(lambda chain, part, name: None),
        nn.Linear: _Kind(_apply, "in_features", weighted=True),
        nn.ReLU: _Kind(lambda chain, part, name: chain.rectify()),
    }


def _flatten(
    module: Any, name: str, kinds: dict[type, _Kind], sequential: type
) -> Iterator[tuple[str, Any]]:
    """The modules that do the work, in order, with the names of messages."""
    # A subclass may compute something else, so that only the types themselves count.
    is_container = type(module) is sequential
    if is_container:
        for child, part in module.named_children():
            yield from _flatten(part, f"{name}.{child}", kinds, sequential)
    elif type(module) in kinds:
        yield name, module
    else:
        known = ", ".join(["Sequential", *(kind.__name__ for kind in kinds)])
        raise UnsupportedOperatorError(
            f"{name} is a {type(module).__name__}; supported are {known}: export other modules "
            "to ONNX"
        )


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
