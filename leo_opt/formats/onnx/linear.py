"""Operators that are matrices, sums or scales."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.errors import FileFormatError
from leo_opt.formats.affine import Affine
from leo_opt.formats.chain import normalised, scaled
from leo_opt.formats.onnx.operation import LoweringError, Operation, Tensor, spread, together
from leo_opt.formats.rounded import Rounded


def gemm(step: Operation) -> list[Tensor]:
    """alpha * A' @ B' + beta * C."""
    sides: list[Tensor | Rounded] = []
    for index, name in enumerate(("transA", "transB")):
        side = _side(step, index)
        if len(side.shape) != 2:
            raise LoweringError(f"multiplies {len(side.shape)} axes, not 2")
        sides.append(side.at(side.places.T) if step.integer(name, 0) else side)
    product = _product(step, sides[0], sides[1], step.number("alpha", 1.0))
    if len(step.given) < 3 or step.given[2] is None:
        return [product]
    beta = step.number("beta", 1.0)
    if step.is_constant(2):
        product, values = spread(product, step.rounded(2))
        return [Tensor(product.shape, product.values.add(scaled(values, beta)))]
    added = step.tensor(2)
    factor = Rounded.exact(np.full(len(added.values), beta))
    return [_sum(step, [product, Tensor(added.shape, added.values.multiply(factor))])]


def matmul(step: Operation) -> list[Tensor]:
    """A @ B as NumPy has it, one of them constant."""
    return [_product(step, _side(step, 0), _side(step, 1))]


def _side(step: Operation, index: int) -> Tensor | Rounded:
    """A factor of a product."""
    return step.rounded(index) if step.is_constant(index) else step.tensor(index)


def _product(
    step: Operation, left: Tensor | Rounded, right: Tensor | Rounded, factor: float = 1.0
) -> Tensor:
    """factor * left @ right."""
    a, b = left.places, right.places
    if not a.ndim or not b.ndim:
        raise LoweringError("multiplies a number without axes")
    rows = a[None, :] if a.ndim == 1 else a
    columns = np.swapaxes(b[:, None] if b.ndim == 1 else b, -1, -2)
    if rows.shape[-1] != columns.shape[-1]:
        raise LoweringError(f"cannot multiply {list(a.shape)} and {list(b.shape)}")
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    full = (*batch, rows.shape[-2], *columns.shape[-2:])
    spread_rows = np.broadcast_to(rows[..., :, None, :], full)
    spread_columns = np.broadcast_to(columns[..., None, :, :], full)
    shape = (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return _contracted(step, (left, right), (spread_rows, spread_columns), shape, factor)


def _contracted(
    step: Operation,
    sides: tuple[Tensor | Rounded, Tensor | Rounded],
    entries: tuple[IntArray, IntArray],
    shape: tuple[int, ...],
    factor: float = 1.0,
) -> Tensor:
    """Sums over the last axis of products of entries, of which the places are given."""
    if all(isinstance(side, Tensor) for side in sides):
        raise LoweringError("multiplies two tensors that depend on the input")
    (source, places), (numbers, own) = sorted(
        zip(sides, entries, strict=True), key=lambda pair: isinstance(pair[0], Rounded)
    )
    assert isinstance(source, Tensor)
    assert isinstance(numbers, Rounded)
    flat = (-1, places.shape[-1])
    matrix = Affine.matrix(places.reshape(flat), scaled(numbers.at(own.reshape(flat)), factor))
    return Tensor(shape, step.levels.apply(matrix, source.values))


def einsum(step: Operation) -> list[Tensor]:
    """Einsum of one tensor and at most one constant, with each axis named once a side."""
    equation = step.text("equation", "").replace(" ", "")
    given, arrow, result = equation.partition("->")
    if not arrow:
        result = "".join(name for name in sorted({*given} - {","}) if given.count(name) == 1)
    names = given.split(",")
    if "." in equation or any(len(set(side)) < len(side) for side in (*names, result)):
        raise LoweringError(f"has the equation {equation!r}; name each axis, once a side")
    if len(names) > 2:
        raise LoweringError(f"multiplies {len(names)} tensors, not 2 at most")
    sides = [_side(step, k) for k in range(len(names))]
    if len(sides) == 1:
        sides, names = [*sides, Rounded.exact(np.ones(()))], [*names, ""]
    pairs = list(zip(sides, names, strict=True))
    if any(len(axes) != len(side.shape) for side, axes in pairs):
        raise LoweringError(f"has the equation {equation!r} for other numbers of axes")
    sizes = {
        name: size for side, axes in pairs for name, size in zip(axes, side.shape, strict=True)
    }
    order = [*result, *sorted(set(given) - {*result, ","})]
    entries = []
    for side, axes in pairs:
        moved = side.places.transpose([axes.index(name) for name in order if name in axes])
        spread_out = moved.reshape([sizes[name] if name in axes else 1 for name in order])
        full = np.broadcast_to(spread_out, [sizes[name] for name in order])
        entries.append(full.reshape(math.prod(sizes[name] for name in result), -1))
    shape = tuple(sizes[name] for name in result)
    return [_contracted(step, (sides[0], sides[1]), (entries[0], entries[1]), shape)]


def cumulate(step: Operation) -> list[Tensor]:
    """CumSum: at each place of an axis, the sum of what stands up to it."""
    tensor, axis = step.tensor(), step.integers("axis", 1)
    assert axis is not None
    places = np.moveaxis(tensor.places, axis[0], -1)
    index = np.arange(places.shape[-1])
    gap = index[:, None] - index
    if step.integer("reverse", 0):
        gap = -gap
    summed = np.where(gap >= step.integer("exclusive", 0), places[..., None, :], -1)
    order = np.moveaxis(np.arange(places.size).reshape(places.shape), -1, axis[0])
    columns = summed.reshape(-1, len(index))[order.ravel()]
    matrix = Affine.matrix(columns, Rounded.exact(np.ones(columns.shape)))
    return [Tensor(tensor.shape, step.levels.apply(matrix, tensor.values))]


def _sum(step: Operation, tensors: list[Tensor]) -> Tensor:
    """Sum of tensors."""
    parts = together(tensors)
    total = reduce(step.levels.add, (part.values for part in parts))
    return Tensor(parts[0].shape, total)


def add(step: Operation) -> list[Tensor]:
    """Sum of any number of tensors and constants."""
    constants = [k for k in range(len(step.given)) if step.is_constant(k)]
    others = [step.tensor(k) for k in range(len(step.given)) if k not in constants]
    total = others[0] if len(others) == 1 else _sum(step, others)
    for index in constants:
        total, values = spread(total, step.rounded(index))
        total = Tensor(total.shape, total.values.add(values))
    return [total]


def subtract(step: Operation) -> list[Tensor]:
    """a - b."""
    if step.is_constant(1):
        tensor, values = spread(step.tensor(), step.numbers(1))
        return [Tensor(tensor.shape, tensor.values.add(-values))]
    negative = _negative(step.tensor(1))
    if step.is_constant(0):
        tensor, values = spread(negative, step.numbers(0))
        return [Tensor(tensor.shape, tensor.values.add(values))]
    return [_sum(step, [step.tensor(0), negative])]


def negate(step: Operation) -> list[Tensor]:
    """-x."""
    return [_negative(step.tensor())]


def _negative(tensor: Tensor) -> Tensor:
    """-x."""
    factor = Rounded.exact(np.full(len(tensor.values), -1.0))
    return Tensor(tensor.shape, tensor.values.multiply(factor))


def multiply(step: Operation) -> list[Tensor]:
    """a * b, one of them constant."""
    constant = next((k for k in (0, 1) if step.is_constant(k)), None)
    if constant is None:
        raise LoweringError("multiplies two tensors that depend on the input")
    tensor, values = spread(step.tensor(1 - constant), step.numbers(constant))
    return [Tensor(tensor.shape, tensor.values.multiply(values))]


def divide(step: Operation) -> list[Tensor]:
    """a / b, b constant."""
    if not step.is_constant(1):
        raise LoweringError("divides by a tensor that depends on the input")
    if (step.numbers(1) == 0.0).any():
        raise FileFormatError(f"{step.node.label} divides by 0; correct the constant")
    tensor, values = spread(step.tensor(), step.numbers(1))
    return [Tensor(tensor.shape, tensor.values.divide(values))]


def mean(step: Operation) -> list[Tensor]:
    """Mean of any number of tensors and constants."""
    [total] = add(step)
    count = Rounded.exact(np.full(len(total.values), float(len(step.given))))
    return [Tensor(total.shape, total.values.divide(count))]


def normalise(step: Operation) -> list[Tensor]:
    """scale * (x - mean) / sqrt(variance + epsilon) + shift, one of each a channel (axis 1)."""
    # Before opset 14, further outputs are what asks for training.
    if step.integer("training_mode", 0) or sum(map(bool, step.node.outputs)) > 1:
        raise LoweringError("is in training mode")
    tensor = step.tensor()
    if len(tensor.shape) < 2:
        raise LoweringError(f"needs channels on axis 1 of {list(tensor.shape)}")
    shape = (-1,) + (1,) * (len(tensor.shape) - 2)
    scale, shift, centre, variance = (
        spread(tensor, step.numbers(index).reshape(shape))[1].values for index in range(1, 5)
    )
    epsilon = step.number("epsilon", 1e-5)
    values = normalised(tensor.values, scale, shift, centre, variance, epsilon)
    return [Tensor(tensor.shape, values)]


def scale(step: Operation) -> list[Tensor]:
    """(x - offset) * scale with attributes, as ONNX's operators for classical models have it."""
    tensor = step.tensor()
    offset = np.array(step.node.attributes.get("offset", [0.0]), dtype=np.float64)
    factor = np.array(step.node.attributes.get("scale", [1.0]), dtype=np.float64)
    moved = tensor.values.add(-spread(tensor, offset)[1])
    return [Tensor(tensor.shape, moved.multiply(spread(tensor, factor)[1]))]


def regress(step: Operation) -> list[Tensor]:
    """Linear regression, (n, features) to (n, targets), coefficients target by target."""
    if step.text("post_transform", "NONE") != "NONE":
        raise LoweringError(f"has the post_transform {step.text('post_transform', '')!r}")
    targets = step.integer("targets", 1)
    weight = np.array(step.node.attributes["coefficients"], dtype=np.float64)
    shift = np.array(step.node.attributes.get("intercepts", [0.0] * targets), dtype=np.float64)
    product = _product(step, step.tensor(), Rounded.exact(weight.reshape(targets, -1).T))
    return [Tensor(product.shape, product.values.add(spread(product, shift)[1]))]


def grouped(step: Operation) -> tuple[Tensor, IntArray, tuple[int, ...]]:
    """For a reduction its tensor, the places that go together (n, k), and the resulting shape."""
    tensor = step.tensor()
    rank = len(tensor.shape)
    chosen = step.integers("axes", 1)
    if step.node.operator.startswith("Global"):
        chosen = list(range(2, rank))
    elif not chosen and step.integer("noop_with_empty_axes", 0):
        chosen = []
    elif not chosen:
        chosen = list(range(rank))
    if any(not -rank <= axis < rank for axis in chosen):
        raise LoweringError(f"names an axis that {list(tensor.shape)} has not")
    gone = sorted(axis % rank for axis in chosen)
    keeps = step.node.operator.startswith("Global") or step.integer("keepdims", 1)
    kept = [axis for axis in range(rank) if axis not in gone]
    places = tensor.places.transpose(*kept, *gone)
    size = math.prod(tensor.shape[axis] for axis in gone)
    shape = tuple(
        1 if axis in gone else size
        for axis, size in enumerate(tensor.shape)
        if keeps or axis not in gone
    )
    return tensor, places.reshape(-1, size), shape


def reduce_sum(step: Operation) -> list[Tensor]:
    """ReduceSum."""
    return [_reduced(step, average=False)]


def reduce_mean(step: Operation) -> list[Tensor]:
    """ReduceMean and GlobalAveragePool."""
    return [_reduced(step, average=True)]


def _reduced(step: Operation, average: bool) -> Tensor:
    """Sums or means over axes."""
    tensor, places, shape = grouped(step)
    if places.shape[1] == 1:
        return Tensor(shape, tensor.values.take(places.ravel()))
    share = Rounded.exact(np.ones(places.shape))
    if average:
        share = share / Rounded.exact(np.full(places.shape, float(places.shape[1])))
    matrix = Affine.matrix(places, share)
    return Tensor(shape, step.levels.apply(matrix, tensor.values))
