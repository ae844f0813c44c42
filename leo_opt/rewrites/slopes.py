"""Leaky units that are never positive, as linear units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.activations import LINEAR
from leo_opt.arithmetic import TINY, UNIT_ROUNDOFF
from leo_opt.arrays import FloatArray
from leo_opt.deviation import add_up, reach
from leo_opt.network import Layer
from leo_opt.rewrites.draft import Draft


def pass_slopes(draft: Draft, index: int) -> Draft:
    """Linear units in the place of leaky units that are never positive.

    The law: such a unit is its pre-activation times its slope. The slope goes into the outgoing
    column, rounded; the deviation is that rounding times the largest pre-activation.
    """
    layer, following = draft.network.layers[index : index + 2]
    units = draft.units[index]
    mask = units.inactive & ~units.zero(layer)
    if not mask.any():
        return draft
    columns, off = scaled(
        weights.dense(following.weight[:, mask]), layer.slopes(np.full(layer.n_out, -1.0))[mask]
    )
    largest = np.maximum(*map(np.abs, units.interval))[mask]
    tags = [LINEAR if held else tag for tag, held in zip(layer.tags, mask, strict=True)]
    pair = (
        Layer(layer.weight, layer.bias, tags),
        Layer(
            weights.set_columns(following.weight, np.flatnonzero(mask), columns),
            following.bias,
            following.activation,
        ),
    )
    error = add_up(reach(off, largest), draft.lost(index, mask))
    record = ("slope", np.empty(0, dtype=np.int64), 0)
    known = replace(units, inactive=units.inactive & ~mask)
    return draft.replace_pair(index, pair, known, error, record)


def scaled(columns: FloatArray, slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns times one slope each, and how far every entry of that may be off by rounding."""
    products = columns * slopes
    # Half an ulp, doubled; a power of two rounds nothing that is far from underflow.
    exact = (np.frexp(slopes)[0] == 0.5) & (np.abs(products) > TINY) | (columns == 0.0)
    return products, np.where(exact, 0.0, 2.0 * UNIT_ROUNDOFF * np.abs(products) + TINY)
