"""Merging of units that are positive multiples of each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import round_up
from leo_opt.deviation import add_up
from leo_opt.network import FloatArray, Layer, Weight, read_activation
from leo_opt.rewrites.draft import Draft
from leo_opt.rewrites.rational import round_nearest


def merge_duplicates(draft: Draft, index: int) -> Draft:
    """Merge the units of a hidden layer whose rows, biases included, are positive multiples.

    The law: from weight[i] = c weight[k] and bias[i] = c bias[k] with c > 0 follows
    post[i] = c post[k], whatever the phases, so that unit k can carry c times the outgoing column
    of unit i besides its own. Proportion is decided in rationals; new columns are summed in
    rationals and rounded once. The deviation is that rounding times the largest post[k].
    """
    current = draft.network.layers[index]
    if not current.has_phases:
        return draft
    groups = proportional_rows(current)
    if not groups:
        return draft
    following = draft.network.layers[index + 1]
    columns, error = np.empty((following.n_out, len(groups))), np.zeros(following.n_out)
    keep = np.ones(current.n_out, dtype=bool)
    largest = np.maximum(*map(np.abs, draft.inputs_of(index + 1)))
    try:
        for k, (unit, factors) in enumerate(groups.items()):
            columns[:, k], rounding = _merged_column(following.weight, unit, factors)
            error = add_up(error, _times(rounding, float(largest[unit])))
            keep[list(factors)] = False
    except OverflowError:
        return draft
    outgoing = weights.set_columns(following.weight, np.array(list(groups)), columns)
    pair = (
        current.take(keep),
        Layer(outgoing[:, keep], following.bias, following.activation),
    )
    record = ("duplicate", draft.units[index].index[~keep], 0)
    return draft.replace_pair(index, pair, draft.units[index].take(keep), error, record)


def proportional_rows(layer: Layer) -> dict[int, dict[int, Fraction]]:
    """Units whose rows, biases included, are positive multiples of an earlier unit's, exactly.

    Both have the same activation, one that does not mind a positive factor.

    Returns
    -------
    dict
        For each unit that has multiples, these and their factors. Zero rows are left out.
    """
    first: dict[tuple[str, bytes, bytes], list[tuple[int, FloatArray]]] = {}
    groups: dict[int, dict[int, Fraction]] = {}
    for unit, tag in enumerate(layer.tags):
        columns, row = weights.row_support(layer.weight, unit)
        if layer.bias[unit]:
            columns, row = np.append(columns, layer.n_in), np.append(row, layer.bias[unit])
        if not (row.size and read_activation(tag).homogeneous):
            continue
        # Quotients of proportional rows are equal rationals and thus round to equal numbers.
        size = np.abs(row).max()
        key = tag, columns.tobytes(), (row / size).tobytes()
        for other, theirs in first.setdefault(key, []):
            factor = Fraction(float(size)) / Fraction(float(np.abs(theirs).max()))
            if _is_multiple(row, theirs, factor):
                groups.setdefault(other, {})[unit] = factor
                break
        else:
            first[key].append((unit, row))
    return groups


def _is_multiple(row: FloatArray, other: FloatArray, factor: Fraction) -> bool:
    """Whether row = factor * other; decided in rationals."""
    return all(
        Fraction(mine) == factor * Fraction(theirs)
        for mine, theirs in zip(row.tolist(), other.tolist(), strict=True)
    )


def _merged_column(
    outgoing: Weight, unit: int, factors: dict[int, Fraction]
) -> tuple[FloatArray, FloatArray]:
    """Column of a unit plus the multiples of others', and how far rounding moved its entries."""
    columns = weights.dense(outgoing[:, [unit, *factors]])
    return round_nearest(
        Fraction(own)
        + sum(
            (f * Fraction(value) for f, value in zip(factors.values(), others, strict=True)),
            Fraction(0),
        )
        for own, *others in columns.tolist()
    )


def _times(rounding: FloatArray, largest: float) -> FloatArray:
    """rounding * largest rounded up, 0 where nothing was rounded."""
    safe = np.where(rounding == 0.0, 0.0, largest)
    return np.where(safe == 0.0, 0.0, round_up(rounding * safe))
