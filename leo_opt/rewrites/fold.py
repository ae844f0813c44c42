"""A layer whose units all pass their input on, folded into the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt.deviation import add_up
from leo_opt.network import Layer, Network
from leo_opt.rewrites.block import Block, block_loss, passing_units
from leo_opt.rewrites.draft import Draft


def fold_layer(draft: Draft, index: int) -> Draft:
    """Fold a hidden layer that is stably active throughout into the next layer.

    The law: a layer that passes all its inputs on is affine, and so is the map that the next
    layer applies to it. The product is rounded; the deviation is what that can cause. Two linear
    layers fold as well; a linear layer in front of one with phases, such as preprocessing, is
    left alone, so that no weight of the network is rounded.
    """
    current, following = draft.network.layers[index : index + 2]
    if not passing_units(draft, index).all() or (following.has_phases and not current.has_phases):
        return draft
    block = Block.of(draft, index)
    if not block.bounded:
        return draft
    product = block.product
    folded = block.replace(np.eye(len(product)), product, np.zeros(len(product)))
    if not np.isfinite(folded.error).all():
        return draft
    layers = (
        *draft.network.layers[:index],
        Layer(product, folded.next_bias, following.activation),
        *draft.network.layers[index + 2 :],
    )
    nothing = np.empty(0, dtype=np.int64)
    error = add_up(folded.error, block_loss(draft, index, nothing, following.weight[:, nothing]))
    changed = replace(
        draft,
        network=Network(layers, draft.network.signature),
        units=(*draft.units[:index], *draft.units[index + 1 :]),
        origin=(*draft.origin[:index], *draft.origin[index + 1 :]),
    )
    record = ("fold", draft.units[index].index, 0)
    return changed.note(index, error, draft.origin[index], record)
