"""From affine maps and rectifiers over numbered variables to a chain of layers.

The inputs are variables of level 0. Whatever makes units (a rectifier, or a linear unit that keeps
two matrices apart) makes variables of the level behind those that it reads; what a later level
reads is carried there by identity lanes. A matrix and the bias behind it are one layer. An
elementwise step goes into the matrix in front of it, or, where there is none, into the one behind
it. What is rounded to float64 on the way is bounded, number by number, and travels with the network
as `Network.rounding`. No product of two matrices is formed, and no sum of weights that would be
rounded: linear units stand for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.activations import LINEAR
from leo_opt.arrays import IntArray
from leo_opt.formats.affine import Affine
from leo_opt.formats.rounded import Rounded
from leo_opt.network import FloatArray, Layer, Network, Rounding, Signature, Weight

RELU = "relu"


@dataclass(frozen=True, eq=False)
class UnitBlock:
    """Units that were made at once, with their first variable, level and tags."""

    first: int
    level: int
    pre: Affine
    tags: tuple[str, ...]


class Levels:
    """Collects units and gives the network that they amount to.

    Parameters
    ----------
    width
        Number of inputs, which are the variables from 0 on.
    """

    def __init__(self, width: int) -> None:
        self._level = np.zeros(width, dtype=np.int64)
        self._never_negative = np.zeros(width, dtype=bool)
        self.blocks: list[UnitBlock] = []
        self._linear: dict[int, tuple[Affine, Affine]] = {}
        self.inputs = Affine.variables(np.arange(width))

    def units(self, pre: Affine, tags: str | Sequence[str]) -> Affine:
        """New units with these pre-activations and one tag, or one a unit."""
        names = (tags,) * len(pre) if isinstance(tags, str) else tuple(tags)
        level, first = self._depth(pre) + 1, len(self._level)
        self.blocks.append(UnitBlock(first, level, pre, names))
        self._level = np.concatenate([self._level, np.full(len(pre), level)])
        self._never_negative = np.concatenate(
            [self._never_negative, np.array([name == RELU for name in names], dtype=bool)]
        )
        return Affine.variables(np.arange(first, first + len(pre)))

    def linear_units(self, values: Affine) -> Affine:
        """Values as variables: as they are, or through linear units, made once."""
        if values.is_variables and not values.is_product:
            return values
        if id(values) not in self._linear:
            self._linear[id(values)] = (values, self._through_units(values))
        return self._linear[id(values)][1]

    def _through_units(self, values: Affine) -> Affine:
        """Linear units for values; but variables stay where units for them would cost a level more
        than units for the others alone."""
        kept = values.variable_rows
        others = values.take(np.flatnonzero(~kept))
        if kept.all() and np.ptp(self._level[values.columns]) > 0:
            return Affine.variables(values.columns)
        # An identity matrix behind one layer stays the layer that it is in the file.
        if kept.all() or self._depth(others) >= self._depth(values):
            return self.units(values, LINEAR)
        columns = np.empty(len(values), dtype=np.int64)
        columns[kept] = values.take(np.flatnonzero(kept)).columns
        columns[~kept] = self.units(others, LINEAR).columns
        return Affine.variables(columns)

    def apply(self, matrix: Affine, values: Affine) -> Affine:
        """A matrix times values."""
        if values.is_simple:
            made, exact = matrix.behind(values)
            if exact:
                return made
        return matrix.behind(self.linear_units(values))[0]

    def add(self, left: Affine, right: Affine) -> Affine:
        """Sums of values."""
        left, right = self._narrowed(left, right), self._narrowed(right, left)
        total, exact = left.plus(right)
        if exact:
            return total
        if left.is_simple:
            left, right = right, left
        return self.linear_units(left).plus(right)[0]

    def activate(self, pre: Affine, tags: str | Sequence[str]) -> Affine:
        """Post-activations: units, or the values themselves where a rectifier changes nothing."""
        if tags == RELU and pre.is_simple and self.blocks and self._keeps_signs(pre):
            return pre
        return self.units(pre, tags)

    def rectify(self, pre: Affine) -> Affine:
        """max(x, 0)."""
        return self.activate(pre, RELU)

    def leak(self, pre: Affine, slopes: FloatArray) -> Affine:
        """x above 0 and slope * x below, (n,) slopes, as slope * x + (1 - slope) * max(x, 0)."""
        kept = pre if pre.is_simple else self.linear_units(pre)
        below, rest = Rounded.exact(slopes), Rounded.exact(1.0) - Rounded.exact(slopes)
        return kept.multiply(below).plus(self.rectify(pre).multiply(rest))[0]

    def maximum(self, left: Affine, right: Affine) -> Affine:
        """max(a, b) as a + max(b - a, 0): a lane and a rectifier side by side."""
        if len(right.columns) == 0:
            left, right = right, left
        rest = self.rectify(self.add(right, left.multiply(_full(left, -1.0))))
        kept = left if left.is_simple else self.linear_units(left)
        return kept.plus(rest)[0]

    def minimum(self, left: Affine, right: Affine) -> Affine:
        """min(a, b), as -max(-a, -b)."""
        sides = (side.multiply(_full(side, -1.0)) for side in (left, right))
        highest = self.maximum(*sides)
        return highest.multiply(_full(highest, -1.0))

    def network(self, output: Affine, signature: Signature) -> Network:
        """The network with these outputs; this must not be used any more."""
        last = max((block.level for block in self.blocks), default=0)
        used = self._last_use(output, last)
        alive = np.flatnonzero(self._level == 0)
        layers, rounding = [], []
        for level in range(1, last + 1):
            blocks = [block for block in self.blocks if block.level == level]
            lanes = np.flatnonzero((self._level < level) & (used > level))
            rows = Affine.stacked([*(block.pre for block in blocks), Affine.variables(lanes)])
            tags = [tag for block in blocks for tag in block.tags] + [LINEAR] * len(lanes)
            layers.append(self._layer(rows, alive, tags))
            rounding.append(_rounding(layers[-1], rows, alive))
            made = [np.arange(block.first, block.first + len(block.pre)) for block in blocks]
            alive = np.concatenate([*made, lanes])
        done = output.is_variables and np.array_equal(output.columns, alive)
        if not layers or not done or output.is_product:
            layers.append(self._layer(output, alive, [LINEAR] * len(output)))
            rounding.append(_rounding(layers[-1], output, alive))
        return Network(tuple(layers), signature, tuple(rounding) if any(rounding) else ())

    def _depth(self, values: Affine) -> int:
        """The last level that values depend on."""
        return int(self._level[values.columns].max(initial=0))

    def _narrowed(self, values: Affine, other: Affine) -> Affine:
        """Values of an earlier level as fewer linear units than there would be lanes for them."""
        if values.is_simple or self._depth(values) >= self._depth(other):
            return values
        return self.linear_units(values) if len(set(values.columns)) > len(values) else values

    def _keeps_signs(self, pre: Affine) -> bool:
        """Whether simple values are never negative, since rectified ones are scaled or raised."""
        scaled = pre.weight.certainly_not_negative and pre.shift.certainly_not_negative
        return scaled and bool(self._never_negative[pre.columns].all())

    def _last_use(self, output: Affine, last: int) -> IntArray:
        """For each variable the last level that reads it; the outputs come behind all."""
        used = np.zeros(len(self._level), dtype=np.int64)
        for block in sorted(self.blocks, key=lambda block: block.level):
            used[block.pre.columns] = block.level
        used[output.columns] = last + 1
        return used

    def _layer(self, rows: Affine, alive: IntArray, tags: Sequence[str]) -> Layer:
        """Rows over all variables as a layer over those that are alive."""
        one = tags[0] if len(set(tags)) == 1 else tags
        return Layer(_over(rows, rows.weight.values, alive), rows.shift.values, one)


def _full(values: Affine, number: float) -> Rounded:
    """One number for each value."""
    return Rounded.exact(np.full(len(values), number))


def _over(rows: Affine, numbers: FloatArray, alive: IntArray) -> Weight:
    """Numbers at the places of some rows as a weight over the variables that are alive."""
    place = np.zeros(int(max(alive.max(initial=0), rows.columns.max(initial=0))) + 1, dtype=int)
    place[alive] = np.arange(len(alive))
    shape = (len(rows), len(alive))
    return weights.from_entries(numbers, place[rows.columns], rows.ends, shape)


def _rounding(layer: Layer, rows: Affine, alive: IntArray) -> Rounding | None:
    """What was rounded on the way to a layer."""
    if rows.weight.is_exact and rows.shift.is_exact:
        return None
    weight = _over(rows, np.array(rows.weight.error), alive)
    if not weights.is_sparse(layer.weight):
        weight = weights.dense(weight)
    return Rounding(weight, np.array(rows.shift.error))
