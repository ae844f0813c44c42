"""Boxes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (1.0, 0.0, "exceeds"),
        ([0.0, 2.0], [1.0, 1.0], "at input 1"),
        (0.0, np.inf, "finite"),
        (np.nan, 1.0, "finite"),
        ([0.0, 0.0], [1.0, 1.0, 1.0], "2 entries and upper has 3"),
        ([[0.0]], [[1.0]], "shape"),
        ("a", 1.0, "not an array of real numbers"),
    ],
)
def test_nonsense_is_refused_with_the_value(lower, upper, words) -> None:
    with pytest.raises(InvalidInputError, match=words):
        Box(lower, upper)


def test_scalars_spread_and_vectors_must_fit() -> None:
    assert Box(0, 1).spread(3) == Box([0, 0, 0], [1, 1, 1])
    assert Box(0, [1.0, 2.0]) == Box([0, 0], [1, 2])
    assert Box(0, 1).size is None
    with pytest.raises(InvalidInputError, match="2 inputs and the network 3"):
        Box([0, 0], [1, 1]).spread(3)


@pytest.mark.parametrize("seed", range(20))
def test_around_holds_the_real_ball_and_no_more_than_rounding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    point = generator.normal(size=8) * 10.0 ** generator.integers(-8, 8)
    radius = abs(generator.normal()) * 10.0 ** generator.integers(-8, 8)
    box = Box.around(point, radius)
    for centre, low, high in zip(point, box.lower, box.upper, strict=True):
        exact_low = Fraction(float(centre)) - Fraction(radius)
        exact_high = Fraction(float(centre)) + Fraction(radius)
        assert Fraction(float(low)) <= exact_low
        assert Fraction(float(high)) >= exact_high
        assert Fraction(float(np.nextafter(low, np.inf))) > exact_low
        assert Fraction(float(np.nextafter(high, -np.inf))) < exact_high


def test_around_within_clips_and_refuses_a_miss() -> None:
    assert Box.around([0.0, 0.5], 0.25, within=Box(0, 1)) == Box([0.0, 0.25], [0.25, 0.75])
    with pytest.raises(InvalidInputError, match="misses"):
        Box.around([3.0], 0.5, within=Box(0, 1))
    with pytest.raises(InvalidInputError, match="radius"):
        Box.around([0.0], -1.0)
    with pytest.raises(InvalidInputError, match=r"shape \(2, 2\).*point\.ravel"):
        Box.around(np.zeros((2, 2)), 0.1, within=Box(0, 1))


def test_samples_vertices_and_centre_lie_inside() -> None:
    generator = np.random.default_rng(0)
    box = Box([-1e6, 0.1, 3.0], [-1e-6, 0.1, 7.0])
    points = np.vstack(
        [
            box.sample(200, generator),
            box.vertices(generator.normal(size=(50, 3))),
            box.centre[None, :],
            box.clip(generator.normal(size=(50, 3)) * 1e9),
        ]
    )
    assert (points >= box.lower).all()
    assert (points <= box.upper).all()
    assert box.contains(Box(points.min(axis=0), points.max(axis=0)))
    assert not box.contains(Box([-1e6, 0.1, 3.0], [-1e-6, 0.1, 7.5]))
