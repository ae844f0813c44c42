"""The inputs allowed: a box, or what linear rows leave of one (`polytope`)."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leo_opt.arguments import read_array, refuse
from leo_opt.arithmetic import exact_sums, round_down
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.network import FloatArray

_SHOWN = 4
"""Inputs whose intervals `repr` lists."""


def _read_side(values: ArrayLike, side: str) -> FloatArray:
    """A read-only float64 copy of one side of a box, a scalar or a vector."""
    array = read_array(values, f"{side} of the box")
    if array.ndim > 1:
        raise InvalidInputError(
            f"{side} of the box has shape {array.shape}; give a number or one number an input"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError(
            f"{side} of the box holds {array[~np.isfinite(array)].flat[0]}; "
            "both sides must be finite: stability is decided on a bounded box"
        )
    array += 0.0
    array.setflags(write=False)
    return array


class Domain(ABC):
    """A bounded set of inputs, closed and convex: a `Box`, or a `Polytope` within one."""

    @property
    @abstractmethod
    def box(self) -> Box:
        """A box that holds the set: what holds on it holds on the set."""

    @property
    @abstractmethod
    def rows(self) -> tuple[FloatArray, FloatArray]:
        """Weight (m, n) and bound (m,): the set is where weight @ x <= bound within a box."""

    @property
    @abstractmethod
    def arrays(self) -> tuple[FloatArray, ...]:
        """What files hold of it, which `polytope.domain_from` reads: two sides, and any rows."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Number of inputs, or None for a box of two scalars."""

    @property
    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of the size and all numbers."""

    @property
    @abstractmethod
    def centre(self) -> FloatArray:
        """A point about the middle, inside wherever one is known."""

    @property
    @abstractmethod
    def empty(self) -> bool:
        """Whether it is proved that no input belongs to the set."""

    @abstractmethod
    def spread(self, size: int) -> Domain:
        """The set for `size` inputs.

        Raises
        ------
        InvalidInputError
            If it has another number of inputs.
        """

    @abstractmethod
    def contains(self, other: Domain) -> bool:
        """Whether every point of `other` is shown to lie in this set."""

    @abstractmethod
    def holds(self, inputs: FloatArray) -> BoolArray:
        """Which points of a batch (N, n) lie in the set, exactly."""

    @abstractmethod
    def clip(self, inputs: FloatArray) -> FloatArray:
        """Points of the set near those of a batch (N, n), wherever a point of it is known."""

    def vertices(self, directions: FloatArray) -> FloatArray:
        """For each direction (N, n) a point far along it; of a box, the farthest vertex."""
        return self.clip(np.where(directions > 0, self.box.upper, self.box.lower))

    def sample(self, count: int, generator: np.random.Generator) -> FloatArray:
        """`count` random points (count, n), uniform in a box."""
        low, width = self.box.lower, self.box.upper - self.box.lower
        return self.clip(low + width * generator.random((count, *low.shape)))


@dataclass(frozen=True, eq=False, init=False)
class Box(Domain):
    """All x with lower <= x <= upper, in real numbers.

    Parameters
    ----------
    lower, upper : float or (n,) array
        Two scalars make a box of no fixed size, which `spread` gives one.

    Raises
    ------
    InvalidInputError
        If a side is not finite, the sizes differ, or lower > upper somewhere.
    """

    lower: FloatArray
    upper: FloatArray

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        low, high = _read_side(lower, "lower"), _read_side(upper, "upper")
        if low.ndim and high.ndim and low.shape != high.shape:
            raise InvalidInputError(
                f"lower has {low.size} entries and upper has {high.size}; they must agree"
            )
        if low.shape != high.shape:
            low, high = (np.array(side) for side in np.broadcast_arrays(low, high))
        if (low > high).any():
            k = int(np.flatnonzero(np.atleast_1d(low > high))[0])
            raise InvalidInputError(
                f"lower {np.atleast_1d(low)[k]} exceeds upper {np.atleast_1d(high)[k]} at "
                f"input {k}; swap them or correct the file"
            )
        for name, side in (("lower", low), ("upper", high)):
            side.setflags(write=False)
            object.__setattr__(self, name, side)

    @classmethod
    def around(cls, point: ArrayLike, radius: ArrayLike, within: BoxLike | None = None) -> Box:
        """Smallest float64 box that holds the L-infinity ball of `radius` about `point`.

        Parameters
        ----------
        point : (n,) array
        radius : float or (n,) array
            Not negative.
        within
            A box to intersect with, such as the range of all pixels.

        Raises
        ------
        InvalidInputError
            If the point is no row of numbers, a radius is negative or not finite, or the ball
            misses `within`.
        """
        centre, reach = read_array(point, "point"), read_array(radius, "radius")
        if centre.ndim > 1:
            raise InvalidInputError(
                f"point has shape {centre.shape}; give one number an input, such as point.ravel()"
            )
        if reach.ndim and reach.shape != centre.shape:
            raise InvalidInputError(
                f"radius has shape {reach.shape} and point {centre.shape}; give one radius, or one "
                "an input"
            )
        if not np.isfinite(reach).all() or (reach < 0).any():
            raise InvalidInputError(f"radius is {reach}; it must be finite and not negative")
        lower, upper = _subtract_down(centre, reach), -_subtract_down(-centre, reach)
        if within is not None:
            whole = read_box(within, "within").spread(centre.size)
            lower, upper = np.maximum(lower, whole.lower), np.minimum(upper, whole.upper)
            if (lower > upper).any():
                raise InvalidInputError(
                    f"the ball of radius {reach} misses the box it should lie within at input "
                    f"{int(np.flatnonzero(lower > upper)[0])}; move the point into the box"
                )
        return cls(lower, upper)

    @property
    def box(self) -> Box:
        """See `Domain.box`."""
        return self

    @property
    def empty(self) -> bool:
        """No box is."""
        return False

    @property
    def rows(self) -> tuple[FloatArray, FloatArray]:
        """See `Domain.rows`."""
        return np.empty((0, self.lower.size)), np.empty(0)

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """See `Domain.arrays`."""
        return self.lower, self.upper

    @property
    def size(self) -> int | None:
        """Number of inputs, or None for a box of two scalars."""
        return self.lower.size if self.lower.ndim else None

    @property
    def content_hash(self) -> str:
        """SHA-256 of the size and all bounds."""
        digest = hashlib.sha256(f"box {self.size}\n".encode())
        for side in (self.lower, self.upper):
            digest.update(side.astype("<f8").tobytes())
        return digest.hexdigest()

    @property
    def centre(self) -> FloatArray:
        """A point about the middle, inside the box."""
        return np.clip(self.lower + 0.5 * (self.upper - self.lower), self.lower, self.upper)

    def spread(self, size: int) -> Box:
        """This box for `size` inputs: scalars are repeated, a vector must fit.

        Raises
        ------
        InvalidInputError
            If the box has another number of inputs.
        """
        if self.size is None:
            return Box(np.full(size, self.lower), np.full(size, self.upper))
        if self.size != size:
            raise InvalidInputError(
                f"the box has {self.size} inputs and the network {size}; give one bound an input"
            )
        return self

    def contains(self, other: Domain) -> bool:
        """Whether every point of `other` lies in this box."""
        inner = other.box
        return bool((self.lower <= inner.lower).all() and (inner.upper <= self.upper).all())

    def holds(self, inputs: FloatArray) -> BoolArray:
        """Which points of a batch (N, n) lie in the box."""
        return np.asarray(((self.lower <= inputs) & (inputs <= self.upper)).all(axis=1))

    def clip(self, inputs: FloatArray) -> FloatArray:
        """The nearest points of the box to a batch (N, n)."""
        return np.clip(inputs, self.lower, self.upper)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box):
            return NotImplemented
        return np.array_equal(self.lower, other.lower) and np.array_equal(self.upper, other.upper)

    def __hash__(self) -> int:
        return hash((self.lower.tobytes(), self.upper.tobytes()))

    def __repr__(self) -> str:
        if self.size is None:
            return f"Box({float(self.lower)}, {float(self.upper)})"
        if self.size <= _SHOWN:
            return f"Box({self.lower.tolist()}, {self.upper.tolist()})"
        low, high = float(self.lower.min()), float(self.upper.max())
        if (self.lower == low).all() and (self.upper == high).all():
            return f"Box({self.size} inputs, each in [{low}, {high}])"
        width = self.upper - self.lower
        return (
            f"Box({self.size} inputs, widths {width.min():.3g} to {width.max():.3g}, all within "
            f"[{low}, {high}])"
        )


BoxLike = Box | tuple[float | NDArray[Any], float | NDArray[Any]]
"""What public functions take for a box: one, or a pair of numbers or arrays (lower, upper)."""


def read_box(value: Any, name: str = "domain", wanted: str = "a box") -> Box:
    """An argument that should be a box: one, or a pair (lower, upper) of numbers or NumPy arrays.

    Pairs of lists are refused, since other packages mean by them an interval an input.

    Raises
    ------
    InvalidInputError
        If it is none, or its sides do not make a box.
    """
    if isinstance(value, Box):
        return value
    if isinstance(value, Domain):
        refuse(value, name, wanted, "give its `box`, which holds it, or call what takes its rows")
    sides = value if isinstance(value, tuple) and len(value) == 2 else ()
    if not sides or not all(isinstance(side, (Real, np.ndarray)) for side in sides):
        cure = "give Box(lower, upper), or a pair (lower, upper) of numbers or NumPy arrays"
        refuse(value, name, wanted, cure)
    return Box(*sides)


DomainLike = Domain | tuple[float | NDArray[Any], float | NDArray[Any]]
"""What public functions take that know rows over several inputs, too."""


def read_domain(value: Any, name: str = "domain", wanted: str = "a box") -> Domain:
    """An argument that should be a domain: a `Polytope`, or what `read_box` takes.

    Raises
    ------
    InvalidInputError
        If it is none.
    """
    return value if isinstance(value, Domain) else read_box(value, name, wanted)


@dataclass(frozen=True, eq=False)
class Boxes:
    """N boxes at once, for arithmetic that treats each by itself.

    Parameters
    ----------
    lower, upper : (N, n) arrays
        lower <= upper everywhere.
    """

    lower: FloatArray
    upper: FloatArray

    def __len__(self) -> int:
        return len(self.lower)

    def __getitem__(self, rows: slice | BoolArray) -> Boxes:
        return Boxes(self.lower[rows], self.upper[rows])

    @property
    def centres(self) -> FloatArray:
        """A point about the middle of each box, (N, n)."""
        return np.clip(self.lower + 0.5 * (self.upper - self.lower), self.lower, self.upper)

    def halve(self, dimensions: IntArray) -> Boxes:
        """The two halves of each box along one dimension each, (2 N, n); they cover the box."""
        rows = np.arange(len(self))
        left, right = self.upper.copy(), self.lower.copy()
        left[rows, dimensions] = right[rows, dimensions] = self.centres[rows, dimensions]
        return Boxes(np.vstack([self.lower, right]), np.vstack([left, self.upper]))

    def join(self, other: Boxes) -> Boxes:
        """These boxes, then the others."""
        return Boxes(np.vstack([self.lower, other.lower]), np.vstack([self.upper, other.upper]))


def _subtract_down(left: FloatArray, right: FloatArray) -> FloatArray:
    """left - right, rounded towards minus infinity."""
    difference, rest = exact_sums(left, -right)
    return np.where(rest < 0, round_down(difference), difference)
