"""What each supported ONNX operator does to the tensor that runs through a chain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from leo_opt.errors import FileFormatError
from leo_opt.formats.chain import Chain
from leo_opt.formats.onnx import axes as onnx_axes
from leo_opt.formats.onnx.axes import BATCH, Array, Axes, LayoutError
from leo_opt.formats.onnx.graph import Node, is_float

_FLOAT, _DOUBLE = 1, 11
"""Element types as ONNX numbers them."""


@dataclass
class Stream:
    """The tensor at one place of the chain: its axes, and the layers that computed it.

    Parameters
    ----------
    axes
        Of the tensor; the values of one input are in row-major order.
    chain
        Collects the layers.
    fixed
        Size of the batch axis where the file states one.
    """

    axes: Axes
    chain: Chain
    fixed: int | None = None


@dataclass(frozen=True)
class Step:
    """A node of the chain.

    Parameters
    ----------
    node
        The operator and its attributes.
    position
        Which of its inputs is the tensor of the chain.
    constants
        Its other inputs; None at `position` and where one is left out.
    """

    node: Node
    position: int
    constants: tuple[Array | None, ...]

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.node.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A float32 attribute."""
        return float(self.node.attributes.get(name, default))

    def integers(self, name: str, index: int) -> list[int] | None:
        """Integers that old opsets keep in an attribute and new ones in an input."""
        constant = self.constant(index)
        if constant is not None:
            return [int(value) for value in constant.reshape(-1)]
        values = self.node.attributes.get(name)
        return None if values is None else [int(value) for value in values]

    def constant(self, index: int) -> Array | None:
        """The constant input at `index`, if there is one."""
        return self.constants[index] if index < len(self.constants) else None

    def numbers(self, index: int) -> Array:
        """The constant input at `index`, float32 or float64 and finite.

        Raises
        ------
        FileFormatError
            If it is not.
        """
        values = self.constant(index)
        if values is None:
            raise LayoutError(f"needs a constant as input {index}")
        if not is_float(values):
            raise FileFormatError(
                f"{self.node.label} has weights of type {values.dtype}; float32 and float64 are "
                "supported: convert the model"
            )
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise FileFormatError(
                f"{self.node.label} has a weight that is {bad}; every weight must be finite"
            )
        return values

    @property
    def operand(self) -> Array:
        """The constant of an operator with two inputs."""
        return self.numbers(1 - self.position)


def _gemm(stream: Stream, step: Step) -> None:
    """alpha * A' @ B' + beta * C."""
    if step.position == 2:
        raise LayoutError("adds a tensor of the chain to a constant product")
    transposed = [step.integer("transA", 0), step.integer("transB", 0)]
    matrix, axes = step.operand, stream.axes
    if len(axes) != 2 or matrix.ndim != 2:
        raise LayoutError(f"multiplies {len(axes)} axes by {matrix.ndim}, not 2 by 2")
    if transposed[step.position]:
        axes = onnx_axes.transpose(axes, (1, 0))
    if transposed[1 - step.position]:
        matrix = matrix.T
    product = (onnx_axes.multiply_right, onnx_axes.multiply_left)[step.position]
    stream.axes, weight = product(axes, matrix)
    stream.chain.apply(weight, step.number("alpha", 1.0))
    if step.constant(2) is not None:
        _, bias = onnx_axes.spread(stream.axes, step.numbers(2))
        stream.chain.add(bias, step.number("beta", 1.0))


def _matmul(stream: Stream, step: Step) -> None:
    product = (onnx_axes.multiply_right, onnx_axes.multiply_left)[step.position]
    stream.axes, weight = product(stream.axes, step.operand)
    stream.chain.apply(weight)


def _add(stream: Stream, step: Step) -> None:
    stream.axes, values = onnx_axes.spread(stream.axes, step.operand)
    stream.chain.add(values)


def _subtract(stream: Stream, step: Step) -> None:
    stream.axes, values = onnx_axes.spread(stream.axes, step.operand)
    if step.position == 0:
        stream.chain.add(-values)
    else:
        stream.chain.multiply(np.full(values.size, -1.0))
        stream.chain.add(values)


def _multiply(stream: Stream, step: Step) -> None:
    stream.axes, values = onnx_axes.spread(stream.axes, step.operand)
    stream.chain.multiply(values)


def _divide(stream: Stream, step: Step) -> None:
    if step.position == 1:
        raise LayoutError("divides a constant by a tensor of the chain")
    stream.axes, values = onnx_axes.spread(stream.axes, step.operand)
    if (values == 0.0).any():
        raise FileFormatError(f"{step.node.label} divides by 0; correct the constant")
    stream.chain.divide(values)


def _normalise(stream: Stream, step: Step) -> None:
    """scale * (x - mean) / sqrt(variance + epsilon) + shift, one of each a channel (axis 1)."""
    # Before opset 14, further outputs are what asks for training.
    if step.integer("training_mode", 0) or sum(map(bool, step.node.outputs)) > 1:
        raise LayoutError("is in training mode")
    if step.position != 0 or len(stream.axes) < 2 or stream.axes[1] == BATCH:
        raise LayoutError(f"needs channels on axis 1 of {onnx_axes.describe(stream.axes)}")
    shape = (-1,) + (1,) * (len(stream.axes) - 2)
    scale, shift, mean, variance = (
        onnx_axes.spread(stream.axes, step.numbers(index).reshape(shape))[1]
        for index in range(1, 5)
    )
    stream.chain.normalise(scale, shift, mean, variance, step.number("epsilon", 1e-5))


def _rectify(stream: Stream, _step: Step) -> None:
    stream.chain.rectify()


def _keep(_stream: Stream, _step: Step) -> None:
    """Identity."""


def _drop_out(_stream: Stream, step: Step) -> None:
    training = step.constant(2)
    if training is not None and bool(training.any()):
        raise LayoutError("is in training mode")


def _cast(_stream: Stream, step: Step) -> None:
    if step.integer("to", 0) not in (_FLOAT, _DOUBLE):
        raise LayoutError("casts to a type other than float (float32) and double (float64)")


def _flatten(stream: Stream, step: Step) -> None:
    axes = stream.axes
    axis = step.integer("axis", 1)
    # The last axis may be named as the end, too; a negative one is counted from the rank.
    axis = axis if axis == len(axes) else _axis(axis, len(axes))
    stream.axes = onnx_axes.reshape(axes, (math.prod(axes[:axis]), math.prod(axes[axis:])))


def _reshape(stream: Stream, step: Step) -> None:
    target = step.integers("shape", 1)
    if target is None or step.position != 0:
        raise LayoutError("needs a constant shape")
    if not step.integer("allowzero", 0):
        if any(size == 0 and k >= len(stream.axes) for k, size in enumerate(target)):
            raise LayoutError("copies the size of an axis that is not there")
        target = [stream.axes[k] if size == 0 else size for k, size in enumerate(target)]
    stream.axes = onnx_axes.reshape(stream.axes, target, stream.fixed)


def _transpose(stream: Stream, step: Step) -> None:
    order = step.integers("perm", 1)
    reverse = list(reversed(range(len(stream.axes))))
    stream.axes = onnx_axes.transpose(stream.axes, reverse if order is None else order)


def _squeeze(stream: Stream, step: Step) -> None:
    axes, chosen = stream.axes, step.integers("axes", 1)
    if chosen is None:
        gone = {k for k, size in enumerate(axes) if size == 1}
    else:
        gone = {_axis(axis, len(axes)) for axis in chosen}
    if any(axes[k] != 1 for k in gone):
        raise LayoutError(f"removes an axis of {onnx_axes.describe(axes)} that is not 1")
    stream.axes = tuple(size for k, size in enumerate(axes) if k not in gone)


def _unsqueeze(stream: Stream, step: Step) -> None:
    chosen = step.integers("axes", 1)
    if chosen is None:
        raise LayoutError("needs constant axes")
    rank = len(stream.axes) + len(chosen)
    new = {_axis(axis, rank) for axis in chosen}
    old = iter(stream.axes)
    stream.axes = tuple(1 if k in new else next(old) for k in range(rank))


def _axis(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise LayoutError(f"names axis {axis}, which is not there")
    return axis % rank


OPERATORS: Mapping[str, Callable[[Stream, Step], None]] = MappingProxyType(
    {
        "Add": _add,
        "BatchNormalization": _normalise,
        "Cast": _cast,
        "Div": _divide,
        "Dropout": _drop_out,
        "Flatten": _flatten,
        "Gemm": _gemm,
        "Identity": _keep,
        "MatMul": _matmul,
        "Mul": _multiply,
        "Relu": _rectify,
        "Reshape": _reshape,
        "Squeeze": _squeeze,
        "Sub": _subtract,
        "Transpose": _transpose,
        "Unsqueeze": _unsqueeze,
    }
)
"""The one table of operators."""
