"""A layer that the next one only passes on or reads linearly, folded into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.deviation import add_up
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.rewrites.block import Block, block_loss, passing_units
from leo_opt.rewrites.draft import Draft, Units


def fold_layer(draft: Draft, index: int) -> Draft:
    """Fold a hidden layer into the next one where that can do its work.

    The law: a unit that reads only units that pass their input on is an affine map of what these
    read, and keeps its activation. A unit that copies a rectifier, with a factor c > 0 and
    without a bias, is the rectifier of c times its row: relu(c relu(g)) = relu(c g). Where all
    units of the next layer are one or the other, none needs this layer. The product is rounded;
    the deviation is what that can cause. Two linear layers fold as well; a linear layer of the
    original in front of one with phases, such as preprocessing, is left alone, so that no weight
    of the network is rounded.
    """
    following = draft.network.layers[index + 1]
    if following.has_phases and draft.origin[index] in draft.preprocessing:
        return draft
    passing = passing_units(draft, index)
    copied = copied_units(draft, index, passing)
    if (weights.rows_that_read(following.weight, ~passing) & (copied < 0)).any():
        return draft
    block = Block.of(draft, index, np.ones_like(passing))
    if not block.bounded:
        return draft
    product = block.product
    folded = block.replace(np.eye(len(product)), product, np.zeros(len(product)))
    if not np.isfinite(folded.error).all():
        return draft
    tags = ["relu" if k >= 0 else tag for k, tag in zip(copied, following.tags, strict=True)]
    layers = (
        *draft.network.layers[:index],
        Layer(product, folded.next_bias, tags),
        *draft.network.layers[index + 2 :],
    )
    nothing = np.empty(0, dtype=np.int64)
    loss = block_loss(draft, index, nothing, following.weight[:, nothing])
    units = _units_behind(draft, index, copied)
    changed = replace(
        draft,
        network=Network(layers, draft.network.signature),
        units=(*draft.units[:index], units, *draft.units[index + 2 :]),
        origin=(*draft.origin[:index], *draft.origin[index + 1 :]),
    )
    record = ("fold", draft.units[index].index, 0)
    error = add_up(folded.error, np.where(copied < 0, loss, 0.0))
    return changed.note(index, error, draft.origin[index], record)


def copied_units(draft: Draft, index: int, passing: BoolArray) -> IntArray:
    """For each unit of the next layer the rectifier that it copies, a multiple of it, else -1."""
    layer, following = draft.network.layers[index : index + 2]
    source = np.full(following.n_out, -1, dtype=np.int64)
    bare = weights.rows_that_read(following.weight, ~passing) & (following.bias == 0.0)
    for unit in np.flatnonzero(bare).tolist():
        columns, values = weights.row_support(following.weight, unit)
        tags = {"relu"} if index + 1 == draft.last else {"relu", "linear"}
        if (
            values.size == 1
            and values[0] > 0.0
            and layer.tags[columns[0]] == "relu"
            and following.tags[unit] in tags
        ):
            source[unit] = columns[0]
    return source


def _units_behind(draft: Draft, index: int, copied: IntArray) -> Units:
    """What is known of the next layer's units once they read what this layer reads."""
    before, behind = draft.units[index : index + 2]
    weight = draft.network.layers[index + 1].weight
    copies = np.flatnonzero(copied >= 0)
    sources = copied[copies]
    factors = np.array([weights.row_support(weight, unit)[1][0] for unit in copies.tolist()])

    def put(values: FloatArray, read: FloatArray, away: float) -> FloatArray:
        new, changed = read[sources], values.copy()
        scaled = np.nextafter(factors * new, away)
        changed[copies] = np.where((factors == 1.0) | (new == 0.0), new, scaled)
        return changed

    active, inactive = behind.active.copy(), behind.inactive.copy()
    active[copies], inactive[copies] = before.active[sources], before.inactive[sources]
    return Units(
        behind.index,
        active,
        inactive,
        put(behind.lower, before.lower, -np.inf),
        put(behind.upper, before.upper, np.inf),
        # Of an output it stays the bound on how far that is from the original's.
        np.maximum(behind.drift, put(behind.drift, before.drift, np.inf)),
        put(behind.sure, before.sure, -np.inf),
    )
