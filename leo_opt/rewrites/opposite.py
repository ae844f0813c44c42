"""Pairs of units whose rows are negative multiples of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.deviation import add_up, reach
from leo_opt.network import LINEAR, FloatArray, Layer
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.duplicate import merged_column, scaled
from leo_opt.rewrites.proportional import LayerRows, Multiple

_SLACK = 12.0
"""Roundings that may be left of a column that vanishes: two columns with their shares have four,
rows and factor five."""


def merge_opposites(draft: Draft, index: int) -> Draft:
    """Merge pairs of rectifiers that together are linear into one linear unit.

    The law: of the pairs of `part_opposites` those whose rectified column, v_k + c v_i, is 0, or
    nothing but the rounding of the type in which the numbers came.
    """
    return _part(draft, index, all_pairs=False)


def part_opposites(draft: Draft, index: int) -> Draft:
    """Make of each pair of opposite rectifiers a rectifier and a linear unit.

    The law: relu(g) = g + relu(-g). With weight[i] = -c weight[k], bias[i] = -c bias[k] and c > 0
    this says post[i] = pre[i] + c post[k]. So unit i becomes linear, its row and outgoing column
    v_i as they are, and unit k carries c v_i besides its own column v_k. It is deleted where
    nothing is left of that. Whether this saves units is known when the linear units of the layer
    are reduced (`reduce_rank`); the deviation is as in `merge_duplicates`.
    """
    return _part(draft, index, all_pairs=True)


def _part(draft: Draft, index: int, all_pairs: bool) -> Draft:
    """`part_opposites`, of all pairs or of those that leave no rectifier."""
    layer, following = draft.network.layers[index : index + 2]
    rows = LayerRows.of(draft, index)

    def opposite(first: int, other: Multiple) -> bool:
        return other.factor < 0 and layer.tags[first] == layer.tags[other.unit] == "relu"

    groups = rows.groups(opposite) if layer.has_phases else {}
    largest = draft.inputs_of(index + 1)[1]
    error = np.zeros(following.n_out)
    linear: list[int] = []
    columns: dict[int, FloatArray] = {}
    keep = np.ones(layer.n_out, dtype=bool)
    for unit, others in groups.items():
        turned = [replace(other, factor=-other.factor) for other in others]
        try:
            column, rounding = merged_column(following.weight, unit, turned)
        except OverflowError:
            continue
        own = np.abs(weights.dense(following.weight[:, [unit]])[:, 0])
        left = scaled(add_up(np.abs(column), rounding), float(largest[unit]))
        level = _SLACK * draft.roundoff * rows.size(unit)
        vanishes = np.isfinite(level) and bool((left <= level * own).all())
        if vanishes or all_pairs:
            members = [other.unit for other in others]
            off = reach(following.weight[:, members], np.array([k.error for k in others]))
            error = add_up(error, off, left if vanishes else scaled(rounding, largest[unit]))
            linear += members
            keep[unit] = not vanishes
            columns[unit] = column
    if not linear:
        return draft
    outgoing = weights.set_columns(
        following.weight, np.array(list(columns)), np.column_stack(list(columns.values()))
    )
    tags = np.array(layer.tags, dtype=object)
    tags[linear] = LINEAR
    turned_layer = Layer(layer.weight, layer.bias, tags.tolist())
    pair = (
        turned_layer.take(keep),
        Layer(outgoing[:, keep], following.bias, following.activation),
    )
    known = draft.units[index]
    phased = turned_layer.phased
    known = replace(known, active=known.active & phased, inactive=known.inactive & phased)
    record = ("opposite", known.index[~keep], 0)
    return draft.replace_pair(index, pair, known.take(keep), error, record)
