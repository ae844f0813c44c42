"""Networks as PyTorch modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.activations import read_activation
from leo_opt.errors import UnsupportedOperatorError
from leo_opt.formats.dtypes import written
from leo_opt.formats.pytorch.twin import import_torch
from leo_opt.network import Layer, Network, read_network
from leo_opt.rectify import parts_of
from leo_opt.tails import Tail


def to_torch(network: Network, dtype: str | None = None) -> Any:
    """A Sequential with the weights of `written(network, dtype)`.

    It takes batches (N, n_in). Each layer is a Linear and, where its units are not linear, a ReLU,
    a LeakyReLU or a Hardtanh; where it has several activations, a PReLU whose slopes are 0 for
    rectifiers and 1 for linear units, which is exact.

    Parameters
    ----------
    dtype
        "float32" or "float64"; by default that of the signature.

    Raises
    ------
    InvalidInputError
        If a number does not fit `dtype`.
    UnsupportedOperatorError
        If a layer has clips beside other activations, or `dtype` would round a slope or an end.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    torch = import_torch()
    stored = written(read_network(network), dtype)
    kind = getattr(torch, stored.signature.dtype)
    parts = []
    for layer in (part for whole in stored.layers for part in _split(whole, stored)):
        linear = torch.nn.Linear(layer.n_in, layer.n_out, dtype=kind)
        with torch.no_grad():
            # The arrays of a layer are read-only; `astype` gives PyTorch its own.
            matrix = weights.dense(layer.weight).astype(stored.signature.dtype)
            linear.weight.copy_(torch.from_numpy(matrix))
            linear.bias.copy_(torch.from_numpy(layer.bias.astype(stored.signature.dtype)))
        parts += [linear, *_activations(layer, stored.signature.dtype, torch)]
    return torch.nn.Sequential(*parts, *_ends(stored.signature.tails, torch)).eval()


def _split(layer: Layer, stored: Network) -> list[Layer]:
    """A layer as those of one module each: of clips beside others the rectifiers that they are."""
    if len(set(layer.tags)) == 1 or all(kind.homogeneous for kind, _ in layer.activations()):
        return [layer]
    parts = parts_of(layer)
    if Network(tuple(parts)) != written(Network(tuple(parts)), stored.signature.dtype):
        raise UnsupportedOperatorError(
            f"a layer has the activations {layer.label}, which {stored.signature.dtype} would "
            "round: save the network as .npz or .onnx, or use dtype='float64'"
        )
    return parts


def module_like(module: Any, network: Network) -> Any:
    """A network as a module that can stand where another one stood, which stays as it is.

    Parameters
    ----------
    module
        A module with the same inputs and outputs.

    Returns
    -------
    torch.nn.Sequential
        The module of `to_torch`, on the device, in the mode and of the dtype of the other one; its
        numbers may be trained unless all of the other were frozen. Where inputs of the other have
        several axes a Flatten is in front, and an Unflatten behind where outputs have.

    Raises
    ------
    UnsupportedOperatorError
        If the other has several inputs or outputs, or as `to_torch` does.
    """
    torch, signature = import_torch(), network.signature
    if signature.inputs or signature.outputs:
        raise UnsupportedOperatorError(
            "the module has several inputs or outputs, and a Sequential has one of each; take "
            "to_torch(compression.network), which has all of them in a row"
        )
    made = to_torch(network)
    ends = (signature.input_shape, signature.output_shape)
    before, behind = ((shape or ())[1:] for shape in ends)
    front = [torch.nn.Flatten()] if len(before) > 1 else []
    back = [torch.nn.Unflatten(1, behind)] if len(behind) > 1 else []
    numbers = list(module.parameters())
    made = torch.nn.Sequential(*front, *made, *back).train(module.training)
    if numbers:
        made.to(numbers[0].device)
        made.requires_grad_(any(number.requires_grad for number in numbers))
    return made


def note_on_module(module: Any) -> str:
    """Where `module_like` gives something of another make than the module, what that is."""
    nn = import_torch().nn
    known = (nn.Linear, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Hardtanh, nn.Identity)
    ends = (nn.Flatten, nn.Unflatten, nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Tanh)
    if type(module) is nn.Sequential and all(type(one) in (*known, *ends) for one in module):
        return ""
    return f"model: a Sequential in the place of a {_make(module)}, with one matrix a layer"


def _make(module: Any) -> str:
    """What a module is made of."""
    parts = dict.fromkeys(type(part).__name__ for part in module.children())
    return f"{type(module).__name__} of {', '.join(parts)}" if parts else type(module).__name__


def _ends(tails: Sequence[Tail], torch: Any) -> list[Any]:
    """The modules of a tail."""
    made = {
        "LogSoftmax": lambda: torch.nn.LogSoftmax(dim=-1),
        "Sigmoid": torch.nn.Sigmoid,
        "Softmax": lambda: torch.nn.Softmax(dim=-1),
        "Tanh": torch.nn.Tanh,
    }
    steps = [step for tail in tails for step in tail.steps]
    flat = all(len(tail.source_shape) == 2 for tail in tails)
    known = all(step.operator in made and step.axis in (None, 1) for step in steps)
    if len(tails) > 1 or not (flat and known):
        raise UnsupportedOperatorError(
            f"the network ends with {', '.join(map(str, tails))}, which is no module of PyTorch; "
            f"load it with output_tensor={tails[0].source!r}"
        )
    return [made[step.operator]() for step in steps]


def _activations(layer: Layer, dtype: str, torch: Any) -> list[Any]:
    """The module of a layer's activations; none where all units are linear."""
    kinds = {tag: read_activation(tag) for tag in set(layer.tags)}
    [one, *more] = kinds.values()
    if all(kind.homogeneous for kind in kinds.values()):
        below = {tag: kind.pieces[0].slope for tag, kind in kinds.items()}
        _check_exact(below.values(), dtype, layer)
        if more:
            slopes = np.array([below[tag] for tag in layer.tags])
            module = torch.nn.PReLU(layer.n_out, dtype=getattr(torch, dtype))
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(slopes))
            return [module]
        [slope] = below.values()
        # PyTorch spells the rectifier with a capital U.
        modules = {0.0: torch.nn.ReLU(), 1.0: None}
        module = modules.get(slope, torch.nn.LeakyReLU(slope))
        return [] if module is None else [module]
    low, high = one.pieces[0].upper, one.pieces[-1].lower
    low, high = (-np.inf if one.pieces[0].slope else low, np.inf if one.pieces[-1].slope else high)
    _check_exact((low, high), dtype, layer)
    return [torch.nn.Hardtanh(low, high)]


def _check_exact(numbers: Iterable[float], dtype: str, layer: Layer) -> None:
    """Refuse numbers of an activation that a dtype would round."""
    for number in numbers:
        nearest = float(np.array(number).astype(dtype))
        if nearest != number:
            raise UnsupportedOperatorError(
                f"a layer has the activations {layer.label}, of which {dtype} rounds {number!r} to "
                f"{nearest!r}; use dtype='float64', or that number"
            )
