"""PyTorch, and copies of modules that may be looked at and run without touching the original."""

from __future__ import annotations

import copy
import importlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leo_opt.errors import InvalidInputError, LeoOptError, SolverNotAvailableError


def import_torch() -> Any:
    """PyTorch, if it is installed."""
    try:
        # Named at run time: type checkers need not find an optional package.
        return importlib.import_module("torch")
    except ImportError as error:
        raise SolverNotAvailableError(
            "PyTorch modules need torch: pip install 'leo-opt[torch]'"
        ) from error


@contextmanager
def border(complaint: str) -> Iterator[None]:
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


def dtype_of(module: Any) -> str:
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


def twin_of(module: Any, torch: Any) -> Any:
    """A copy of the module in evaluation mode and double precision, on the CPU."""
    # What hooks have computed before, such as a weight from its norm, is no leaf of a graph, and
    # such tensors are not copied by PyTorch; the copy computes its own.
    known = [value for part in module.modules() for value in vars(part).values()]
    computed = [v for v in known if isinstance(v, torch.Tensor) and not v.is_leaf]
    with border("cannot be copied"), torch.random.fork_rng([]):
        memo = {id(value): value.detach().clone() for value in computed}
        return copy.deepcopy(module, memo).cpu().double().eval()


def plain(twin: Any, torch: Any) -> Any:
    """The same twin in modules that export without a loss.

    Parametrizations are what they make of their weights, and the slope of a leaky unit and what a
    batch normalisation amounts to are tensors: attributes of ONNX have single precision.
    """
    for part in list(twin.modules()):
        if torch.nn.utils.parametrize.is_parametrized(part):
            values = {name: getattr(part, name).detach() for name in part.parametrizations}
            # PyTorch's own way to remove them changes the class, which the original shares.
            part.__class__ = type(part).__bases__[0]
            del part.parametrizations
            for name, value in values.items():
                part.register_parameter(name, torch.nn.Parameter(value))
    for part in list(twin.modules()):
        for name, child in list(part.named_children()):
            made = _replacement(child, torch)
            if made is not None:
                setattr(part, name, made)
    return (_replacement(twin, torch) or twin).double().eval()


def _replacement(part: Any, torch: Any) -> Any:
    """A module that computes the same with tensors; None where it need not be replaced."""
    nn = torch.nn
    own = "forward" in vars(part) or part._forward_hooks or part._forward_pre_hooks
    if own:
        return None
    if type(part).forward is nn.LeakyReLU.forward:
        leaky = nn.PReLU(dtype=torch.float64)
        leaky.weight.data.fill_(part.negative_slope)
        return leaky
    if type(part).forward is not nn.BatchNorm1d.forward or part.running_mean is None:
        return None
    scale = (part.running_var.double() + part.eps).rsqrt()
    scale = scale if part.weight is None else scale * part.weight
    shift = -part.running_mean.double() * scale
    shift = shift if part.bias is None else shift + part.bias
    return _scaling(torch)(scale.detach(), shift.detach())


def _scaling(torch: Any) -> Any:
    """The class of a module that scales and shifts each channel."""

    class Scaling(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, scale: Any, shift: Any) -> None:
            super().__init__()
            self.scale, self.shift = scale, shift

        def forward(self, values: Any) -> Any:
            shape = (1, -1) + (1,) * (values.dim() - 2)
            return values * self.scale.reshape(shape) + self.shift.reshape(shape)

    return Scaling
