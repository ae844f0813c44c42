"""PyTorch, and copies of modules that may be looked at and run without touching the original."""

from __future__ import annotations

import copy
import importlib
import itertools
import warnings
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
def border(complaint: str, cure: str = "correct it, or export it to ONNX") -> Iterator[None]:
    """What PyTorch throws, as an error of ours."""
    try:
        yield
    except LeoOptError:
        raise
    # Whatever a module of the user's throws is about this module.
    except Exception as error:
        raise InvalidInputError(
            f"the module {complaint}: {type(error).__name__}: {error}; {cure}"
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
    with border("cannot be copied"), torch.random.fork_rng([]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memo = {id(value): value.detach().clone() for value in computed}
        twin = _eager(copy.deepcopy(module, memo)).cpu().double().eval()
        for part in list(twin.modules()):
            for name, child in list(part.named_children()):
                setattr(part, name, _eager(child))
        return twin


def _eager(module: Any) -> Any:
    """A module without `torch.compile`, which changes no numbers and is not exported."""
    return next(module.children()) if type(module).__name__ == "OptimizedModule" else module


def plain(twin: Any, torch: Any) -> Any:
    """The same twin with parametrizations as what they make of their weights."""
    for part in list(twin.modules()):
        if torch.nn.utils.parametrize.is_parametrized(part):
            values = {name: getattr(part, name).detach() for name in part.parametrizations}
            # PyTorch's own way to remove them changes the class, which the original shares.
            part.__class__ = type(part).__bases__[0]
            del part.parametrizations
            for name, value in values.items():
                part.register_parameter(name, torch.nn.Parameter(value))
    return twin
