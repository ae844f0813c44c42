"""Modes of PyTorch: operators in forms that export without a loss, and what a forward looks at."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leo_opt.errors import UnsupportedOperatorError

_READERS = frozenset(
    ("tolist", "numpy", "__array__", "__len__", "__dlpack__", "apply_", "map_", "tensor")
)
"""Functions of PyTorch that take numbers out of tensors, beside operators that give numbers."""


def exact(torch: Any, decided: list[str]) -> Any:
    """A mode in which the numbers of operators are tensors.

    As attributes of ONNX they would have single precision. While a module is traced sizes are
    tensors, too; the places where one decides which way a forward goes are added to `decided`.
    """
    functional, home = torch.nn.functional, Path(torch.__file__).parent

    def leaky(values: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
        made = torch.prelu(values, torch.tensor([negative_slope], dtype=values.dtype))
        return values.copy_(made) if inplace else made

    def random_leaky(
        values: Any,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        training: bool = False,
        inplace: bool = False,
    ) -> Any:
        slope = (lower + upper) / 2
        return NotImplemented if training else leaky(values, slope, inplace)

    def hard_sigmoid(values: Any, inplace: bool = False) -> Any:
        made = (values + 3.0).clamp(0.0, 6.0) / 6.0
        return values.copy_(made) if inplace else made

    def normalise(
        values: Any,
        mean: Any,
        variance: Any,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,  # noqa: ARG001
        eps: float = 1e-5,
    ) -> Any:
        if training or mean is None:
            return NotImplemented
        scale = (variance + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        shape = (1, -1) + (1,) * (values.dim() - 2)
        return values * scale.reshape(shape) + shift.reshape(shape)

    forms: dict[Any, Callable[..., Any]] = {
        functional.leaky_relu: leaky,
        functional.rrelu: random_leaky,
        functional.hardsigmoid: hard_sigmoid,
        functional.batch_norm: normalise,
    }

    class Exact(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.Tensor.__bool__:
                caller = traceback.extract_stack(limit=2)[0]
                # Modules of PyTorch compare sizes only to complain.
                if home not in Path(caller.filename).parents:
                    decided.append(f"line {caller.lineno} of {caller.filename}")
            made = NotImplemented
            if function in forms:
                made = forms[function](*args, **(kwargs or {}))
            return function(*args, **(kwargs or {})) if made is NotImplemented else made

    return Exact()


def look(module: Any, inputs: list[Any], run: Callable[[], Any], torch: Any) -> Any:
    """What `run` gives, which calls the module with inputs, if this is a function of tensors.

    Whatever operators make of the inputs is followed. Such a tensor may become no Python number,
    since the exporter takes numbers for constants. The module is given hooks.

    Raises
    ------
    UnsupportedOperatorError
        If one does, or if a run changes the next; the message has the path.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    # Kept alive, so that no other tensor gets the same identity.
    known = {id(tensor): tensor for tensor in inputs}
    path, called, found = ["module"], [""], dict[tuple[str, str], None]()

    def follow(given: Any, made: Any) -> bool:
        """Whether tensors that depend on the inputs were given; those made then do, too."""
        depends = any(id(leaf) in known for leaf in tree_leaves(given))
        tensors = [leaf for leaf in tree_leaves(made) if depends and isinstance(leaf, torch.Tensor)]
        known.update((id(tensor), tensor) for tensor in tensors)
        return depends

    class Operators(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = operator(*args, **(kwargs or {}))
            # Of a tensor that is indexed only the indices decide about the shape.
            picked = args[1:] if operator is torch.ops.aten.index.Tensor else (args, kwargs)
            by_values = torch.Tag.dynamic_output_shape in operator.tags
            if (by_values or isinstance(made, (bool, int, float))) and follow(picked, ()):
                found[path[-1], called[0] or operator.overloadpacket.__name__] = None
            follow((args, kwargs), made)
            return made

    class Functions(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            called[0] = function.__name__
            if called[0] in _READERS and follow((args, kwargs), ()):
                found[path[-1], called[0]] = None
            made = function(*args, **(kwargs or {}))
            called[0] = ""
            follow((args, kwargs), made)
            return made

    for name, part in module.named_modules(prefix="module"):
        if not isinstance(part, torch.jit.ScriptModule):  # It takes no hooks.
            part.register_forward_pre_hook(lambda *_, name=name: path.append(name))
            part.register_forward_hook(lambda *_: path.pop() and None)
    before = _state(module)
    with Operators(), Functions():
        outputs = run()
    for name, value in _state(module).items():
        if name not in before or not same(value, before[name], torch):
            raise UnsupportedOperatorError(
                f"a forward pass changes {name}, so that the next may give something else; keep no "
                "numbers from one to the next in evaluation mode"
            )
    if found:
        where, how = next(iter(found))
        raise UnsupportedOperatorError(
            f"{where} takes numbers out of tensors ({how}) and may decide by values, or by the "
            "size of the batch, which way it goes: one way would be exported; compute with "
            "tensors, such as by torch.clamp, or export it to ONNX"
        )
    return outputs


def _state(module: Any) -> dict[str, Any]:
    """The numbers that a module keeps, by path."""
    state: dict[str, Any] = {}
    for name, part in module.named_modules(prefix="module"):
        plain = [(k, v) for k, v in vars(part).items() if isinstance(v, (bool, int, float, str))]
        tensors = itertools.chain(part.named_parameters("", False), part.named_buffers("", False))
        copies = [(key, tensor.detach().clone()) for key, tensor in tensors]
        state.update((f"{name}.{key}", value) for key, value in (*plain, *copies))
    return state


def same(left: Any, right: Any, torch: Any) -> bool:
    """Whether two numbers, or tensors of them, are the same."""
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        alike = left.shape == right.shape
        return alike and bool(torch.allclose(left, right, 0.0, 0.0, equal_nan=True))
    return bool(left == right)
