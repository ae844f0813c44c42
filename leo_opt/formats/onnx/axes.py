"""Axes of the one tensor that runs through a chain, with the batch axis marked.

The batch axis has the size `BATCH`, a prime that no other axis has. So shape arithmetic that a
file does at run time (Shape, Gather, Concat, Reshape) can be done on plain numbers, and the batch
axis is found again in its result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leo_opt.network import FloatArray

BATCH = 2**31 - 1
Axes = tuple[int, ...]
Array = NDArray[np.generic]


class LayoutError(Exception):
    """A node does something to the axes that a chain of layers cannot express."""


def width(axes: Axes) -> int:
    """Number of values that one input of the batch has."""
    return math.prod(size for size in axes if size != BATCH)


def reshape(axes: Axes, target: Sequence[int], fixed: int | None = None) -> Axes:
    """Axes after a reshape to `target`, which may hold one -1.

    Parameters
    ----------
    fixed
        Size of the batch axis where the file states one.

    Raises
    ------
    LayoutError
        If the sizes do not fit or values of different inputs are mixed.
    """
    sizes = [int(size) for size in target]
    try:
        return _reshape(axes, sizes, may_drop_batch=fixed is None)
    except LayoutError:
        if fixed not in sizes:
            raise
    sizes[sizes.index(fixed)] = BATCH
    return _reshape(axes, sizes, may_drop_batch=False)


def _reshape(axes: Axes, target: Sequence[int], may_drop_batch: bool) -> Axes:
    """`reshape` for a batch axis that goes by the size `BATCH`."""
    sizes, values = list(target), math.prod(axes)
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        if rest == 0 or values % rest:
            raise LayoutError(f"cannot turn {describe(axes)} into {describe(target)}")
        sizes[sizes.index(-1)] = values // rest
    if may_drop_batch and BATCH in axes and math.prod(sizes) == width(axes):
        return tuple(sizes)  # The file works for batches of one input only.
    if min(sizes, default=1) < 1 or math.prod(sizes) != values:
        raise LayoutError(f"cannot turn {describe(axes)} into {describe(target)}")
    if _values_before_batch(axes) != _values_before_batch(tuple(sizes)):
        raise LayoutError("mixes the batch axis with others")
    return tuple(sizes)


def _values_before_batch(axes: Axes) -> int | None:
    """Product of the sizes in front of the batch axis; None if there is none."""
    return math.prod(axes[: axes.index(BATCH)]) if BATCH in axes else None


def transpose(axes: Axes, order: Sequence[int]) -> Axes:
    """Axes after a transposition that keeps the order of an input's values.

    Raises
    ------
    LayoutError
        If the order of the values changes.
    """
    if sorted(order) != list(range(len(axes))):
        raise LayoutError(f"cannot permute {len(axes)} axes by {list(order)}")
    moving = [axis for axis in order if axes[axis] not in (1, BATCH)]
    if moving != sorted(moving):
        raise LayoutError("reorders the values")
    return tuple(axes[axis] for axis in order)


def spread(axes: Axes, constant: Array) -> tuple[Axes, FloatArray]:
    """Axes of x combined elementwise with a constant, and the constant, one entry a value of x.

    Raises
    ------
    LayoutError
        If values of x would be repeated, or the constant differs over the batch.
    """
    padded = (1,) * (constant.ndim - len(axes)) + axes
    sizes = tuple(1 if size == BATCH else size for size in padded)
    try:
        values = np.broadcast_to(constant, sizes).reshape(-1)
    except ValueError:
        raise LayoutError(
            f"combines a tensor of shape {describe(axes)} with a constant of shape "
            f"{describe(constant.shape)}, which does not spread over it"
        ) from None
    return padded, values.astype(np.float64)


def multiply_right(axes: Axes, matrix: Array) -> tuple[Axes, FloatArray]:
    """Axes of x @ matrix, and the weight (n_out, n_in) of that product.

    Raises
    ------
    LayoutError
        If x is more than one row an input, or does not fit.
    """
    core = _core(matrix)
    if not axes or axes[-1] == BATCH or core.ndim == 0 or axes[-1] != core.shape[0]:
        raise _no_product(axes, matrix.shape)
    if width(axes[:-1]) != 1:
        raise LayoutError(f"multiplies {width(axes[:-1])} rows an input by one matrix")
    columns = core.shape[1:]
    lead = (1,) * (matrix.ndim - max(len(axes), 2))
    weight = core.reshape(core.shape[0], -1).T
    return (*lead, *axes[:-1], *columns), weight.astype(np.float64)


def multiply_left(axes: Axes, matrix: Array) -> tuple[Axes, FloatArray]:
    """Axes of matrix @ x, and the weight (n_out, n_in) of that product.

    Raises
    ------
    LayoutError
        If x is more than one column an input, or does not fit.
    """
    core = _core(matrix)
    split = max(len(axes) - 2, 0)
    rows, rest = axes[split : split + 1], axes[split + 1 :]
    if core.ndim == 0 or rows != core.shape[-1:]:
        raise _no_product(axes, matrix.shape)
    if width(axes) != rows[0]:
        raise LayoutError(f"multiplies one matrix by {width(axes) // rows[0]} columns an input")
    lead = (1,) * (matrix.ndim - max(len(axes), 2))
    weight = core.reshape(-1, core.shape[-1])
    return (*lead, *axes[:split], *core.shape[:-1], *rest), weight.astype(np.float64)


def _core(matrix: Array) -> Array:
    """A constant factor without the leading axes of size 1 that NumPy would broadcast.

    Raises
    ------
    LayoutError
        If it is a stack of several matrices.
    """
    if any(size != 1 for size in matrix.shape[:-2]):
        raise LayoutError(f"multiplies by a stack of matrices of shape {describe(matrix.shape)}")
    return matrix.reshape(matrix.shape[-2:])


def _no_product(axes: Axes, shape: Sequence[int]) -> LayoutError:
    """The error for factors that do not fit."""
    return LayoutError(f"cannot multiply {describe(axes)} and a constant of {describe(shape)}")


def describe(axes: Sequence[int]) -> str:
    """Axes as text."""
    return "[" + ", ".join("batch" if size == BATCH else str(size) for size in axes) + "]"
