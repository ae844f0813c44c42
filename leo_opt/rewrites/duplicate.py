"""Merging of units that are positive multiples of each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt.deviation import add_up
from leo_opt.enclosure import round_up
from leo_opt.network import FloatArray, Layer
from leo_opt.rewrites.draft import BoolArray, Draft
from leo_opt.rewrites.rational import round_nearest


def merge_duplicates(draft: Draft, layer: int) -> Draft:
    """Merge the units of a hidden layer whose rows, biases included, are positive multiples.

    The law: from weight[i] = c weight[k] and bias[i] = c bias[k] with c > 0 follows
    post[i] = c post[k], whatever the phases, so that unit k can carry c times the outgoing column
    of unit i besides its own. Proportion is decided in rationals; new columns are summed in
    rationals and rounded once. The deviation is that rounding times the largest post[k].
    """
    current = draft.network.layers[layer]
    if not current.has_phases:
        return draft
    groups = proportional_rows(np.column_stack([current.weight, current.bias]))
    if not groups:
        return draft
    following = draft.network.layers[layer + 1]
    outgoing, error = following.weight.copy(), np.zeros(following.n_out)
    keep = np.ones(current.n_out, dtype=bool)
    _, largest = draft.inputs_of(layer + 1)
    try:
        for unit, factors in groups.items():
            outgoing[:, unit], rounding = _merged_column(following.weight, unit, factors)
            error = add_up(error, _times(rounding, float(largest[unit])))
            keep[list(factors)] = False
    except OverflowError:
        return draft
    pair = (
        Layer(current.weight[keep], current.bias[keep], current.activation),
        Layer(outgoing[:, keep], following.bias, following.activation),
    )
    record = ("duplicate", draft.units[layer].index[~keep], 0)
    return draft.replace_pair(layer, pair, draft.units[layer].take(keep), error, record)


def proportional_rows(rows: FloatArray) -> dict[int, dict[int, Fraction]]:
    """Rows that are positive multiples of an earlier row, exactly.

    Parameters
    ----------
    rows : (m, n) array

    Returns
    -------
    dict
        For each row that has multiples, these and their factors. Zero rows are left out.
    """
    pivots = np.abs(rows).argmax(axis=1)
    sizes = np.abs(rows)[np.arange(len(rows)), pivots]
    # Quotients of proportional rows are equal rationals and thus round to equal numbers.
    first: dict[bytes, list[int]] = {}
    groups: dict[int, dict[int, Fraction]] = {}
    for unit in np.flatnonzero(sizes > 0.0).tolist():
        key = (rows[unit] / sizes[unit]).tobytes()
        for other in first.setdefault(key, []):
            if _are_proportional(rows[unit], rows[other], int(pivots[other])):
                factor = Fraction(float(sizes[unit])) / Fraction(float(sizes[other]))
                groups.setdefault(other, {})[unit] = factor
                break
        else:
            first[key].append(unit)
    return groups


def _are_proportional(row: FloatArray, other: FloatArray, pivot: int) -> bool:
    """Whether row = c other for some c, where other[pivot] is not 0; decided in rationals."""
    support: BoolArray = (row != 0.0) | (other != 0.0)
    mine, theirs = Fraction(float(row[pivot])), Fraction(float(other[pivot]))
    return all(
        Fraction(left) * theirs == Fraction(right) * mine
        for left, right in zip(row[support].tolist(), other[support].tolist(), strict=True)
    )


def _merged_column(
    outgoing: FloatArray, unit: int, factors: dict[int, Fraction]
) -> tuple[FloatArray, FloatArray]:
    """Column of a unit plus the multiples of others', and how far rounding moved its entries."""
    return round_nearest(
        Fraction(float(row[unit]))
        + sum((factor * Fraction(float(row[k])) for k, factor in factors.items()), Fraction(0))
        for row in outgoing
    )


def _times(rounding: FloatArray, largest: float) -> FloatArray:
    """rounding * largest rounded up, 0 where nothing was rounded."""
    safe = np.where(rounding == 0.0, 0.0, largest)
    return np.where(safe == 0.0, 0.0, round_up(rounding * safe))
