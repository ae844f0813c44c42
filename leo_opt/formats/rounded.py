"""Arrays whose elements know how far rounding may have taken them.

Reading a file means arithmetic: a division by 0.3 goes into a matrix, a batch normalisation has a
square root. Done in `Rounded`, every such step adds what it rounds to a proved bound, which is
exactly 0 where nothing was rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.arithmetic import (
    TINY,
    UNIT_ROUNDOFF,
    exact_dots,
    exact_products,
    exact_sums,
    gamma,
    round_down,
    round_up,
)
from leo_opt.arrays import IntArray
from leo_opt.network import FloatArray


@dataclass(frozen=True, eq=False)
class Rounded:
    """Numbers, each within `error` of the real number that is meant.

    Parameters
    ----------
    values : array
    error : array of the same shape
        Not negative; infinite where nothing is known.
    """

    values: FloatArray
    error: FloatArray

    @classmethod
    def exact(cls, values: FloatArray | float) -> Rounded:
        """Numbers that are meant as they stand."""
        array = np.asarray(values, dtype=np.float64)
        return cls(array, np.broadcast_to(0.0, array.shape))

    @property
    def is_exact(self) -> bool:
        """Whether nothing was rounded."""
        return not self.error.any()

    @property
    def certainly_not_negative(self) -> bool:
        """Whether no number that is meant can be below 0."""
        return bool((self.values >= self.error).all())

    def equals(self, value: float) -> bool:
        """Whether all numbers are exactly `value`."""
        return self.is_exact and bool((self.values == value).all())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.values.shape

    @property
    def places(self) -> IntArray:
        """The number of each number at its place, in row-major order."""
        return np.arange(self.values.size).reshape(self.values.shape)

    def at(self, places: IntArray) -> Rounded:
        """Numbers at some places of these."""
        return self.reshape((-1,))[places]

    def __getitem__(self, chosen: Any) -> Rounded:
        """Some of the numbers, chosen as NumPy chooses them."""
        return self._alike(lambda array: array[chosen])

    def reshape(self, shape: tuple[int, ...]) -> Rounded:
        """The numbers in another shape."""
        return self._alike(lambda array: array.reshape(shape))

    def _alike(self, change: Callable[[FloatArray], FloatArray]) -> Rounded:
        """With values and errors changed in one way; one 0 may stand for all errors."""
        if not any(self.error.strides):
            return Rounded.exact(change(self.values))
        return Rounded(change(self.values), change(self.error))

    @classmethod
    def joined(cls, parts: Sequence[Rounded]) -> Rounded:
        """Vectors in a row."""
        values = np.concatenate([part.values for part in parts])
        exact = all(part.is_exact for part in parts)
        return cls.exact(values) if exact else cls(values, np.hstack([p.error for p in parts]))

    def __neg__(self) -> Rounded:
        return Rounded(-self.values, self.error)

    def __add__(self, other: Rounded) -> Rounded:
        with np.errstate(over="ignore", invalid="ignore"):
            total, rest = exact_sums(self.values, other.values)
            return Rounded(total, _bound(self.error + other.error + _size(rest, total)))

    def __sub__(self, other: Rounded) -> Rounded:
        return self + -other

    def __mul__(self, other: Rounded) -> Rounded:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            product, rest = _product(self.values, other.values)
            carried = (
                _times(self.values, other.error)
                + _times(self.error, other.values)
                + _times(self.error, other.error)
            )
            return Rounded(product, _bound(carried + _size(rest, product)))

    def __truediv__(self, other: Rounded) -> Rounded:
        """Quotients; not finite where the divisor is 0, without a bound where it may be."""
        with np.errstate(all="ignore"):
            quotient = self.values / other.values
            carried = _bound(self.error + _times(quotient, other.error))
            smallest = np.where(
                other.error == 0.0,
                np.abs(other.values),
                round_down(np.abs(other.values) - other.error),
            )
            carried = np.where(smallest > 0.0, _ratio(carried, smallest), np.inf)
            back, rest = _product(quotient, other.values)
            exact = (back == self.values) & (rest == 0.0)
            return Rounded(quotient, _bound(carried + _fresh(quotient, exact)))

    def sqrt(self) -> Rounded:
        """Square roots; nan below 0."""
        with np.errstate(all="ignore"):
            root = np.sqrt(self.values)
            back, rest = _product(root, root)
            exact = (back == self.values) & (rest == 0.0)
            carried = np.where(root > 0.0, _ratio(self.error, root), np.sqrt(self.error))
            return Rounded(root, _bound(carried + _fresh(root, exact)))

    def dots(self, other: Rounded) -> Rounded:
        """Rows (m, n) times a vector (n,), or one a row (m, n); each sum is rounded once."""
        sums, missed = exact_dots(self.values, other.values, np.zeros(len(self.values)))
        with np.errstate(over="ignore", invalid="ignore"):
            carried = (
                np.abs(self.values) * other.error
                + self.error * np.abs(other.values)
                + self.error * other.error
            ).sum(axis=1)
            carried = _bound((1.0 + gamma(self.values.shape[1] + 4)) * carried)
            # Products of nonzero numbers may have underflown.
            risky = carried == 0.0 if not (self.is_exact and other.is_exact) else False
            return Rounded(sums, _bound(np.where(risky, TINY, carried) + missed))


def _bound(total: FloatArray) -> FloatArray:
    """An upper bound of a short sum of numbers that are not negative; 0 only where all were 0."""
    raised = np.where(total == 0.0, 0.0, round_up((1.0 + 2.0**-48) * total + TINY))
    return np.where(np.isnan(raised), np.inf, raised)


def _times(left: FloatArray, right: FloatArray) -> FloatArray:
    """|left * right|, at least `TINY` where neither is 0."""
    present = (left != 0.0) & (right != 0.0)
    return np.where(present, np.maximum(np.abs(left * right), TINY), 0.0)


def _ratio(left: FloatArray, right: FloatArray) -> FloatArray:
    """left / right of numbers that are not negative, at least `TINY` where `left` is not 0."""
    return np.where(left == 0.0, 0.0, np.maximum((1.0 + 2.0**-48) * (left / right), TINY))


def _size(rest: FloatArray, result: FloatArray) -> FloatArray:
    """|rest|, what an operation rounded off, or its a-priori bound where that is not finite."""
    return np.where(np.isfinite(rest), np.abs(rest), UNIT_ROUNDOFF * np.abs(result) + TINY)


def _fresh(result: FloatArray, exact: FloatArray) -> FloatArray:
    """A-priori bound on the rounding of one operation."""
    return np.where(exact, 0.0, UNIT_ROUNDOFF * np.abs(result) + TINY)


def _product(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """left * right and what was rounded off, nan where that cannot be told."""
    product, rest = exact_products(left, right)
    # Below this size what was rounded off may itself underflow.
    risky = (np.abs(product) < 2.0**-900) & (left != 0.0) & (right != 0.0)
    return product, np.where(risky, np.nan, rest)
