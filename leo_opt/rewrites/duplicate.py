"""Merging of units that are multiples of each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import round_up
from leo_opt.deviation import add_up, reach
from leo_opt.network import LINEAR, FloatArray, Layer, Weight, read_activation
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.proportional import LayerRows, Multiple
from leo_opt.rewrites.rational import round_nearest


def merge_duplicates(draft: Draft, index: int) -> Draft:
    """Merge the units of a hidden layer whose rows, biases included, are multiples.

    The law: from weight[i] = c weight[k] and bias[i] = c bias[k] with c > 0 follows
    post[i] = c post[k], whatever the phases, and for linear units with any c, so that unit k can
    carry c times the outgoing column of unit i besides its own. Proportion is decided in
    rationals, or where rows are multiples but for the rounding of the type that their numbers
    came in, what that moves is counted. New columns are summed in rationals and rounded once; the
    deviation is that rounding times the largest post[k], and what the rows are off.
    """
    layer, following = draft.network.layers[index : index + 2]
    if not layer.has_phases:
        return draft
    groups = LayerRows.of(draft, index).groups(lambda first, other: _alike(layer, first, other))
    if not groups:
        return draft
    columns, error = np.empty((following.n_out, len(groups))), np.zeros(following.n_out)
    keep = np.ones(layer.n_out, dtype=bool)
    largest = np.maximum(*map(np.abs, draft.inputs_of(index + 1)))
    try:
        for k, (unit, others) in enumerate(groups.items()):
            columns[:, k], rounding = merged_column(following.weight, unit, others)
            units = [other.unit for other in others]
            off = reach(following.weight[:, units], np.array([other.error for other in others]))
            error = add_up(error, scaled(rounding, float(largest[unit])), off)
            keep[units] = False
    except OverflowError:
        return draft
    outgoing = weights.set_columns(following.weight, np.array(list(groups)), columns)
    pair = (
        layer.take(keep),
        Layer(outgoing[:, keep], following.bias, following.activation),
    )
    record = ("duplicate", draft.units[index].index[~keep], 0)
    return draft.replace_pair(index, pair, draft.units[index].take(keep), error, record)


def _alike(layer: Layer, first: int, other: Multiple) -> bool:
    """Whether one unit's value is that of another times the factor."""
    tag = layer.tags[first]
    return layer.tags[other.unit] == tag and (
        tag == LINEAR or (other.factor > 0 and read_activation(tag).homogeneous)
    )


def merged_column(
    outgoing: Weight, unit: int, others: list[Multiple]
) -> tuple[FloatArray, FloatArray]:
    """Column of a unit plus the multiples of others', and how far rounding moved its entries.

    Raises
    ------
    OverflowError
        If an entry is beyond the range of float64.
    """
    columns = weights.dense(outgoing[:, [unit, *(other.unit for other in others)]])
    return round_nearest(
        Fraction(own)
        + sum(
            (o.factor * Fraction(value) for o, value in zip(others, rest, strict=True) if value),
            Fraction(0),
        )
        for own, *rest in columns.tolist()
    )


def scaled(sizes: FloatArray, largest: float) -> FloatArray:
    """sizes * largest rounded up, 0 where the size is 0."""
    safe = np.where(sizes == 0.0, 0.0, largest)
    return np.where(safe == 0.0, 0.0, round_up(sizes * safe))
