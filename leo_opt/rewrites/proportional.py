"""Units whose rows, biases included, are multiples of each other, up to sign and rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import (
    LARGEST_FACTOR,
    SMALLEST_FACTOR,
    UNIT_ROUNDOFF,
    exact_dots,
    exact_products,
    exact_sums,
    gamma,
    middle_and_radius,
    round_up,
)
from leo_opt.arrays import IntArray
from leo_opt.deviation import add_up, reach
from leo_opt.network import FloatArray, Layer
from leo_opt.rewrites.draft import Draft

_SLACK = 6.0
"""Roundings of a row's numbers that a multiple of it may be off by: the two rows have two, so may
the factor, where one number decides it, and its own."""


@dataclass(frozen=True)
class Multiple:
    """A unit whose pre-activation is that of another times a factor.

    Parameters
    ----------
    unit
        Its index.
    factor
        Not 0.
    error
        How far the pre-activation can be from that on the inputs of the layer; 0 where the rows
        are multiples in rationals.
    """

    unit: int
    factor: Fraction
    error: float


@dataclass(frozen=True, eq=False)
class LayerRows:
    """The rows of a hidden layer, to be compared with each other.

    Parameters
    ----------
    layer
    middle, radius : (n_in + 1,) arrays
        Each input lies within the radius of the middle; for the bias these are 1 and 0.
    roundoff
        Of the type in which the numbers of the network came.
    """

    layer: Layer
    middle: FloatArray
    radius: FloatArray
    roundoff: float

    @classmethod
    def of(cls, draft: Draft, index: int) -> LayerRows:
        """The rows of a hidden layer."""
        middle, radius = middle_and_radius(*draft.inputs_of(index))
        layer = draft.network.layers[index]
        return cls(layer, np.append(middle, 1.0), np.append(radius, 0.0), draft.roundoff)

    def row(self, unit: int) -> tuple[IntArray, FloatArray]:
        """Columns and values of the entries of a row that are not 0, its bias behind them."""
        columns, values = weights.row_support(self.layer.weight, unit)
        if not self.layer.bias[unit]:
            return columns, values
        return np.append(columns, self.layer.n_in), np.append(values, self.layer.bias[unit])

    def size(self, unit: int) -> float:
        """The size of the terms of a unit's pre-activation, about."""
        columns, values = self.row(unit)
        farthest = np.abs(self.middle[columns]) + self.radius[columns]
        return float(np.abs(values) @ farthest)

    def groups(self, related: Callable[[int, Multiple], bool]) -> dict[int, list[Multiple]]:
        """For each unit that has multiples later in the layer, these.

        A unit belongs to the first unit of which it is a related multiple; units without weights
        to none.

        Parameters
        ----------
        related
            Whether a unit and a multiple of it belong together.
        """
        groups: dict[int, list[Multiple]] = {}
        for bunch in self._bunches():
            firsts: list[int] = []
            for unit in bunch:
                found = ((first, self.multiple(unit, first)) for first in firsts)
                of = next(((k, m) for k, m in found if m is not None and related(k, m)), None)
                if of is None:
                    firsts.append(unit)
                else:
                    groups.setdefault(of[0], []).append(of[1])
        return groups

    def multiple(self, unit: int, first: int) -> Multiple | None:
        """What makes one unit a multiple of another; None where that is more than rounding."""
        (columns, row), (places, other) = self.row(unit), self.row(first)
        if not np.array_equal(columns, places):
            return None
        top = int(np.abs(other).argmax())
        factor = Fraction(float(row[top])) / Fraction(float(other[top]))
        pairs = zip(row.tolist(), other.tolist(), strict=True)
        if all(Fraction(mine) == factor * Fraction(theirs) for mine, theirs in pairs):
            return Multiple(unit, factor, 0.0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            # Least squares, in extended precision where the machine has one.
            scaled = (other / np.abs(other).max()).astype(np.longdouble)
            best = float((row * scaled).sum() / (other * scaled).sum())
        if not np.isfinite(best) or best == 0.0:
            return None
        numbers = np.abs([*row, *other, best])
        if numbers.max() > LARGEST_FACTOR or numbers.min() < SMALLEST_FACTOR:
            return None
        # row - best * other is sums + rests - lost, exactly.
        products, lost = exact_products(other, np.full(row.size, best))
        sums, rests = exact_sums(row, -products)
        small = rests - lost
        sizes = round_up(round_up(np.abs(sums + small)) + 2.0 * UNIT_ROUNDOFF * np.abs(small))
        if (sizes > _SLACK * self.roundoff * np.abs(row)).any():
            return None
        parts = np.concatenate([sums, rests, -lost])[None]
        middle = np.tile(self.middle[columns], 3)
        at_middle, missed = exact_dots(parts, middle, np.zeros(1))
        around = reach(sizes[None], self.radius[columns])
        error = float(add_up(np.abs(at_middle), missed, around)[0])
        return Multiple(unit, Fraction(best), error) if np.isfinite(error) else None

    def _bunches(self) -> list[list[int]]:
        """Units whose rows may be multiples of each other: one number of each row is compared.

        That number is the row times some random vector, in units of the row's size and without
        its sign, so that rows that are multiples have the same one but for rounding. Rows without
        weights are left out.
        """
        draws = np.random.default_rng(0).uniform(-1.0, 1.0, self.layer.n_in)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            size = abs(self.layer.weight).sum(axis=1)
            keys = np.abs((self.layer.weight @ draws) / size)
        order = np.argsort(keys)
        order = order[np.isfinite(keys[order])]
        room = 2.0 * _SLACK * self.roundoff + 4.0 * gamma(self.layer.n_in)
        # Most units are alone, and not looked at one by one.
        near = np.append(np.diff(keys[order]) <= room, False)
        firsts = np.flatnonzero(near & ~np.append(False, near[:-1]))
        lasts = np.flatnonzero(~near & np.append(False, near[:-1]))
        pairs = zip(firsts.tolist(), lasts.tolist(), strict=True)
        return [np.sort(order[first : last + 1]).tolist() for first, last in pairs]
