"""Where a chain takes the larger of two values, and what later layers read in terms of it.

A linear unit p and a rectifier with pre-activation g, read together, are a maximum:

    m p + max(0, g) = max(m p, b)      with b = m p + g,      for any number m.

That holds of every such pair; it is worth knowing where b is simpler than g, since g = b - m p
reads what p reads. Such pairs are found in the numbers alone, so that any network may have them:
the row of g contains that of p, times -m and to the last bit, and later layers read both together.
Rows over a layer are written over its *sums* then, with m p + max(0, g) in the place of the
rectifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import exact_sums, gamma
from leo_opt.arrays import BoolArray, FloatArray, IntArray
from leo_opt.layer import Layer
from leo_opt.weights import Weight

Sparse: TypeAlias = Any
"""A CSR array; SciPy has no types."""

_MOST_CANDIDATES = 20_000_000
"""Pairs that are looked at in one layer; where there were more, none is."""


_ALIKE = 2.0**-50
"""Share that rounding may have left of a coefficient that stands for the sum alone."""


@dataclass(frozen=True, eq=False)
class SumRows:
    """Rows over the sums of a layer, or over its units where it has none.

    Parameters
    ----------
    weight : (m, n) array
    bias : (m,) array
    slack : (m, n) CSR array or None
        How far the numbers of the weight can be from the real ones; None where they are these.
    lanes : (m,) array
        For each row that is a unit vector with bias 0 the place of its 1, else -1.
    """

    weight: Weight
    bias: FloatArray
    slack: Sparse | None
    lanes: IntArray


@dataclass(frozen=True, eq=False)
class Maxima:
    """Pairs of a layer of which later layers read the sum, unit + factor * source.

    Parameters
    ----------
    units, sources : (k,) integer arrays
        No unit is a source.
    factors : (k,) array
    rectified : (k,) boolean array
        Whether the unit is a rectifier and the sum the larger of factor * source and `other`, or a
        lane of such a unit, and the sum equal to `other`.
    other : SumRows
        k rows over the sums of the layer before.
    readers : SumRows
        The next layer, over the sums of this one.
    """

    units: IntArray
    sources: IntArray
    factors: FloatArray
    rectified: BoolArray
    other: SumRows
    readers: SumRows


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of a layer, with the rows (k, n_in) and biases (k,) of `Maxima.other` over units."""

    units: IntArray
    sources: IntArray
    factors: FloatArray
    rectified: BoolArray
    weight: Weight
    bias: FloatArray


def find_maxima(layers: Sequence[Layer]) -> tuple[Maxima | None, ...]:
    """The maxima of each layer, None where it has none; the last layer is read by nobody."""
    result: list[Maxima | None] = []
    before: _Pairs | None = None
    for index in range(len(layers) - 1):
        pairs = _pairs(layers, index, before)
        if pairs is None:
            result.append(None)
        else:
            above = layers[index + 1]
            result.append(
                Maxima(
                    pairs.units,
                    pairs.sources,
                    pairs.factors,
                    pairs.rectified,
                    _over_sums(pairs.weight, pairs.bias, before),
                    _over_sums(above.weight, above.bias, pairs),
                )
            )
        before = pairs
    return (*result, None)


def _pairs(layers: Sequence[Layer], index: int, before: _Pairs | None) -> _Pairs | None:
    """Pairs of one layer: lanes of those of the layer before, and new ones."""
    layer = layers[index]
    if isinstance(layer.activation, str) and before is None:
        return None
    parts = [] if before is None else [_carried(layer, before)]
    if not isinstance(layer.activation, str):
        parts.append(_new(layers, index))
    units, sources, factors, rectified = (
        np.concatenate([part[k] for part in parts]) for k in range(4)
    )
    kept = np.flatnonzero(~np.isin(sources, units))
    if not kept.size:
        return None
    units, sources, factors = units[kept], sources[kept], factors[kept]
    matrix = _sparse(layer.weight)
    other = (_scaled(matrix[sources], factors) + matrix[units]).tocsr()
    bias = factors * layer.bias[sources] + layer.bias[units]
    return _Pairs(units, sources, factors, rectified[kept], weights.canonical(other), bias)


def _carried(layer: Layer, before: _Pairs) -> tuple[IntArray, IntArray, FloatArray, BoolArray]:
    """Lanes of both units of a pair of the layer before."""
    lane = _lane_of(layer)
    units, sources = lane[before.units], lane[before.sources]
    kept = (units >= 0) & (sources >= 0)
    return units[kept], sources[kept], before.factors[kept], np.zeros(kept.sum(), dtype=bool)


def _new(layers: Sequence[Layer], index: int) -> tuple[IntArray, IntArray, FloatArray, BoolArray]:
    """Rectifiers whose row contains that of a linear unit that is read together with them."""
    layer = layers[index]
    matrix = _sparse(layer.weight)
    tags = np.array(layer.tags)
    units, sources = _candidates(matrix, np.flatnonzero(tags == "relu"), ~layer.phased)
    at = matrix.indices[matrix.indptr[sources]]
    first = matrix.data[matrix.indptr[sources]]
    with np.errstate(all="ignore"):
        factors = -_values_at(matrix, units, at) / first
        exact = factors * first == -_values_at(matrix, units, at)
        # A factor that is not 1 may round a product, except with 1.
        single = np.diff(matrix.indptr)[sources] == 1
        exact &= (np.abs(factors) == 1.0) | (single & (np.abs(first) == 1.0))
        exact &= np.isfinite(factors) & (factors != 0.0)
        shift = factors * layer.bias[sources]
        exact &= (np.abs(factors) == 1.0) | (layer.bias[sources] == 0.0)
        exact &= exact_sums(shift, layer.bias[units])[1] == 0.0
    units, sources, factors = units[exact], sources[exact], factors[exact]
    kept = _contains(matrix, units, sources, factors)
    units, sources, factors = units[kept], sources[kept], factors[kept]
    gain = _gain(layers, index, units, sources, factors)
    order = np.lexsort((-gain, units))
    order = order[gain[order] > 0.0]
    chosen = order[np.unique(units[order], return_index=True)[1]]
    return units[chosen], sources[chosen], factors[chosen], np.ones(chosen.size, dtype=bool)


def _candidates(matrix: Sparse, units: IntArray, linear: BoolArray) -> tuple[IntArray, IntArray]:
    """Pairs of a rectifier and a linear unit whose first entry stands in the rectifier's row."""
    sources = np.flatnonzero(linear & (np.diff(matrix.indptr) > 0))
    first = matrix.indices[matrix.indptr[sources]]
    order = np.argsort(first, kind="stable")
    sources, first = sources[order], first[order]
    rows = matrix[units]
    starts = np.searchsorted(first, rows.indices, side="left")
    counts = np.searchsorted(first, rows.indices, side="right") - starts
    if counts.sum() > _MOST_CANDIDATES:
        counts[:] = 0
    of = np.repeat(units, np.diff(rows.indptr))
    return np.repeat(of, counts), sources[_ranges(starts, counts)]


def _contains(matrix: Sparse, units: IntArray, sources: IntArray, factors: FloatArray) -> BoolArray:
    """Whether -factor * the row of each source stands in the row of its unit."""
    starts = matrix.indptr[sources].astype(np.int64)
    counts = matrix.indptr[sources + 1] - starts
    places, pair = _ranges(starts, counts), np.repeat(np.arange(units.size), counts)
    found = _values_at(matrix, units[pair], matrix.indices[places])
    wrong = found != -factors[pair] * matrix.data[places]
    result = np.ones(units.size, dtype=bool)
    result[pair[wrong]] = False
    return result


def _gain(
    layers: Sequence[Layer],
    index: int,
    units: IntArray,
    sources: IntArray,
    factors: FloatArray,
) -> FloatArray:
    """How much smaller the factor of a source becomes over sums, where its unit is read most."""
    gain, left = np.zeros(units.size), np.arange(units.size)
    for layer in layers[index + 1 :]:
        if not left.size:
            break
        lane = _lane_of(layer)
        read = _sparse(layer.weight)
        read = _scaled(read, (layer.lanes < 0).astype(np.float64))
        row, most = _largest_of_columns(read)
        here = most[units] > 0.0
        at = row[units[here]]
        both = _values_at(read, at, sources[here])
        alone = both - factors[here] * _values_at(read, at, units[here])
        gained = np.abs(both) - np.abs(alone)
        # Several maxima may share a source; with any factor that would be a coincidence.
        alike = (np.abs(alone) <= _ALIKE * np.abs(both)) | (np.abs(factors[here]) == 1.0)
        gain[left[here]] = np.where(alike, gained, 0.0)
        units, sources = lane[units], lane[sources]
        on = ~here & (units >= 0) & (sources >= 0)
        left, units, sources, factors = left[on], units[on], sources[on], factors[on]
    return gain


def _largest_of_columns(matrix: Sparse) -> tuple[IntArray, FloatArray]:
    """Row and size of the largest entry of each column, (n,); size 0 in empty ones."""
    row, most = np.zeros(matrix.shape[1], dtype=np.int64), np.zeros(matrix.shape[1])
    sizes = np.abs(matrix.data)
    order = np.argsort(sizes, kind="stable")
    columns = matrix.indices[order]
    # Of those written to one place the last, and largest, stays.
    row[columns] = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[order]
    most[columns] = sizes[order]
    return row, most


def _over_sums(weight: Weight, bias: FloatArray, pairs: _Pairs | None) -> SumRows:
    """Rows over units as rows over sums: the unit of a pair is its sum less factor * source."""
    made, slack = weight, None
    if pairs is not None:
        from scipy.sparse import csr_array, eye_array

        size = weight.shape[1]

        def with_pairs(values: FloatArray) -> Sparse:
            changes = csr_array((values, (pairs.units, pairs.sources)), shape=(size, size))
            return (eye_array(size, format="csr") + changes).tocsr()

        made = weights.canonical(weight @ with_pairs(-pairs.factors))
        # One product by 1 or -1 is exact, and so is a difference of equal numbers.
        loose = np.where(np.abs(pairs.factors) == 1.0, 1.0, 3.0)
        terms = _sparse((weight != 0.0).astype(np.float64) @ with_pairs(loose))
        inexact = (terms > 2.0) + (terms > 1.0).multiply(_sparse(made) != 0.0)
        reach = _sparse(abs(weight) @ with_pairs(np.abs(pairs.factors)))
        lost = reach.multiply(inexact.astype(np.float64)) * gamma(2 * int(terms.max()) + 2)
        slack = weights.canonical(lost) if lost.nnz else None
    return SumRows(made, bias, slack, _unit_rows(made, bias))


def _unit_rows(weight: Weight, bias: FloatArray) -> IntArray:
    """For each row that is a unit vector with bias 0 the place of its 1, else -1, (m,)."""
    matrix = _sparse(weight)
    lanes = np.full(bias.size, -1, dtype=np.int64)
    single = np.flatnonzero((np.diff(matrix.indptr) == 1) & (bias == 0.0))
    at = matrix.indptr[single]
    ones = matrix.data[at] == 1.0
    lanes[single[ones]] = matrix.indices[at[ones]]
    return lanes


def _lane_of(layer: Layer) -> IntArray:
    """For each input of a layer a lane that carries it on, else -1, (n_in,)."""
    lane = np.full(layer.n_in, -1, dtype=np.int64)
    units = np.flatnonzero(layer.lanes >= 0)
    lane[layer.lanes[units]] = units
    return lane


def _sparse(weight: Weight) -> Sparse:
    """The same numbers as a canonical CSR array."""
    from scipy.sparse import csr_array

    return weight if weights.is_sparse(weight) else weights.canonical(csr_array(weight))


def _scaled(matrix: Sparse, factors: FloatArray) -> Sparse:
    """Rows of a CSR array times their factors, without stored zeros."""
    return weights.canonical(weights.scale_rows(matrix, factors))


def _values_at(matrix: Sparse, rows: IntArray, columns: IntArray) -> FloatArray:
    """Entries of a canonical CSR array at some places, 0 where none is stored."""
    width = np.int64(matrix.shape[1])
    stored = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * width + matrix.indices
    wanted = rows.astype(np.int64) * width + columns
    place = np.searchsorted(stored, wanted)
    inside = np.minimum(place, max(stored.size - 1, 0))
    if not stored.size:
        return np.zeros(wanted.size)
    values: FloatArray = np.where(stored[inside] == wanted, matrix.data[inside], 0.0)
    return values


def _ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """All numbers from each start on, as many as its count."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    ranges: IntArray = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return ranges
