"""Inequalities and boxes in rational arithmetic: the exact numbers that somebody stated.

Float64 boxes are rounded outward, so that what holds on them holds on the exact ones. A point that
is to show something must lie in the exact one; where an input has no float64 number in its range,
as where it is fixed at 0.1, it has to be a rational.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leo_opt.arithmetic import float_above, float_below, nearest_float
from leo_opt.domain import Box
from leo_opt.errors import FileFormatError
from leo_opt.network import FloatArray

Variable = tuple[str, int]
"""("X", i) or ("Y", j)."""

End = tuple[Fraction, bool]
"""An end of an interval, and whether it lies outside: whether the interval is open there."""

Rationals = tuple[Fraction, ...]

_ROUNDS = 3
"""In which inequalities over several inputs shrink a box, each from what the last one left."""


@dataclass(frozen=True, slots=True)
class Inequality:
    """sum of factor * variable <= bound, or < bound, exactly as it was stated.

    Parameters
    ----------
    terms
        Pairs of variable and factor, by variable; no factor is 0, and the factor of a single input
        is 1 or -1.
    bound
        The right-hand side.
    strict
        Whether equality is excluded.
    """

    terms: tuple[tuple[Variable, Fraction], ...]
    bound: Fraction
    strict: bool = False

    def allows(self, value: Fraction | int) -> bool:
        """Whether the left-hand side may have a value."""
        return value < self.bound or (value == self.bound and not self.strict)

    @property
    def over_inputs(self) -> bool:
        """Whether no output stands in it."""
        return all(kind == "X" for (kind, _), _ in self.terms)


@dataclass(frozen=True)
class RationalBox:
    """Ranges of the inputs, each perhaps without an end, or open at one.

    Parameters
    ----------
    lower, upper
        One an input, None where there is none.
    """

    lower: tuple[End | None, ...]
    upper: tuple[End | None, ...]

    @classmethod
    def unbounded(cls, size: int) -> RationalBox:
        """All points of some inputs."""
        return cls((None,) * size, (None,) * size)

    @classmethod
    def of(cls, box: Box) -> RationalBox:
        """A float64 box."""
        lower, upper = (
            tuple((Fraction(value), False) for value in side.tolist())
            for side in (box.lower, box.upper)
        )
        return cls(lower, upper)

    def narrow(self, inequalities: Iterable[Inequality]) -> RationalBox:
        """The part of the box where inequalities hold, each over one input."""
        lower, upper = list(self.lower), list(self.upper)
        for inequality in inequalities:
            [((_, k), factor)] = inequality.terms
            bound, strict = inequality.bound, inequality.strict
            if factor.numerator > 0:
                end = upper[k]
                if end is None or (bound, not strict) < (end[0], not end[1]):
                    upper[k] = (bound, strict)
            else:
                end = lower[k]
                if end is None or (-bound, strict) > end:
                    lower[k] = (-bound, strict)
        return RationalBox(tuple(lower), tuple(upper))

    def shrink(self, inequalities: Sequence[Inequality]) -> RationalBox:
        """A part of the box with all its points where inequalities over several inputs hold.

        An input cannot go beyond what the least values of the others leave. Such ends are rounded
        outward to float64, so that their digits do not grow from step to step.
        """
        box = self
        for _ in range(_ROUNDS if inequalities else 0):
            ends = [end for row in inequalities for end in box._implied(row)]
            smaller = box.narrow(ends)
            if smaller == box or smaller.crossed is not None:
                return smaller
            box = smaller
        return box

    def _implied(self, inequality: Inequality) -> Iterator[Inequality]:
        """Bounds on single inputs that follow from an inequality over inputs."""
        least = [
            None if end is None else factor * end[0]
            for (_, k), factor in inequality.terms
            for end in [(self.lower if factor > 0 else self.upper)[k]]
        ]
        unknown = least.count(None)
        total = inequality.bound - sum(value for value in least if value is not None)
        for (variable, factor), own in zip(inequality.terms, least, strict=True):
            if unknown == (own is None):
                limit = (total + (own or 0)) / factor
                sign = Fraction(1 if factor > 0 else -1)
                bound = Fraction(float_above(limit) if factor > 0 else -float_below(limit))
                yield Inequality(((variable, sign),), bound)

    def __contains__(self, point: Rationals) -> bool:
        """Whether a point lies within all ends."""
        return all(
            (low is None or (value, False) >= low)
            and (high is None or (value, high[1]) <= (high[0], False))
            for value, low, high in zip(point, self.lower, self.upper, strict=True)
        )

    @property
    def crossed(self) -> int | None:
        """The first input whose range is empty."""
        for k, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            # The nearest float64 is a nondecreasing function, and comparing two is cheaper.
            if low is None or high is None or nearest_float(low[0])[0] < nearest_float(high[0])[0]:
                continue
            if low[0] < high[0]:
                continue
            if low[0] > high[0] or low[1] or high[1]:
                return k
        return None

    def enclose(self) -> Box:
        """The smallest float64 box around it.

        Raises
        ------
        FileFormatError
            If an input has no lower or no upper bound.
        InvalidInputError
            If an end is beyond float64.
        """
        for name, ends in (("lower", self.lower), ("upper", self.upper)):
            if None in ends:
                raise FileFormatError(
                    f"input X_{ends.index(None)} has no {name} bound; every input needs both"
                )
        lower = [float_below(end[0]) for end in self.lower if end is not None]
        upper = [float_above(end[0]) for end in self.upper if end is not None]
        return Box(np.array(lower), np.array(upper))

    def points_near(self, point: FloatArray) -> list[Rationals]:
        """Points of a box with all its ends, which is not empty, next to a point (n,).

        The first is float64 wherever the box holds such a number. The second takes the ends of the
        box themselves for what is at or beyond the last float64 number inside.
        """
        inner, outer = [], []
        ends = zip(point.tolist(), self.lower, self.upper, strict=True)
        for value, low, high in ends:
            assert low is not None
            assert high is not None
            least, most = float_above(low[0]), float_below(high[0])
            if low[1] and Fraction(least) == low[0]:
                least = math.nextafter(least, math.inf)
            if high[1] and Fraction(most) == high[0]:
                most = math.nextafter(most, -math.inf)
            inside = [end for end, outside in (low, high) if not outside]
            if least > most:
                # Both are rationals: a stated number, or the middle of an open range.
                only = inside[0] if inside else (low[0] + high[0]) / 2
                inner.append(only)
                outer.append(only)
                continue
            clipped = Fraction(min(max(value, least), most))
            inner.append(clipped)
            if value <= least and not low[1]:
                clipped = low[0]
            elif value >= most and not high[1]:
                clipped = high[0]
            outer.append(clipped)
        return [tuple(inner)] if inner == outer else [tuple(inner), tuple(outer)]


def equalities(inequalities: Iterable[Inequality]) -> tuple[Inequality, ...]:
    """Those over inputs that hold with equality where all do, since their opposites are there."""
    plain = [row for row in inequalities if row.over_inputs and not row.strict]
    known = {(row.terms, row.bound) for row in plain}

    def opposite(row: Inequality) -> tuple[tuple[tuple[Variable, Fraction], ...], Fraction]:
        return tuple((variable, -factor) for variable, factor in row.terms), -row.bound

    return tuple(row for row in plain if row.terms[0][1] > 0 and opposite(row) in known)


def solve(equal: Iterable[Inequality], point: Rationals) -> Rationals:
    """A point with as few other inputs as there are equalities, which it satisfies exactly.

    Where they contradict one another it does not satisfy all.
    """
    solved: dict[int, tuple[dict[int, Fraction], Fraction]] = {}
    for row in equal:
        factors, bound = {k: factor for (_, k), factor in row.terms}, row.bound
        for pivot, (others, right) in solved.items():
            factor = factors.pop(pivot, Fraction(0))
            factors, bound = _minus(factors, others, factor), bound - factor * right
        if not factors:
            continue
        pivot = max(factors, key=lambda k: abs(factors[k]))
        scale = factors.pop(pivot)
        new = {k: factor / scale for k, factor in factors.items()}, bound / scale
        for k, (others, right) in solved.items():
            factor = others.pop(pivot, Fraction(0))
            solved[k] = _minus(others, new[0], factor), right - factor * new[1]
        solved[pivot] = new
    values = list(point)
    for pivot, (others, right) in solved.items():
        values[pivot] = right - sum(factor * point[k] for k, factor in others.items())
    return tuple(values)


def _minus(
    left: Mapping[int, Fraction], right: Mapping[int, Fraction], factor: Fraction
) -> dict[int, Fraction]:
    """left - factor * right, without zeros."""
    keys = [*left, *(k for k in right if k not in left)]
    found = {k: left.get(k, Fraction(0)) - factor * right.get(k, Fraction(0)) for k in keys}
    return {k: value for k, value in found.items() if value}


def nearest(point: Rationals) -> FloatArray:
    """The float64 point (n,) next to a rational one."""
    return np.array([float(value) for value in point])
