"""The inputs allowed where rows join several: what linear inequalities leave of a box."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.arguments import read_array
from leo_opt.arithmetic import float_above, gamma
from leo_opt.arrays import BoolArray
from leo_opt.domain import Box, BoxLike, Domain, read_box
from leo_opt.errors import InvalidInputError
from leo_opt.inequalities import Inequality, RationalBox
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray

_SWEEPS = 3
"""Over the rows, in search of their prices."""
_LEAST = Fraction(1, 2**900)
"""The largest factor of a row is above it and below its inverse."""
_SHORTER = (1.0 - 2.0**-40, 1.0 - 2.0**-10)
"""Shares of the way from a point inside to where it meets a row, which rounding may miss."""


@dataclass(frozen=True, eq=False, init=False)
class Polytope(Domain):
    """All x of a box with weight @ x <= bound, in real numbers.

    Parameters
    ----------
    within
        A box, or a pair (lower, upper); numbers are repeated for every input.
    weight : (m, n) array
    bound : (m,) array
        An equation is two rows.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit, a number is not finite, a row is 0, or a row leaves
        nothing of the box. Rows that leave nothing together are told by `empty`.

    Examples
    --------
    >>> from leo_opt import Polytope
    >>> Polytope((0.0, 1.0), [[1.0, 1.0], [-1.0, 1.0]], [0.5, 0.0])
    Polytope(2 rows within Box([0.0, 0.0], [0.5, 0.5]))
    """

    within: Box
    weight: FloatArray
    bound: FloatArray

    def __init__(self, within: BoxLike, weight: ArrayLike, bound: ArrayLike) -> None:
        rows, ends = read_array(weight, "weight") + 0.0, read_array(bound, "bound") + 0.0
        if rows.ndim != 2 or ends.shape != rows.shape[:1]:
            raise InvalidInputError(
                f"weight and bound have the shapes {rows.shape} and {ends.shape}; give (m, n) and "
                "(m,), a row for each inequality"
            )
        if not (np.isfinite(rows).all() and np.isfinite(ends).all() and rows.any(axis=1).all()):
            raise InvalidInputError(
                "weight or bound hold a number that is not finite, or a row of zeros; leave out "
                "inequalities that say nothing"
            )
        given = read_box(within, "within").spread(rows.shape[1])
        for name, value in (("within", given), ("weight", rows), ("bound", ends)):
            object.__setattr__(self, name, value)
        rows.setflags(write=False)
        ends.setflags(write=False)
        _ = self.box

    @lazy
    def box(self) -> Box:
        """The smaller box that the rows leave, as far as each of them says it alone."""
        left = RationalBox.of(self.within).shrink(inequalities(self.weight, self.bound))
        if left.crossed is not None:
            raise InvalidInputError(
                f"no point of {self.within!r} satisfies the rows: they leave nothing of input "
                f"{left.crossed}; correct them"
            )
        return left.enclose()

    @classmethod
    def enclosing(cls, box: Box, rows: Iterable[Inequality]) -> Polytope:
        """One that holds all points of a box where rational inequalities over inputs hold.

        What rounding a factor can change on the box is added to the right-hand side.
        """
        made = list(rows)
        weight, bound = np.zeros((len(made), box.lower.size)), np.empty(len(made))
        reach = np.maximum(np.abs(box.lower), np.abs(box.upper)).tolist()
        for k, row in enumerate(made):
            largest = max(abs(factor) for _, factor in row.terms)
            # Beyond float64 a row is scaled.
            scale = Fraction(1) if _LEAST < largest < 1 / _LEAST else largest
            end = row.bound / scale
            for (_, column), factor in row.terms:
                weight[k, column] = float(factor / scale)
                moved = abs(factor / scale - Fraction(weight[k, column]))
                end += moved * Fraction(reach[column])
            bound[k] = float_above(end)
        kept = np.isfinite(bound)
        return cls(box, weight[kept], bound[kept])

    @property
    def rows(self) -> tuple[FloatArray, FloatArray]:
        """See `Domain.rows`."""
        return self.weight, self.bound

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """See `Domain.arrays`."""
        return *self.within.arrays, *self.rows

    @property
    def size(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def content_hash(self) -> str:
        """SHA-256 of the box and all rows."""
        digest = hashlib.sha256(f"polytope {self.weight.shape} {self.within.content_hash}".encode())
        for values in self.rows:
            digest.update(values.astype("<f8").tobytes())
        return digest.hexdigest()

    @property
    def centre(self) -> FloatArray:
        """The point farthest from rows and sides, beside their ranges, as a linear program says."""
        return self._solved[0]

    @lazy
    def empty(self) -> bool:
        """Whether multipliers of the rows prove, in rationals, that no point satisfies them all."""
        held = np.flatnonzero(self._solved[1])
        prices = [Fraction(price) for price in self._solved[1][held].tolist()]
        columns = zip(*self.box.arrays, self.weight[held].T.tolist(), strict=True)
        room = _dot(prices, self.bound[held].tolist())
        for low, high, column in columns:
            total = _dot(prices, column)
            room -= total * Fraction(float(low if total > 0 else high))
        return room < 0

    @lazy
    def _solved(self) -> tuple[FloatArray, FloatArray]:
        """The centre, and multipliers (m,) of the rows there: a Farkas proof where none is inside.

        Rows and sides are moved by one depth, beside their ranges, which is as large as possible.
        """
        from scipy import sparse
        from scipy.optimize import linprog

        middle = self.box.centre
        half = 0.5 * (self.box.upper - self.box.lower)
        # In z with x = middle + half * z and |z| <= 1 - depth; the depth comes last.
        sides, count = sparse.eye_array(self.size), self.size
        scale = np.abs(self.weight * half).sum(axis=1)
        scale[scale == 0.0] = 1.0
        rows = sparse.csr_array(self.weight * half / scale[:, None])
        depth = sparse.csr_array(np.ones((len(scale) + 2 * count, 1)))
        system: Any = sparse.hstack([sparse.vstack([rows, sides, -sides]), depth])
        program = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=system,
            b_ub=np.append((self.bound - self.weight @ middle) / scale, np.ones(2 * count)),
            bounds=[(-1.0, 1.0)] * count + [(None, 1.0)],
        )
        if program.x is None:
            return middle, np.zeros(len(scale))
        prices = np.maximum(-program.ineqlin.marginals[: len(scale)], 0.0) / scale
        return self.box.clip(middle + half * program.x[:-1]), prices

    def spread(self, size: int) -> Polytope:
        """See `Domain.spread`."""
        if size != self.size:
            raise InvalidInputError(
                f"the polytope has {self.size} inputs and the network {size}; give rows with one "
                "factor an input"
            )
        return self

    def contains(self, other: Domain) -> bool:
        """See `Domain.contains`: each row is one of the other's, or holds on all of its box."""
        if other.size != self.size or not self.within.contains(other):
            return False
        theirs = {(*row.tolist(), end) for row, end in zip(*other.rows, strict=True)}
        farthest = [other.box.vertices(row[None, :])[0] for row in self.weight]
        return all(
            (*row.tolist(), end) in theirs or _below(row, point, end)
            for row, end, point in zip(*self.rows, farthest, strict=True)
        )

    def holds(self, inputs: FloatArray) -> BoolArray:
        """See `Domain.holds`; what rounding leaves open is computed in rationals."""
        inside = self.within.holds(inputs)
        sizes = np.abs(inputs) @ np.abs(self.weight).T + np.abs(self.bound)
        radius = gamma(self.size + 3) * sizes + self.size * np.finfo(np.float64).tiny
        slack = self.bound - inputs @ self.weight.T
        inside &= ~(slack < -radius).any(axis=1)
        for point, row in np.argwhere(inside[:, None] & ~(slack > radius)):
            inside[point] &= _below(self.weight[row], inputs[point], self.bound[row])
        return inside

    def clip(self, inputs: FloatArray) -> FloatArray:
        """Points of the batch, those outside drawn to the centre until they are inside."""
        points = self.box.clip(inputs)
        batch = np.atleast_2d(points)
        outside = np.flatnonzero(~self.holds(batch))
        if not outside.size or not self.holds(self.centre[None, :])[0]:
            return points
        batch = batch.copy()
        room = self.bound - self.weight @ self.centre
        way = batch[outside] - self.centre
        speed = way @ self.weight.T
        nearing = speed > 0.0
        shares = np.maximum(room, 0.0) / np.where(nearing, speed, 1.0)
        share = np.where(nearing, shares, np.inf).min(axis=1, initial=1.0)
        batch[outside] = self.centre
        for shorter in reversed(_SHORTER):
            drawn = self.box.clip(self.centre + (shorter * share)[:, None] * way)
            kept = self.holds(drawn)
            batch[outside[kept]] = drawn[kept]
        return batch.reshape(points.shape)

    def vertices(self, directions: FloatArray) -> FloatArray:
        """See `Domain.vertices`: the farthest points but for rounding where there is one row."""
        return self.clip(self.priced(directions)[0])

    def priced(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Points (N, n) far along directions, perhaps outside, and the prices (N, m) of rows.

        The prices, at least 0, are found for one row after another while the others stay.
        """
        prices = np.zeros((len(directions), len(self.bound)))
        points = self.box.vertices(directions)
        for _ in range(_SWEEPS if len(self.bound) > 1 else 1):
            for k in range(len(self.bound)):
                prices[:, k] = 0.0
                worth = directions - prices @ self.weight
                points, prices[:, k] = self._fill(worth, self.weight[k], float(self.bound[k]))
        return points, prices

    def _fill(
        self, worth: FloatArray, row: FloatArray, end: float
    ) -> tuple[FloatArray, FloatArray]:
        """Points of the box (N, n) of the largest worth in one row, and its price (N,).

        References
        ----------
        G. B. Dantzig, Discrete-variable extremum problems, Oper. Res. 5, 1957 (the knapsack).
        """
        low, high = self.box.lower, self.box.upper
        points = self.box.vertices(worth)
        # What an input gives back where it moves to its other end, and at which price it does.
        back = np.where(points == high, row, -row) * (high - low)
        moves = back > 0.0
        price = np.where(moves, worth / np.where(row == 0.0, 1.0, row), np.inf)
        order = price.argsort(axis=1)
        gains = np.take_along_axis(np.where(moves, back, 0.0), order, axis=1)
        needed = (points @ row - end)[:, None] - (np.cumsum(gains, axis=1) - gains)
        shares = np.zeros_like(gains)
        filled = np.clip(needed / np.where(gains > 0.0, gains, 1.0), 0.0, 1.0)
        np.put_along_axis(shares, order, np.where(gains > 0.0, filled, 0.0), axis=1)
        paid = np.where(shares > 0.0, price, 0.0).max(axis=1, initial=0.0)
        return points + shares * (np.where(points == high, low, high) - points), paid

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Polytope):
            return NotImplemented
        same = np.array_equal(self.weight, other.weight) and np.array_equal(self.bound, other.bound)
        return same and self.within == other.within

    def __hash__(self) -> int:
        return hash((self.within, self.weight.tobytes(), self.bound.tobytes()))

    def __repr__(self) -> str:
        count = len(self.bound)
        return f"Polytope({count} row{'s' * (count != 1)} within {self.box!r})"


def domain_from(lower: ArrayLike, upper: ArrayLike, *rows: ArrayLike) -> Domain:
    """The domain whose `arrays` these are."""
    return Polytope(Box(lower, upper), *rows) if rows else Box(lower, upper)


def inequalities(weight: FloatArray, bound: FloatArray) -> tuple[Inequality, ...]:
    """The rows of a domain in rational arithmetic; the factor of a single input is 1 or -1."""
    made = []
    for row, end in zip(weight, bound.tolist(), strict=True):
        columns = np.flatnonzero(row).tolist()
        scale = abs(Fraction(float(row[columns[0]]))) if len(columns) == 1 else Fraction(1)
        terms = tuple((("X", k), Fraction(float(row[k])) / scale) for k in columns)
        made.append(Inequality(terms, Fraction(end) / scale))
    return tuple(made)


def _below(row: FloatArray, point: FloatArray, end: float) -> bool:
    """Whether row @ point <= end, exactly."""
    held = np.flatnonzero(row)
    return _dot(map(Fraction, row[held].tolist()), point[held].tolist()) <= Fraction(float(end))


def _dot(left: Iterable[Fraction], right: Iterable[float]) -> Fraction:
    """A scalar product, exactly."""
    return sum((a * Fraction(b) for a, b in zip(left, right, strict=True)), Fraction(0))
