"""The rows and columns of the big-M relaxation of a layer, collected as coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from leo_opt import weights
from leo_opt.bounds.values import post_interval
from leo_opt.decisions.scaling import powers_of_two
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Layer
from leo_opt.solvers import StandardForm

DROPPED = 1e-9
"""Entries below this, in scaled units, only disturb the solver: with them HiGHS gives up on many
models that it solves without."""
_LEAST_END = 1e-9
"""Least magnitude of the ends of a scaled interval in the rows of a rectifier."""


@dataclass(frozen=True, eq=False)
class LayerColumns:
    """Where the units of one layer stand; -1 where a unit has no such column or row.

    `pre` and `post` are columns (equal for stably active units), `phase` the column of the
    relaxed binary; `above` is the row post >= pre, `below_pre` and `below_zero` are the rows that
    hold post from above; `scale` is the power of two of each unit.
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    phase: NDArray[np.int64]
    above: NDArray[np.int64]
    below_pre: NDArray[np.int64]
    below_zero: NDArray[np.int64]
    scale: FloatArray


@dataclass(frozen=True, eq=False)
class Reads:
    """What a layer reads: value = offset + column / scale, with the column in [lower, upper].

    All arrays have shape (n_in,); `columns` is -1 where the value is the constant 0.
    """

    columns: NDArray[np.int64]
    scale: FloatArray
    offset: FloatArray
    lower: FloatArray
    upper: FloatArray


def centre_of(domain: Box) -> tuple[FloatArray, FloatArray]:
    """Centre and half-width of each input: x = centre + reach * column."""
    centre = domain.centre
    return centre, np.maximum(domain.upper - centre, centre - domain.lower)


def read_inputs(domain: Box) -> Reads:
    """The inputs of a network, as the first layer reads them."""
    centre, reach = centre_of(domain)
    ends = np.where(reach > 0.0, 1.0, 0.0)
    return Reads(np.arange(centre.size), 1.0 / np.where(reach, reach, 1.0), centre, -ends, ends)


def read_layer(layer: Layer, place: LayerColumns, low: FloatArray, high: FloatArray) -> Reads:
    """The post-activations of a layer, as the next one reads them."""
    lower, upper = (end * place.scale for end in post_interval(layer, low, high))
    return Reads(place.post, place.scale, np.zeros(low.size), lower, upper)


def column_bounds(
    place: LayerColumns, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds of the columns of a layer: pre, then post and phase of the units that cross.

    A phase is free until a split fixes it: then the relaxation is exactly the triangle.
    """
    held, crossing = place.pre >= 0, place.phase >= 0
    count = int(crossing.sum())
    free = np.full(count, np.inf)
    lower = np.concatenate([(low * place.scale)[held], np.zeros(count), -free])
    upper = np.concatenate([(high * place.scale)[held], free, free])
    return lower, upper


class RowCollector:
    """Collects the rows of a relaxation as coordinates."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._count = 0
        self._entries: list[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []

    def add_layer(
        self, phased: NDArray[np.bool_], low: FloatArray, high: FloatArray
    ) -> LayerColumns:
        """Give the units of a layer columns; stably inactive ones get none."""
        held = (high > 0.0) | ~phased
        crossing = held & (low < 0.0) & phased
        count = int(crossing.sum())
        pre, post, phase, above = (np.full(low.size, -1, dtype=np.int64) for _ in range(4))
        pre[held] = self._columns + np.arange(held.sum())
        self._columns += int(held.sum())
        post[held] = pre[held]
        post[crossing] = self._columns + np.arange(count)
        self._columns += count
        phase[crossing] = self._columns + np.arange(count)
        self._columns += count
        above[crossing] = self._count + held.sum() + np.arange(count)
        return LayerColumns(
            pre,
            post,
            phase,
            above,
            above + count,
            above + 2 * count,
            powers_of_two(np.maximum(np.abs(low), np.abs(high))),
        )

    def link(self, layer: Layer, place: LayerColumns, reads: Reads) -> None:
        """Rows pre - weight @ (offset + column / scale) = bias, each times its unit's scale."""
        held, known = np.flatnonzero(place.pre >= 0), np.flatnonzero(reads.columns >= 0)
        weight = weights.dense(layer.weight[held])[:, known]
        dense = -weight * place.scale[held, None] / reads.scale[known]
        constant = (layer.weight[held] @ reads.offset + layer.bias[held]) * place.scale[held]
        rows, columns = np.nonzero(np.abs(dense) > DROPPED)
        self._entries.append(
            (self._count + rows, reads.columns[known][columns], dense[rows, columns])
        )
        index = np.arange(held.size)
        self._entries.append((self._count + index, place.pre[held], np.ones(held.size)))
        self._add(constant, constant)

    def rectify(self, place: LayerColumns, low: FloatArray, high: FloatArray) -> None:
        """Rows post >= pre, post <= pre - low (1 - phase), post <= high phase of open units."""
        units = np.flatnonzero(place.phase >= 0)
        pre, post, phase = place.pre[units], place.post[units], place.phase[units]
        # A looser big-M where an end is almost zero keeps every entry large enough to count.
        low = np.minimum((low * place.scale)[units], -_LEAST_END)
        high = np.maximum((high * place.scale)[units], _LEAST_END)
        one, none = np.ones(units.size), np.full(units.size, np.inf)
        for terms, lower, upper in (
            (((post, one), (pre, -one)), 0.0 * one, none),
            (((post, one), (pre, -one), (phase, -low)), -none, -low),
            (((post, one), (phase, -high)), -none, 0.0 * one),
        ):
            index = self._count + np.arange(units.size)
            self._entries.extend((index, columns, values) for columns, values in terms)
            self._add(lower, upper)

    def _add(self, lower: FloatArray, upper: FloatArray) -> None:
        self._lower.append(lower)
        self._upper.append(upper)
        self._count += lower.size

    def form(self, lower: FloatArray, upper: FloatArray) -> StandardForm:
        """The collected model."""
        rows, columns, values = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        shape = (self._count, self._columns)
        return StandardForm(
            matrix=sparse.csr_matrix((values, (rows, columns)), shape=shape),
            row_lower=np.concatenate(self._lower),
            row_upper=np.concatenate(self._upper),
            column_lower=lower,
            column_upper=upper,
            integer=np.zeros(self._columns, dtype=bool),
        )
