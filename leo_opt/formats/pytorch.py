"""PyTorch modules to and from networks, without a file in between."""

from __future__ import annotations

import copy
import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.activations import read_activation
from leo_opt.errors import (
    InvalidInputError,
    LeoOptError,
    SolverNotAvailableError,
    UnsupportedOperatorError,
)
from leo_opt.formats.agreement import SAMPLES, check_agreement, random_inputs
from leo_opt.formats.chain import Chain
from leo_opt.formats.dtypes import written
from leo_opt.network import FloatArray, Layer, Network, Signature, read_network
from leo_opt.tails import ELEMENTWISE, Tail, TailStep


def from_torch(module: Any) -> Network:
    """The network that a PyTorch module computes in evaluation mode and double precision.

    The module stays as it is. What was read is compared with the forward pass of a copy of it
    before it is returned.

    Parameters
    ----------
    module : torch.nn.Module
        Linear, or a Sequential, nested at will, of Linear, ReLU, LeakyReLU, PReLU, Flatten,
        Identity, Dropout and BatchNorm1d, and subclasses of these that inherit `forward`, such as
        a Linear with parametrizations. Dropout and BatchNorm1d must be in evaluation mode. It may
        end with Softmax, LogSoftmax, Sigmoid or Tanh.

    Returns
    -------
    Network
        Weights converted exactly to float64; a batch normalisation is folded. It is what stands in
        front of the end, which is in `signature.tails`.

    Raises
    ------
    UnsupportedOperatorError
        If another module occurs, or one with hooks or a `forward` of its own; the message has its
        path and type.
    InvalidInputError
        If a module is in training mode, the sizes do not chain, a number is not float32 or
        float64, or PyTorch computes something else than what was read.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    torch = _torch()
    _refuse_others(module, torch)
    dtype = _dtype_of(module)
    twin = _twin(module, torch)
    # A parametrization computes its weight whenever it is read, so that it is read from the twin.
    with torch.no_grad():
        parts = list(_parts(twin, "module", _kinds(torch)))
        ends = list(itertools.takewhile(lambda known: known[2].tail, reversed(parts)))[::-1]
        front = parts[: len(parts) - len(ends)]
        network = _read(front, dtype)
        numbers = [*twin.parameters(), *twin.buffers()]
        largest = max((float(t.double().abs().max()) for t in numbers if t.numel()), default=0.0)

    def forward(inputs: FloatArray) -> Any:
        # Neither an autocast nor the random numbers of the caller have a part in this.
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.random.fork_rng([]):
            return twin(torch.from_numpy(inputs)).numpy()

    def forward_in_front(inputs: FloatArray) -> Any:
        values = torch.from_numpy(inputs)
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.random.fork_rng([]):
            for _, part, _ in front:
                values = part(values)
        return values.numpy()

    judged = forward_in_front if ends else forward
    with _border("computes no outputs"):
        check_agreement(network, judged, "PyTorch's own forward pass", largest)
        return _with_tail(network, ends, forward) if ends else network


def _with_tail(
    network: Network, ends: Sequence[KnownModule], forward: Callable[[FloatArray], Any]
) -> Network:
    """A network with the modules at its end, compared with the whole of them."""
    shape, steps = ("batch", network.output_size), []
    for name, part, kind in ends:
        dim = getattr(part, "dim", 1)
        if dim not in (1, -1):
            raise UnsupportedOperatorError(
                f"{name} works along axis {dim}; a {kind.tail} along the last one is read"
            )
        steps.append(TailStep(kind.tail, None if kind.tail in ELEMENTWISE else 1))
    tail = Tail("scores", shape, tuple(steps), "output", shape)
    signature = replace(network.signature, output_name="scores", tails=(tail,))
    inputs = random_inputs(SAMPLES, network.input_size)
    if not np.allclose(tail(network(inputs)), forward(inputs), 1e-7, 1e-9):
        raise InvalidInputError(
            f"what was read of {ends[0][0]} disagrees with PyTorch's own forward pass; please "
            "report this with the module"
        )
    return replace(network, signature=signature)


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
    torch = _torch()
    stored = written(read_network(network), dtype)
    kind = getattr(torch, stored.signature.dtype)
    parts = []
    for layer in stored.layers:
        linear = torch.nn.Linear(layer.n_in, layer.n_out, dtype=kind)
        with torch.no_grad():
            # The arrays of a layer are read-only; `astype` gives PyTorch its own.
            matrix = weights.dense(layer.weight).astype(stored.signature.dtype)
            linear.weight.copy_(torch.from_numpy(matrix))
            linear.bias.copy_(torch.from_numpy(layer.bias.astype(stored.signature.dtype)))
        parts += [linear, *_activations(layer, stored.signature.dtype, torch)]
    return torch.nn.Sequential(*parts, *_ends(stored.signature.tails, torch)).eval()


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
    if more or one.operator is None or one.operator.name != "Clip":
        raise UnsupportedOperatorError(
            f"a layer has the activations {layer.label}, which is no module of PyTorch: save the "
            "network as .npz or .onnx"
        )
    low, high = (
        end if value is None else value
        for value, end in zip(one.operator.inputs, (-np.inf, np.inf), strict=True)
    )
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


def _torch() -> Any:
    """PyTorch, if it is installed."""
    try:
        # Named at run time: type checkers need not find an optional package.
        return importlib.import_module("torch")
    except ImportError as error:
        raise SolverNotAvailableError(
            "PyTorch modules need torch: pip install 'leo-opt[torch]'"
        ) from error


@contextmanager
def _border(complaint: str) -> Iterator[None]:
    """What PyTorch throws, as an error of ours."""
    try:
        yield
    except LeoOptError:
        raise
    # Whatever a module of the user's throws is about this module.
    except Exception as error:
        raise InvalidInputError(
            f"the module {complaint}: {type(error).__name__}: {error}; correct it, or export it to "
            "ONNX"
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
    in_training
        What else it does in training mode; empty where nothing.
    tail
        The operator of a tail that it is; empty where it is none.
    """

    step: Callable[[Chain, Any, str], None]
    width: str = ""
    in_training: str = ""
    tail: str = ""


def _kinds(torch: Any) -> dict[type, _Kind | None]:
    """The one table of modules; None for the container."""
    nn = torch.nn
    return {
        nn.Sequential: None,
        nn.BatchNorm1d: _Kind(_normalise, "num_features", "normalises by its batch"),
        nn.Dropout: _Kind(_do_nothing, in_training="drops units at random"),
        nn.Flatten: _Kind(_flatten_axes),
        nn.Identity: _Kind(_do_nothing),
        nn.LeakyReLU: _Kind(_leak),
        nn.LogSoftmax: _Kind(_refuse_inside, tail="LogSoftmax"),
        nn.Linear: _Kind(_apply, "in_features"),
        nn.PReLU: _Kind(_leak),
        nn.ReLU: _Kind(lambda chain, part, name: chain.rectify()),
        nn.Sigmoid: _Kind(_refuse_inside, tail="Sigmoid"),
        nn.Softmax: _Kind(_refuse_inside, tail="Softmax"),
        nn.Tanh: _Kind(_refuse_inside, tail="Tanh"),
    }


KnownModule = tuple[str, Any, _Kind]
"""A module that does some of the work, with its path and what it does."""


def _parts(module: Any, name: str, kinds: Mapping[type, _Kind | None]) -> Iterator[KnownModule]:
    """The modules that do the work, in order, each as often as it occurs."""
    known = next((kind for kind in type(module).__mro__ if kind in kinds), None)
    # A subclass that inherits `forward` computes the same with whatever it has for numbers.
    if known is None or type(module).forward is not known.forward:  # type: ignore[attr-defined]
        readable = ", ".join(kind.__name__ for kind in kinds)
        raise UnsupportedOperatorError(
            f"{name} is a {type(module).__name__}; supported are {readable}: export other modules "
            "to ONNX"
        )
    kind = kinds[known]
    if kind is not None:
        yield name, module, kind
        return
    # `children` leaves out a module that occurs again.
    for child, part in module._modules.items():
        yield from _parts(part, f"{name}.{child}", kinds)


def _refuse_others(module: Any, torch: Any) -> None:
    """Refuse what is not of the table, or does more than its type says."""
    if not isinstance(module, torch.nn.Module):
        raise InvalidInputError(
            f"from_torch takes a torch.nn.Module and was given a {type(module).__name__}"
        )
    for name, part, kind in _parts(module, "module", _kinds(torch)):
        if part.training and kind.in_training:
            raise InvalidInputError(f"{name} {kind.in_training}; call module.eval()")
    shared = torch.nn.modules.module
    for hooks in (shared._global_forward_hooks, shared._global_forward_pre_hooks):
        for hook in hooks.values():
            raise UnsupportedOperatorError(
                f"all modules have the global forward hook {_name_of(hook)}, which may change "
                "what they compute; remove it"
            )
    for name, part in module.named_modules(prefix="module"):
        label = f"{name} is a {type(part).__name__} with"
        for hook in (*part._forward_pre_hooks.values(), *part._forward_hooks.values()):
            raise UnsupportedOperatorError(
                f"{label} the forward hook {_name_of(hook)}, which may change what it computes; "
                "remove it, as with torch.nn.utils.prune.remove or remove_weight_norm"
            )
        if "forward" in vars(part):
            raise UnsupportedOperatorError(
                f"{label} a forward of its own, set on the instance; delete it, or export the "
                "module to ONNX"
            )


def _name_of(hook: Any) -> str:
    """A hook as the user knows it: a function, or an object of a class such as WeightNorm."""
    return str(getattr(hook, "__qualname__", type(hook).__name__))


def _dtype_of(module: Any) -> str:
    """The element type of the numbers of a module, "float64" if any is.

    Raises
    ------
    InvalidInputError
        If there are others.
    """
    found = {"float32"}
    for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
        kind = str(tensor.dtype).removeprefix("torch.")
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue  # Counters of batches are integers.
        if kind not in ("float32", "float64"):
            raise InvalidInputError(
                f"module.{name} has type {kind}; convert the module with module.float()"
            )
        found.add(kind)
    return max(found)


def _twin(module: Any, torch: Any) -> Any:
    """A copy of the module in evaluation mode and double precision, on the CPU."""
    with _border("cannot be copied"), torch.random.fork_rng([]):
        return copy.deepcopy(module).cpu().double().eval()


def _read(parts: Sequence[KnownModule], dtype: str) -> Network:
    """The network of modules in a row."""
    widths = [getattr(part, kind.width) for _, part, kind in parts if kind.width]
    if not widths:
        raise InvalidInputError("the module has no Linear layer; its number of inputs is unknown")
    chain = Chain(widths[0])
    for name, part, kind in parts:
        if kind.width and getattr(part, kind.width) != chain.width:
            raise InvalidInputError(
                f"{name} takes {getattr(part, kind.width)} inputs and is given {chain.width}; "
                "correct the module"
            )
        kind.step(chain, part, name)
    return chain.network(Signature(dtype=dtype))


def _numbers(tensor: Any) -> FloatArray:
    """A tensor of the twin as an array of its own."""
    return np.array(tensor.detach().numpy(), dtype=np.float64)


def _apply(chain: Chain, part: Any, _name: str) -> None:
    """Linear."""
    chain.apply(_numbers(part.weight))
    if part.bias is not None:
        chain.add(_numbers(part.bias))


def _normalise(chain: Chain, part: Any, name: str) -> None:
    """BatchNorm1d with the statistics of training."""
    if part.running_mean is None:
        raise InvalidInputError(
            f"{name} has no running statistics and normalises by its batch; train it with "
            "track_running_stats=True"
        )
    scale = np.ones(chain.width) if part.weight is None else _numbers(part.weight)
    shift = np.zeros(chain.width) if part.bias is None else _numbers(part.bias)
    mean, variance = _numbers(part.running_mean), _numbers(part.running_var)
    chain.normalise(scale, shift, mean, variance, part.eps)


def _leak(chain: Chain, part: Any, name: str) -> None:
    """LeakyReLU, or PReLU with one slope or one a unit."""
    slopes = getattr(part, "weight", None)
    values = np.array([part.negative_slope]) if slopes is None else _numbers(slopes)
    if values.size not in (1, chain.width):
        raise InvalidInputError(
            f"{name} has {values.size} slopes and is given {chain.width} values; correct the module"
        )
    chain.leak(np.broadcast_to(values, (chain.width,)))


def _do_nothing(_chain: Chain, _part: Any, _name: str) -> None:
    """Identity, and Dropout in evaluation mode."""


def _refuse_inside(_chain: Chain, part: Any, name: str) -> None:
    """What may stand at the end only."""
    raise UnsupportedOperatorError(
        f"{name} is a {type(part).__name__} in front of other modules; it is read at the end only"
    )


def _flatten_axes(_chain: Chain, part: Any, name: str) -> None:
    """Flatten of all axes but the batch."""
    if (part.start_dim, part.end_dim) != (1, -1):
        raise UnsupportedOperatorError(
            f"{name} flattens the axes {part.start_dim} to {part.end_dim}; Flatten() is supported"
        )
