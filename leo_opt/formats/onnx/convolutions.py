"""Convolutions and the means of pools, as matrices."""

from __future__ import annotations

import math

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.formats.affine import Affine
from leo_opt.formats.onnx.operation import LoweringError, Operation, Tensor, spread
from leo_opt.formats.onnx.windows import Geometry, covered, geometry, in_channels
from leo_opt.formats.rounded import Rounded


def convolve(step: Operation) -> list[Tensor]:
    """Conv in any number of dimensions."""
    tensor, weight = step.tensor(), step.rounded(1)
    groups, out = step.integer("group", 1), weight.shape[0]
    batch, channels, *spatial = _axes(tensor)
    if weight.shape[1] * groups != channels or out % groups:
        raise LoweringError(f"has weights {list(weight.shape)} for {channels} channels")
    axes = geometry(step, spatial, weight.shape[2:])
    columns = _channel_windows(axes, batch, channels, out, groups)
    places = np.broadcast_to(weight.places.reshape(1, out, 1, -1), columns.shape)
    flat = (-1, columns.shape[-1])
    matrix = Affine.matrix(columns.reshape(flat), weight.at(places.reshape(flat)))
    shape = (batch, out, *(axis.out for axis in axes))
    return [_biased(step, Tensor(shape, step.levels.apply(matrix, tensor.values)))]


def _axes(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor with batch, channels and at least one more axis."""
    if len(tensor.shape) < 3:
        raise LoweringError(f"needs batch, channels and more axes, not {list(tensor.shape)}")
    return tensor.shape


def _channel_windows(
    axes: list[Geometry], batch: int, channels: int, out: int, groups: int
) -> IntArray:
    """What each output of a convolution reads, (batch, out, positions, entries)."""
    places = math.prod(axis.size for axis in axes)
    window = covered(axes)
    each = channels // groups
    first = np.repeat(np.arange(groups) * each, out // groups)
    read = first[:, None] + np.arange(each)
    inputs = np.arange(batch)[:, None, None] * channels + read
    columns = np.moveaxis(in_channels(window, inputs, places), 2, 3)
    return columns.reshape(batch, out, len(window), -1)


def _biased(step: Operation, tensor: Tensor) -> Tensor:
    """A tensor plus a number for each channel, if there is one."""
    if len(step.given) < 3 or step.given[2] is None:
        return tensor
    shape = (-1,) + (1,) * (len(tensor.shape) - 2)
    _, values = spread(tensor, step.rounded(2).reshape(shape))
    return Tensor(tensor.shape, tensor.values.add(values))


def convolve_transposed(step: Operation) -> list[Tensor]:
    """ConvTranspose: the transpose of the convolution from its output to its input."""
    tensor, weight = step.tensor(), step.rounded(1)
    groups = step.integer("group", 1)
    batch, channels, *spatial = _axes(tensor)
    if weight.shape[0] != channels:
        raise LoweringError(f"has weights {list(weight.shape)} for {channels} channels")
    axes = _transposed_axes(step, spatial, weight.shape[2:])
    out = weight.shape[1] * groups
    rows = _channel_windows(axes, batch, out, channels, groups)
    places = np.broadcast_to(weight.places.reshape(1, channels, 1, -1), rows.shape)
    columns = np.broadcast_to(
        np.arange(math.prod(rows.shape[:3]))[:, None], (math.prod(rows.shape[:3]), rows.shape[3])
    )
    shape = (batch, out, *(axis.size for axis in axes))
    matrix = Affine.scattered(
        rows.ravel(), columns.ravel(), weight.at(places.ravel()), math.prod(shape)
    )
    return [_biased(step, Tensor(shape, step.levels.apply(matrix, tensor.values)))]


def _transposed_axes(
    step: Operation, spatial: list[int], kernel: tuple[int, ...]
) -> list[Geometry]:
    """The axes of the convolution of which a transposed one is the transpose."""
    rank = len(spatial)
    strides, dilations = step.sizes("strides", [1] * rank), step.sizes("dilations", [1] * rank)
    extra, pads = step.sizes("output_padding", [0] * rank), step.sizes("pads", [0] * (2 * rank))
    wanted, automatic = step.sizes("output_shape", []), step.text("auto_pad", "NOTSET")
    axes = []
    for k in range(rank):
        extent = (kernel[k] - 1) * dilations[k] + 1
        whole = strides[k] * (spatial[k] - 1) + extra[k] + extent
        begin, end = pads[k], pads[k + rank]
        if wanted or automatic.startswith("SAME"):
            total = max(whole - (wanted[-rank:][k] if wanted else spatial[k] * strides[k]), 0)
            begin = total - total // 2 if automatic != "SAME_UPPER" else total // 2
            end = total - begin
        size = wanted[-rank:][k] if wanted else whole - begin - end
        axes.append(Geometry(size, kernel[k], strides[k], dilations[k], begin, end, out=spatial[k]))
    return axes


def average_pool(step: Operation) -> list[Tensor]:
    """AveragePool; padding counts only where the file says so."""
    tensor = step.tensor()
    batch, channels, *spatial = _axes(tensor)
    axes = geometry(step, spatial, step.sizes("kernel_shape", []))
    window = covered(axes)
    counts = (window >= 0).sum(axis=1)
    if step.integer("count_include_pad", 0):
        padded = [
            Geometry(a.size + a.begin + a.end, a.kernel, a.stride, a.dilation, 0, 0, a.out)
            for a in axes
        ]
        counts = (covered(padded) >= 0).sum(axis=1)
    planes = np.arange(batch * channels)
    columns = in_channels(window, planes, math.prod(spatial))
    shares = Rounded.exact(np.ones(len(window))) / Rounded.exact(counts.astype(np.float64))
    places = np.broadcast_to(np.arange(len(window))[None, :, None], columns.shape).reshape(
        -1, window.shape[1]
    )
    matrix = Affine.matrix(columns.reshape(places.shape), shares[places])
    shape = (batch, channels, *(axis.out for axis in axes))
    return [Tensor(shape, step.levels.apply(matrix, tensor.values))]
