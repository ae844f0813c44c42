"""Piecewise linear operators, as units of one activation where there is one, else as rectifiers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import numpy as np

from leo_opt.activations import canonical
from leo_opt.arrays import FloatArray, IntArray
from leo_opt.formats.affine import Affine
from leo_opt.formats.onnx.linear import grouped
from leo_opt.formats.onnx.operation import LoweringError, Operation, Tensor, spread, together
from leo_opt.formats.onnx.windows import covered, geometry, in_channels
from leo_opt.formats.rounded import Rounded

_NO_BOUND = 3.4e38
"""A clip beyond this is none: files state the largest float32 where they mean no bound."""

_MOST_TAGS = 64
"""Units of more different slopes in one layer are lowered: each tag is looked at on its own."""


def rectify(step: Operation) -> list[Tensor]:
    """Relu."""
    tensor = step.tensor()
    return [Tensor(tensor.shape, step.levels.rectify(tensor.values))]


def leak(step: Operation) -> list[Tensor]:
    """LeakyRelu."""
    tensor = step.tensor()
    slopes = np.full(len(tensor.values), step.number("alpha", 0.01))
    return [Tensor(tensor.shape, _leaky(step, tensor.values, slopes))]


def leak_by_slopes(step: Operation) -> list[Tensor]:
    """PRelu, with constant slopes."""
    tensor, slopes = spread(step.tensor(), step.numbers(1))
    return [Tensor(tensor.shape, _leaky(step, tensor.values, slopes.values))]


def _leaky(step: Operation, values: Affine, slopes: FloatArray) -> Affine:
    """Units with these slopes below 0, or rectifiers beside linear units."""
    several = np.unique(slopes).tolist()
    if len(several) > _MOST_TAGS or not all(map(_is_stored, several)):
        return step.levels.leak(values, slopes)
    if not all(0.0 <= slope < 1.0 for slope in several):
        return step.levels.leak(values, slopes)
    tags = {slope: canonical(f"leaky-relu({slope!r})") for slope in several}
    return step.levels.activate(values, list(map(tags.__getitem__, slopes.tolist())))


def absolute(step: Operation) -> list[Tensor]:
    """|x|, as a rectifier with slope -1 on its other side."""
    tensor = step.tensor()
    values = step.levels.leak(tensor.values, np.full(len(tensor.values), -1.0))
    return [Tensor(tensor.shape, values)]


def clip(step: Operation) -> list[Tensor]:
    """Clip, with constant bounds or bounds in attributes."""
    tensor, ends = step.tensor(), []
    for index, (name, default) in enumerate((("min", -math.inf), ("max", math.inf)), start=1):
        stated = step.constant(index)
        end = step.number(name, default) if stated is None else float(stated.reshape(-1)[0])
        if math.isnan(end):
            raise LoweringError(f"has nan as {name}")
        ends.append(end if abs(end) < _NO_BOUND else default)
    return [Tensor(tensor.shape, _clipped(step, tensor.values, *ends))]


def hard_sigmoid(step: Operation) -> list[Tensor]:
    """max(0, min(1, alpha * x + beta))."""
    tensor = step.tensor()
    count = len(tensor.values)
    alpha = step.number("alpha", 0.2)
    scaled = tensor.values.multiply(Rounded.exact(np.full(count, alpha)))
    moved = scaled.add(Rounded.exact(np.full(count, step.number("beta", 0.5))))
    return [Tensor(tensor.shape, _clipped(step, moved, 0.0, 1.0))]


def _clipped(step: Operation, values: Affine, lower: float, upper: float) -> Affine:
    """Values within [lower, upper], either of which may be infinite."""
    if lower > upper:
        raise LoweringError(f"clips to [{lower}, {upper}], which is empty")
    levels, count = step.levels, len(values)

    def shifted(part: Affine, number: float) -> Affine:
        return part if number == 0.0 else part.add(Rounded.exact(np.full(count, number)))

    if math.isinf(lower) and math.isinf(upper):
        return values
    if lower <= 0.0 <= upper and lower < upper and all(map(_is_stored, (lower, upper))):
        return levels.activate(values, canonical(f"clip({lower!r},{upper!r})"))
    if math.isinf(lower):
        return levels.minimum(values, Affine.constants(np.full(count, upper)))
    raised = levels.rectify(shifted(values, -lower))
    if math.isinf(upper):
        return shifted(raised, lower)
    above = levels.rectify(shifted(values, -upper))
    minus = Rounded.exact(np.full(count, -1.0))
    return shifted(levels.add(raised, above.multiply(minus)), lower)


def _is_stored(number: float) -> bool:
    """Whether every file can hold the number of a tag."""
    return float(np.float32(number)) == number


def maximum(step: Operation) -> list[Tensor]:
    """Max of any number of tensors and constants."""
    return [_joined(step, step.levels.maximum)]


def minimum(step: Operation) -> list[Tensor]:
    """Min of any number of tensors and constants."""
    return [_joined(step, step.levels.minimum)]


def _joined(step: Operation, operation: Callable[[Affine, Affine], Affine]) -> Tensor:
    """An operation of two values, over any number of tensors."""
    parts = together([step.lifted(index) for index in range(len(step.given))])
    values = reduce(operation, (part.values for part in parts))
    return Tensor(parts[0].shape, values)


def max_pool(step: Operation) -> list[Tensor]:
    """MaxPool; padding is no part of a window."""
    if sum(map(bool, step.node.outputs)) > 1:
        raise LoweringError("gives the places of the maxima")
    tensor = step.tensor()
    if len(tensor.shape) < 3:
        raise LoweringError(f"needs batch, channels and more axes, not {list(tensor.shape)}")
    batch, channels, *spatial = tensor.shape
    axes = geometry(step, spatial, step.sizes("kernel_shape", []))
    window = covered(axes)
    places = in_channels(window, np.arange(batch * channels), math.prod(spatial))
    values = _largest(step, tensor.values, places.reshape(-1, window.shape[1]))
    return [Tensor((batch, channels, *(axis.out for axis in axes)), values)]


def reduce_max(step: Operation) -> list[Tensor]:
    """ReduceMax and GlobalMaxPool."""
    tensor, places, shape = grouped(step)
    return [Tensor(shape, _largest(step, tensor.values, places))]


def reduce_min(step: Operation) -> list[Tensor]:
    """ReduceMin."""
    tensor, places, shape = grouped(step)
    minus = Rounded.exact(np.full(len(tensor.values), -1.0))
    largest = _largest(step, tensor.values.multiply(minus), places)
    return [Tensor(shape, largest.multiply(Rounded.exact(np.full(len(largest), -1.0))))]


def _largest(step: Operation, values: Affine, places: IntArray) -> Affine:
    """The largest of the values at some places, (n, k) with -1 for none: a tree of maxima."""
    rows, columns = np.nonzero(places >= 0)
    if len(np.unique(rows)) < len(places):
        raise LoweringError("has a window of nothing but padding")
    current = values.take(places[rows, columns])
    while len(current) > len(places):
        first = np.searchsorted(rows, rows)
        turn = np.arange(len(rows)) - first
        last = np.append(rows[1:] != rows[:-1], True)
        even = turn % 2 == 0
        left = np.flatnonzero(even & ~last)
        single = np.flatnonzero(even & last)
        pairs = step.levels.maximum(current.take(left), current.take(left + 1))
        order = np.argsort(np.concatenate([left, single]), kind="stable")
        if len(single):
            pairs = Affine.stacked([pairs, current.take(single)])
        current = pairs.take(order)
        rows = rows[np.flatnonzero(even)]
    return current
