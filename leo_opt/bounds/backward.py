"""The backward pass of CROWN.

Every unit is held between two lines, which `lines` makes. Going backwards from the rows to be
bounded, the coefficient matrix A, the constant c and an error e keep the invariant

    rows @ h + bias <= A @ h_i + c + e     for every input of the box, in real arithmetic,

where A and c are the float64 numbers at hand and e absorbs every rounding made so far. The error of
a product A @ W costs one matrix-vector product with the vector |W| max|h| + |b|, so soundness is
nearly free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import TINY, gamma, round_up
from leo_opt.bounds.lines import LayerLines
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Weight

_WORTH_DROPPING = 0.9
"""Columns are dropped where no more than this share is left."""

FEW_CELLS = 2**12
"""Of a matrix for which a call of NumPy costs more than the work that it does."""


def _spread(per_unit: FloatArray, rows: Weight) -> FloatArray:
    """Numbers (..., n) of units for each of the `weights.entries` of rows (..., m, n)."""
    spread: FloatArray
    spread = per_unit[rows.indices] if weights.is_sparse(rows) else per_unit[..., None, :]
    return spread


def _drop_columns(rows: Weight, step: LayerLines) -> tuple[Weight, LayerLines]:
    """Rows without the columns of units that pass nothing on, and the lines of the others."""
    if step.shift is not None or step.tilted.size or step.below.ndim > 1:
        return rows, step
    if rows.shape[0] * rows.shape[1] < FEW_CELLS:
        return rows, step
    kept = (step.above != 0.0) | (step.below != 0.0) | (step.offset != 0.0)
    if step.under is not None:
        kept |= step.under != 0.0
    kept &= weights.columns_read(rows)
    if kept.sum() > _WORTH_DROPPING * kept.size:
        return rows, step
    units = np.flatnonzero(kept)
    return rows[:, units], replace(
        step,
        weight=step.weight[units],
        bias=step.bias[units],
        above=step.above[units],
        offset=step.offset[units],
        below=step.below[units],
        cost=step.cost[units],
        under=None if step.under is None else step.under[units],
    )


def _apply(matrix: Weight, vector: FloatArray) -> FloatArray:
    """Matrix-vector products over leading dimensions: (..., m, n) and (..., n) to (..., m)."""
    if vector.ndim == 1:
        return np.asarray(matrix @ vector)
    product: FloatArray = (matrix @ vector[..., None])[..., 0]
    return product


def bound_above(
    rows: Weight,
    constants: FloatArray,
    relaxations: Sequence[LayerLines],
    domain: Box | Boxes,
) -> FloatArray:
    """Upper bounds of rows @ h + constants, h the post-activations of the last relaxation."""
    total, magnitude, error = constants, np.abs(constants), np.zeros_like(constants)
    for whole in reversed(relaxations):
        rows, step = _drop_columns(rows, whole)
        values = weights.entries(rows)
        positive = np.maximum(values, 0.0)
        negative = np.minimum(values, 0.0) * _spread(step.below, rows)
        scaled = positive * _spread(step.above, rows) + negative
        # No less than the coefficients themselves, since slopes are at most 1.
        weight = positive - negative
        change = _apply(weights.with_numbers(rows, positive), step.offset)
        if step.under is not None:
            change = change + _apply(weights.with_numbers(rows, values - positive), step.under)
            weight = np.abs(values)
        if step.shift is not None:
            shift = step.shift[..., None, :]
            scaled, weight, change = scaled - shift, weight + np.abs(shift), change + step.ends
            magnitude = magnitude + np.abs(change)
        before = weights.with_numbers(rows, scaled)
        change = change + before @ step.bias
        error = error + _apply(weights.with_numbers(rows, weight), step.cost) + step.lost
        total = total + change
        magnitude = magnitude + np.abs(change)
        rows = weights.product(before, step.weight)
        if step.tilted.size:
            rows += positive[..., step.tilted] @ step.slopes
    ends = _apply(weights.positive_part(rows), domain.upper)
    ends = ends + _apply(weights.negative_part(rows), domain.lower)
    reach = _apply(abs(rows), np.maximum(np.abs(domain.lower), np.abs(domain.upper)))
    error = (
        (1.0 + gamma(8)) * error
        + gamma(domain.lower.shape[-1] + 2) * reach
        + gamma(4 * len(relaxations) + 4) * (magnitude + reach)
        + TINY
    )
    bound = round_up(total + ends + error)
    return np.where(np.isnan(bound), np.inf, bound)
