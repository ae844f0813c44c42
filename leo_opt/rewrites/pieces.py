"""Layers without the pieces of activations on which no unit ever is."""

from __future__ import annotations

import numpy as np

from leo_opt import weights
from leo_opt.activations import LINEAR, read_activation, with_pieces
from leo_opt.arrays import BoolArray, FloatArray
from leo_opt.network import Layer


def settle(
    layer: Layer, lower: FloatArray, upper: FloatArray
) -> tuple[Layer, BoolArray, BoolArray, BoolArray]:
    """A layer with the same post-activations for all pre-activations within some bounds.

    A unit that stays at an end of a clip becomes a linear unit without weights whose bias is that
    end; an end that no pre-activation comes to leaves the tag. No number is rounded.

    Parameters
    ----------
    lower, upper : (n_out,) arrays

    Returns
    -------
    settled : Layer
    active, inactive : (n_out,) arrays
        As in `Units`.
    constant : (n_out,) array
        Units that have become a number.
    """
    tags, bias, constant = list(layer.tags), layer.bias.copy(), np.zeros(layer.n_out, dtype=bool)
    inactive = layer.phased & (upper <= 0.0)
    active = layer.phased & (lower >= 0.0) & ~inactive
    for unit in np.flatnonzero([tag not in (LINEAR, "relu") for tag in tags]).tolist():
        activation = read_activation(tags[unit])
        pieces = activation.pieces_on(lower[unit], upper[unit])
        offset = activation.offsets[activation.pieces.index(pieces[0])]
        constant[unit] = len(pieces) == 1 and not pieces[0].slope and offset == float(offset)
        if constant[unit]:
            tags[unit], bias[unit] = LINEAR, float(offset)
        elif len(pieces) > 1:
            tags[unit] = with_pieces(tags[unit], pieces)
        passes = len(pieces) == 1 and pieces[0].slope == 1.0 and not offset
        active[unit] = passes
        inactive[unit] = len(pieces) == 1 and not (passes or constant[unit] or offset)
    if tags == list(layer.tags):
        return layer, active, inactive, constant
    weight = weights.scale_rows(layer.weight, ~constant)
    return Layer(weight, bias, tags), active, inactive, constant
