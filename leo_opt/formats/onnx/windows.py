"""Which places a sliding window covers: convolutions and pools in any dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.formats.onnx.operation import LoweringError, Operation


@dataclass(frozen=True)
class Geometry:
    """Window, steps and padding along one axis.

    Parameters
    ----------
    size
        Places along the axis.
    out
        Positions of the window.
    begin, end
        Padding in front and behind.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    out: int = 0

    @property
    def extent(self) -> int:
        """Places from the first to the last that the window covers."""
        return (self.kernel - 1) * self.dilation + 1

    def positions(self) -> IntArray:
        """The places under each position of the window, (out, kernel); may lie outside."""
        starts = np.arange(self.out) * self.stride - self.begin
        return starts[:, None] + np.arange(self.kernel) * self.dilation


def geometry(step: Operation, spatial: Sequence[int], kernel: Sequence[int]) -> list[Geometry]:
    """The axes of a convolution or pool, with the positions of its window counted."""
    rank = len(spatial)
    if len(kernel) != rank:
        raise LoweringError(f"has a window of {len(kernel)} axes for {rank}")
    strides = step.sizes("strides", [1] * rank)
    dilations = step.sizes("dilations", [1] * rank)
    pads = step.sizes("pads", [0] * (2 * rank))
    if len(strides) != rank or len(dilations) != rank or len(pads) != 2 * rank:
        raise LoweringError(f"has strides, dilations or pads for other than {rank} axes")
    axes = []
    for k in range(rank):
        axis = Geometry(spatial[k], kernel[k], strides[k], dilations[k], pads[k], pads[k + rank])
        axes.append(_counted(step, axis))
    return axes


def _counted(step: Operation, axis: Geometry) -> Geometry:
    """An axis with automatic padding done and positions counted."""
    automatic = step.text("auto_pad", "NOTSET")
    if automatic == "VALID":
        axis = replace(axis, begin=0, end=0)
    elif automatic != "NOTSET":
        out = -(-axis.size // axis.stride)
        total = max((out - 1) * axis.stride + axis.extent - axis.size, 0)
        begin = total // 2 if automatic == "SAME_UPPER" else total - total // 2
        axis = replace(axis, begin=begin, end=total - begin)
    room = axis.size + axis.begin + axis.end - axis.extent
    out = room // axis.stride + 1
    if step.integer("ceil_mode", 0):
        out = -(-room // axis.stride) + 1
        # A window that begins in the padding behind is none.
        out -= (out - 1) * axis.stride >= axis.size + axis.begin
    if out < 1:
        raise LoweringError(f"has a window of {axis.extent} places over {axis.size}")
    return replace(axis, out=out)


def covered(axes: Sequence[Geometry]) -> IntArray:
    """The places under each position of a window, (positions, places of the window).

    They are numbered in row-major order; -1 stands for padding.
    """
    rank = len(axes)
    flat = np.zeros((1,) * (2 * rank), dtype=np.int64)
    inside = np.ones((1,) * (2 * rank), dtype=bool)
    for k, axis in enumerate(axes):
        shape = [1] * (2 * rank)
        shape[k], shape[k + rank] = axis.out, axis.kernel
        places = axis.positions().reshape(shape)
        inside = inside & (places >= 0) & (places < axis.size)
        flat = flat * axis.size + places
    outs, kernels = math.prod(a.out for a in axes), math.prod(a.kernel for a in axes)
    return np.where(inside, flat, -1).reshape(outs, kernels)


def in_channels(window: IntArray, channels: IntArray, places: int) -> IntArray:
    """A window's places in each of some channels of so many places; -1 stays -1."""
    shape = (*channels.shape, *window.shape)
    base = channels.reshape(*channels.shape, 1, 1) * places
    return np.where(window >= 0, base + window, -1).reshape(shape)
