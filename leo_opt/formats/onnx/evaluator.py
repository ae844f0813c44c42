"""ONNX's reference evaluator, and which operators of constants are left to it.

It computes the parts of a graph that do not depend on the input, and it judges the import as well;
so where it is wrong, nobody would notice. Hence it evaluates only constants of operators of which
the tests show, over opsets, axes and types, that it agrees with onnxruntime; all others are refused
by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats.onnx.file import EVALUATOR_ERRORS, said
from leo_opt.formats.onnx.graph import Array, Node

# fmt: off
EVALUATED = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape",
    "DequantizeLinear", "Div", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gemm",
    "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min",
    "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Range", "Reciprocal", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "Reshape", "Shape", "Sign", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tile",
    "Transpose", "Unsqueeze", "Where",
})
# fmt: on
"""Operators that may compute constants."""

_SAME_SINCE = {"DequantizeLinear": 21}
"""Operators that the evaluator knows from an opset on, and that do the same in older ones."""

_VALUES = frozenset({"value", "value_float", "value_floats", "value_int", "value_ints"})
"""Kinds of Constant that are plain numbers."""


def _squeeze(values: Array, axes: ArrayLike | None = None) -> Array:
    return np.squeeze(values, None if axes is None else tuple(np.ravel(axes).tolist()))


def _unsqueeze(values: Array, axes: ArrayLike) -> Array:
    return np.expand_dims(values, tuple(np.ravel(axes).tolist()))


_AXES: Mapping[str, Callable[..., Array]] = {"Squeeze": _squeeze, "Unsqueeze": _unsqueeze}
"""Operators of which the evaluator takes axes one by one, and so miscounts negative ones."""


def evaluate_node(
    node: Node, constants: Mapping[str, Array], opsets: Mapping[str, int]
) -> dict[str, Array]:
    """Outputs of a node whose inputs are all constant.

    Raises
    ------
    UnsupportedOperatorError
        If the operator is not among `EVALUATED`.
    FileFormatError
        If it cannot be evaluated.
    """
    _check(node)
    given = {name: np.asarray(constants[name]) for name in node.inputs if name}
    return run_node(node, given, opsets)


def run_node(node: Node, given: Mapping[str, Array], opsets: Mapping[str, int]) -> dict[str, Array]:
    """Outputs of any node that the reference evaluator knows, at given values of its inputs."""
    from onnx import helper

    if node.operator in _AXES:
        return {node.outputs[0]: _AXES[node.operator](*given.values(), **node.attributes)}
    if node.operator in _SAME_SINCE:
        opsets = {**opsets, "": max(opsets[""], _SAME_SINCE[node.operator])}
    names = [name for name in node.outputs if name]
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in given.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in names]
    graph = helper.make_graph([node.proto], "constant", inputs, outputs)
    values = evaluate(graph, opsets, given, node.label)
    return dict(zip(names, (np.asarray(value) for value in values), strict=True))


def may_evaluate(node: Node) -> bool:
    """Whether a node of constants is one that is evaluated."""
    plain = node.operator != "Constant" or set(node.attributes) <= _VALUES
    return node.operator in EVALUATED and plain


def _check(node: Node) -> None:
    """Refuse what is not evaluated."""
    if not may_evaluate(node):
        kind = ", ".join(sorted(set(node.attributes) - _VALUES))
        what = f"with {kind} " if node.operator in EVALUATED else ""
        raise UnsupportedOperatorError(
            f"{node.label} {what}computes a constant and is not evaluated here: export the model "
            "with constant folding, or with other operators"
        )


def evaluate(
    graph: Any, opsets: Mapping[str, int], feed: Mapping[str, Array], label: str
) -> list[Any]:
    """Run a graph in the reference evaluator.

    Parameters
    ----------
    label
        What messages call the graph.

    Raises
    ------
    UnsupportedOperatorError
        If the evaluator does not know an operator.
    FileFormatError
        If it fails.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        with np.errstate(all="ignore"):
            model = helper.make_model(graph, opset_imports=imports)
            evaluator = ReferenceEvaluator(model, new_ops=[*_pools(), _transposed()])
            return list(evaluator.run(None, dict(feed)))
    except NotImplementedError as error:
        raise UnsupportedOperatorError(
            f"{label} cannot be evaluated by ONNX's reference evaluator: {said(error)}"
        ) from error
    except EVALUATOR_ERRORS as error:
        raise FileFormatError(
            f"{label} cannot be evaluated: {said(error)}; export the model again"
        ) from error


def _transposed() -> Any:
    """ConvTranspose, of which the evaluator's own mixes up groups."""
    from onnx.reference.ops.op_conv_transpose import ConvTranspose as OwnConvTranspose

    class ConvTranspose(OwnConvTranspose):  # type: ignore[misc]
        """Each group alone."""

        op_domain = ""

        def _run(
            self, x: Array, weight: Array, bias: Array | None = None, **given: Any
        ) -> tuple[Array, ...]:
            groups = given.pop("group", None) or 1
            parts = zip(np.split(x, groups, 1), np.split(weight, groups), strict=True)
            run = super()._run
            made = np.concatenate([run(*part, None, group=1, **given)[0] for part in parts], 1)
            return (made if bias is None else made + bias.reshape(-1, *[1] * (x.ndim - 2)),)

    return ConvTranspose


def _pools() -> list[Any]:
    """Pools in place of the evaluator's own, which fails where axes are padded differently.

    Those with automatic padding, dilations or rounding up are left to it.
    """
    from onnx.reference.ops.op_average_pool import AveragePool_19
    from onnx.reference.ops.op_max_pool import MaxPool as OwnMaxPool

    class MaxPool(OwnMaxPool):  # type: ignore[misc]
        """The largest of each window."""

        op_domain = ""

        def _run(self, x: Array, **given: Any) -> tuple[Array, ...]:
            if len(self.output) > 1 or not _is_plain(given):
                return tuple(super()._run(x, **given))
            lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype.name).min
            windows = _windows(x, lowest, given)
            return (windows.max(axis=tuple(range(x.ndim, windows.ndim))),)

    class AveragePool(AveragePool_19):  # type: ignore[misc]
        """The mean of each window, with or without what is padding."""

        op_domain = ""

        def _run(self, x: Array, **given: Any) -> tuple[Array, ...]:
            if not _is_plain(given):
                return tuple(super()._run(x, **given))
            windows = _windows(x, 0.0, given)
            axes = tuple(range(x.ndim, windows.ndim))
            whole = 1.0 if given.get("count_include_pad") else 0.0
            share = _windows(np.ones_like(x), whole, given).sum(axis=axes)
            return ((windows.sum(axis=axes) / share).astype(x.dtype),)

    return [MaxPool, AveragePool]


def _is_plain(given: Mapping[str, Any]) -> bool:
    """Whether a pool states its padding and neither dilates windows nor rounds their number up."""
    automatic = given.get("auto_pad") not in (None, "NOTSET", "VALID")
    return (
        not automatic and not given.get("ceil_mode") and set(given.get("dilations") or [1]) == {1}
    )


def _windows(values: Array, fill: float, given: Mapping[str, Any]) -> Array:
    """Windows of a pool over padded values, (batch, channels, positions..., kernel...)."""
    kernel = tuple(given["kernel_shape"])
    rank = len(kernel)
    pads = given.get("pads") or [0] * (2 * rank)
    if given.get("auto_pad") == "VALID":
        pads = [0] * (2 * rank)
    sides = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    padded = np.pad(values, sides, constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, tuple(range(2, 2 + rank)))
    steps = (slice(None, None, stride) for stride in given.get("strides") or [1] * rank)
    return windows[(slice(None), slice(None), *steps)]
