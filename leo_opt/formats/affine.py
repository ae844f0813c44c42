"""Values as affine functions of numbered variables, with what was rounded on the way.

Entries are kept row by row (as CSR does), so that a convolution, a selection or a sum takes the
room of what it reads. Selecting, stacking and combining with one variable a value rounds nothing;
what does round is bounded, number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.formats.rounded import Rounded
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray


@dataclass(frozen=True, eq=False)
class Affine:
    """n values, each a sum of weighted variables and a shift.

    Parameters
    ----------
    ends : (n + 1,) array
        Row k has the entries from ends[k] to ends[k + 1].
    columns : (entries,) array
        The variable of each entry, ascending within a row and none twice.
    weight : (entries,)
    shift : (n,)
    is_product
        Whether a matrix product made it: two of these in a row are not multiplied out.
    """

    ends: IntArray
    columns: IntArray
    weight: Rounded
    shift: Rounded
    is_product: bool = False

    @classmethod
    def variables(cls, columns: IntArray) -> Affine:
        """Variables as they are."""
        count = len(columns)
        ones, zeros = Rounded.exact(np.ones(count)), Rounded.exact(np.zeros(count))
        return cls(np.arange(count + 1), columns, ones, zeros)

    @classmethod
    def constants(cls, values: FloatArray) -> Affine:
        """Numbers that depend on nothing."""
        return cls.fixed(Rounded.exact(values.ravel()))

    @classmethod
    def fixed(cls, values: Rounded) -> Affine:
        """The same of numbers (n,) that may be rounded."""
        ends = np.zeros(len(values.values) + 1, dtype=np.int64)
        return cls(ends, np.empty(0, dtype=np.int64), Rounded.exact(np.empty(0)), values)

    @classmethod
    def matrix(cls, columns: IntArray, weight: Rounded) -> Affine:
        """A product by a matrix, of which k entries a row are given, (n, k) each.

        An entry of which the column is -1 is none.
        """
        rows = np.repeat(np.arange(len(columns)), columns.shape[1])
        shift = Rounded.exact(np.zeros(len(columns)))
        entries = Rounded(weight.values.ravel(), weight.error.ravel())
        made, _ = _merged(rows, columns.ravel(), entries, shift)
        return made.marked(True)

    @classmethod
    def scattered(cls, rows: IntArray, columns: IntArray, weight: Rounded, size: int) -> Affine:
        """A product by a matrix of so many rows, of which entries are given in any order.

        An entry of which the row is -1 is none.
        """
        kept = rows >= 0
        shift = Rounded.exact(np.zeros(size))
        return _merged(rows[kept], columns[kept], weight[kept], shift)[0].marked(True)

    def marked(self, is_product: bool) -> Affine:
        """The same, marked as the result of a matrix product or not."""
        return Affine(self.ends, self.columns, self.weight, self.shift, is_product)

    def __len__(self) -> int:
        return len(self.ends) - 1

    @lazy
    def is_simple(self) -> bool:
        """Whether each value is one variable at most, scaled and shifted, and no matrix's row."""
        return not self.is_product and bool((np.diff(self.ends) <= 1).all())

    @lazy
    def variable_rows(self) -> BoolArray:
        """Which values are a variable as it is, (n,)."""
        plain: BoolArray = np.diff(self.ends) == 1
        plain &= (self.shift.values == 0.0) & (self.shift.error == 0.0)
        changed = (self.weight.values != 1.0) | (self.weight.error != 0.0)
        plain[self.rows[changed]] = False
        return plain

    @lazy
    def is_variables(self) -> bool:
        """Whether each value is a variable as it is."""
        return bool(self.variable_rows.all())

    @property
    def rows(self) -> IntArray:
        """The row of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends))

    def take(self, chosen: IntArray) -> Affine:
        """Some values, in any order and as often as they are named."""
        if len(chosen) == len(self) and bool((chosen == np.arange(len(self))).all()):
            return self
        counts = np.diff(self.ends)[chosen]
        ends = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(ends[-1]) + np.repeat(self.ends[chosen] - ends[:-1], counts)
        weight, shift = self.weight[places], self.shift[chosen]
        return Affine(ends, self.columns[places], weight, shift, self.is_product)

    @classmethod
    def stacked(cls, parts: Sequence[Affine]) -> Affine:
        """The values of several, one behind the other."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(part.ends[-1] for part in parts)])
        ends = [part.ends[1:] + start for part, start in zip(parts, starts, strict=False)]
        return cls(
            np.concatenate([[0], *ends]),
            np.concatenate([part.columns for part in parts]),
            Rounded.joined([part.weight for part in parts]),
            Rounded.joined([part.shift for part in parts]),
            any(part.is_product for part in parts),
        )

    def add(self, values: Rounded) -> Affine:
        """Each value plus a number."""
        return Affine(self.ends, self.columns, self.weight, self.shift + values, self.is_product)

    def multiply(self, values: Rounded) -> Affine:
        """Each value times a number."""
        return self._entries(self.weight * values[self.rows], self.shift * values)

    def divide(self, values: Rounded) -> Affine:
        """Each value through a number."""
        return self._entries(self.weight / values[self.rows], self.shift / values)

    def _entries(self, weight: Rounded, shift: Rounded) -> Affine:
        """With other numbers at the same places, but for those that are 0."""
        if ((weight.values == 0.0) & (weight.error == 0.0)).any():
            made, _ = _merged(self.rows, self.columns, weight, shift)
            return made.marked(self.is_product)
        return Affine(self.ends, self.columns, weight, shift, self.is_product)

    def plus(self, other: Affine) -> tuple[Affine, bool]:
        """The sums of values, and whether none of their weights was rounded."""
        rows = np.concatenate([self.rows, other.rows])
        columns = np.concatenate([self.columns, other.columns])
        weight = Rounded.joined([self.weight, other.weight])
        made, exact = _merged(rows, columns, weight, self.shift + other.shift)
        both = len(self.columns) > 0 and len(other.columns) > 0
        return made.marked(both or self.is_product or other.is_product), exact

    def behind(self, first: Affine) -> tuple[Affine, bool]:
        """This map of values that are simple ones of variables, as a map of the variables.

        Returns
        -------
        Affine
        bool
            Whether no sum of several weights was rounded.
        """
        present = np.diff(first.ends) == 1
        place = np.where(present, first.ends[:-1], 0)[self.columns]
        used = present[self.columns]
        weight = self.weight
        if not first.weight.equals(1.0):
            weight = weight[used] * first.weight[place[used]]
        elif not used.all():
            weight = weight[used]
        shift = self.shift
        if not first.shift.equals(0.0):
            shift = shift + self._dots(first.shift)
        columns = first.columns[place[used]] if len(first.columns) else first.columns
        made, exact = _merged(self.rows[used], columns, weight, shift)
        return made.marked(True), exact

    def _dots(self, vector: Rounded) -> Rounded:
        """Weights times numbers, (n,)."""
        counts = np.diff(self.ends)
        shape = (len(self), int(counts.max(initial=0)))
        within = np.arange(len(self.columns)) - np.repeat(self.ends[:-1], counts)
        sides = []
        for side in (self.weight, vector[self.columns]):
            padded = Rounded(np.zeros(shape), np.zeros(shape))
            padded.values[self.rows, within] = side.values
            padded.error[self.rows, within] = side.error
            sides.append(padded)
        return sides[0].dots(sides[1])


def _merged(
    rows: IntArray, columns: IntArray, weight: Rounded, shift: Rounded
) -> tuple[Affine, bool]:
    """Entries in any order as rows, and whether adding those of one place rounded nothing."""
    kept = (columns >= 0) & ((weight.values != 0.0) | (weight.error != 0.0))
    if not kept.all():
        rows, columns, weight = rows[kept], columns[kept], weight[kept]
    span = int(columns.max(initial=0)) + 1
    keys = rows * span + columns
    exact = True
    if not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys, kind="stable")
        keys, weight = keys[order], weight[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        if len(first) < len(keys):
            counts = np.diff(np.append(first, len(keys)))
            total = weight[first]
            for turn in range(1, int(counts.max())):
                more = counts > turn
                mine, other = total[more], weight[first[more] + turn]
                added = mine + other
                plain = Rounded.exact(mine.values) + Rounded.exact(other.values)
                exact = exact and plain.is_exact
                values, error = total.values.copy(), np.array(total.error)
                values[more], error[more] = added.values, added.error
                total = Rounded(values, error)
            keys, weight = keys[first], total
            kept = (weight.values != 0.0) | (weight.error != 0.0)
            keys, weight = keys[kept], weight[kept]
        rows, columns = np.divmod(keys, span)
    counts = np.bincount(rows, minlength=len(shift.values))
    ends = np.concatenate([[0], np.cumsum(counts)])
    return Affine(ends, columns, weight, shift), exact
