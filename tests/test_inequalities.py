"""Boxes with rational ends: what float64 makes of them, and points that lie inside exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from leo_opt.arithmetic import is_float
from leo_opt.domain import Box
from leo_opt.inequalities import Inequality, RationalBox


def interval(generator: np.random.Generator) -> tuple[Fraction, Fraction]:
    """Ends that are a few units in the last place apart, or many, some of them float64 numbers."""
    middle = Fraction(float(generator.normal()))
    unit = Fraction(math.ulp(float(middle)))
    steps = sorted(Fraction(int(k), 4) for k in generator.integers(-6, 7, size=2))
    scale = int(generator.choice([1, 1, 10**15]))
    return middle + scale * steps[0] * unit, middle + scale * steps[1] * unit


def bounded(ends: tuple[Fraction, Fraction], strict: tuple[bool, bool]) -> RationalBox:
    """The interval between two ends as a box of one input."""
    x, one = ("X", 0), Fraction(1)
    low = Inequality(((x, -one),), -ends[0], strict[0])
    high = Inequality(((x, one),), ends[1], strict[1])
    return RationalBox.unbounded(1).narrow([low, high])


@pytest.mark.parametrize("strict", [(a, b) for a in (False, True) for b in (False, True)])
def test_points_lie_inside_and_are_floats_wherever_there_is_one(strict: tuple[bool, bool]) -> None:
    generator = np.random.default_rng(150)
    seen = set()
    for _ in range(400):
        low, high = interval(generator)
        box = bounded((low, high), strict)
        empty = low == high and any(strict)
        assert (box.crossed is not None) == empty
        enclosure = box.enclose()
        assert Fraction(enclosure.lower[0]) <= low <= high <= Fraction(enclosure.upper[0])
        if empty:
            continue
        start = enclosure.lower[0]
        near = [float(start)]
        while near[-1] < enclosure.upper[0] and len(near) < 20:
            near.append(math.nextafter(near[-1], math.inf))
        near.append(float(enclosure.upper[0]))

        def inside(value: Fraction, low: Fraction = low, high: Fraction = high) -> bool:
            below = low < value if strict[0] else low <= value
            return below and (value < high if strict[1] else value <= high)

        floats = any(inside(Fraction(value)) for value in near)
        point = np.array([generator.choice(near)])
        points = box.points_near(point)
        assert all(inside(value) for (value,) in points)
        assert is_float(points[0][0]) == floats
        if inside(Fraction(point[0])):
            assert points[0][0] == point[0]
        seen.add((floats, len(points)))
    assert {(True, 1), (False, 1)} <= seen
    assert strict == (True, True) or (True, 2) in seen


def test_a_box_is_itself() -> None:
    box = Box([-0.1, 0.3], [0.1, 0.3])
    assert RationalBox.of(box).enclose() == box
    assert RationalBox.of(box).points_near(np.array([0.5, 0.0])) == [
        (Fraction(0.1), Fraction(0.3)),
    ]
