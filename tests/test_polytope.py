"""Polytopes: who is a member, exactly, and what is seen of them from outside."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from random_networks import random_box, random_network
from random_polytopes import random_polytope
from scipy.optimize import linprog
from seeds import seeds

from leo_opt import classify
from leo_opt.domain import Box, read_box
from leo_opt.errors import InvalidInputError
from leo_opt.inequalities import Inequality
from leo_opt.polytope import Polytope


def is_member(polytope: Polytope, point: np.ndarray) -> bool:
    """Membership in rationals."""
    exact = [Fraction(float(x)) for x in point]
    sums = [
        sum((Fraction(float(a)) * x for a, x in zip(row, exact, strict=True)), Fraction(0))
        for row in polytope.weight
    ]
    within = (polytope.within.lower <= point).all() and (point <= polytope.within.upper).all()
    return bool(within) and all(
        total <= Fraction(float(end)) for total, end in zip(sums, polytope.bound, strict=True)
    )


@pytest.mark.parametrize("seed", seeds(20, of=200))
def test_members_are_told_exactly_and_lie_in_the_box(seed: int) -> None:
    generator = np.random.default_rng((211, seed))
    polytope = random_polytope(generator, random_box(generator, int(generator.integers(1, 5))))
    points = polytope.within.sample(40, generator)
    # Some lie on a row up to rounding.
    row, end = polytope.weight[0], polytope.bound[0]
    moved = points[:20] - np.outer((points[:20] @ row - end) / (row @ row), row)
    points = np.vstack([points, polytope.within.clip(moved)])
    held = polytope.holds(points)
    assert held.tolist() == [is_member(polytope, point) for point in points]
    assert polytope.box.holds(points[held]).all()
    known = bool(polytope.holds(polytope.centre[None, :])[0])
    clipped = polytope.clip(points)
    np.testing.assert_array_equal(clipped[held], points[held])
    if known:
        drawn = [clipped, polytope.sample(9, generator), polytope.vertices(points - points.mean())]
        assert polytope.holds(np.vstack(drawn)).all()


def test_the_centre_is_inside_where_there_is_an_inside() -> None:
    thin = Polytope((0.0, 1.0), [[1.0, -1.0], [-1.0, 1.0]], [1e-9, 0.0])
    assert thin.holds(thin.centre[None, :]).all()
    line = Polytope((0.0, 1.0), [[1.0, -1.0], [-1.0, 1.0]], [0.0, 0.0])
    assert line.holds(line.centre[None, :]).all()


def test_the_box_is_what_rows_leave_of_it() -> None:
    polytope = Polytope((0.0, 1.0), [[1.0, 1.0], [0.0, -2.0]], [0.5, -0.25])
    assert polytope.box == Box([0.0, 0.125], [0.375, 0.5])


def test_what_contains_what() -> None:
    box = Box(0.0, 1.0).spread(2)
    wide, narrow = Polytope(box, [[1.0, 1.0]], [1.5]), Polytope(box, [[1.0, 1.0]], [0.5])
    both = Polytope(box, [[1.0, 1.0], [1.0, -1.0]], [1.5, 0.0])
    assert box.contains(wide)
    assert wide.contains(narrow), "the box of the narrow one lies within the row"
    assert wide.contains(both)
    assert not both.contains(wide)
    assert not wide.contains(box)
    assert narrow.contains(Box(0.0, 0.25).spread(2))


def test_copies_are_equal_and_rows_count() -> None:
    one = Polytope((0.0, 1.0), [[1.0, 1.0]], [0.5])
    other = Polytope((0.0, 1.0), [[1.0, 1.0]], [0.25])
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(Polytope((0.0, 1.0), [[1.0, 1.0]], [0.5]))
    assert one != other
    assert one.content_hash != other.content_hash
    assert one.box != one
    with pytest.raises(ValueError, match="read-only"):
        one.weight[0, 0] = 2.0


def test_rational_rows_are_rounded_outward() -> None:
    third = Inequality(((("X", 0), Fraction(1, 3)), (("X", 1), Fraction(-1, 10))), Fraction(1, 7))
    polytope = Polytope.enclosing(Box(-5.0, 5.0).spread(2), [third])
    y = Fraction(float(np.nextafter(0.1, 1.0)))
    for x in (3 * (Fraction(1, 7) + y / 10), Fraction(-5)):
        total = sum(
            (Fraction(float(a)) * v for a, v in zip(polytope.weight[0], (x, y), strict=True)),
            Fraction(0),
        )
        assert total <= Fraction(float(polytope.bound[0]))


@pytest.mark.parametrize("seed", seeds(10, of=100))
def test_vertices_are_as_far_as_a_linear_program_says(seed: int) -> None:
    generator = np.random.default_rng((233, seed))
    box = random_box(generator, int(generator.integers(2, 6)))
    polytope = random_polytope(generator, box)
    if not polytope.holds(polytope.centre[None, :])[0]:
        return
    directions = generator.normal(size=(4, polytope.size))
    found = polytope.vertices(directions)
    assert polytope.holds(found).all()
    for direction, point in zip(directions, found, strict=True):
        bounds = np.column_stack([box.lower, box.upper])
        best = -linprog(-direction, polytope.weight, polytope.bound, bounds=bounds).fun
        room = np.abs(direction) @ (box.upper - box.lower)
        # With several rows it is a guess.
        assert float(direction @ point) >= best - (len(polytope.bound) > 1 or 1e-6) * room


@pytest.mark.parametrize("seed", seeds(10, of=200))
def test_empty_is_said_of_nothing_but_what_is(seed: int) -> None:
    generator = np.random.default_rng((239, seed))
    polytope = random_polytope(generator, random_box(generator, int(generator.integers(1, 5))))
    assert not polytope.empty
    # The opposite of the sum of all rows, a little apart.
    row, end = -polytope.weight.sum(axis=0), -polytope.bound.sum()
    apart = 1e-3 * (1.0 + np.abs(polytope.weight).sum() + abs(end))
    if not row.any():
        return
    try:
        without = Polytope(
            polytope.within,
            np.vstack([polytope.weight, row]),
            np.append(polytope.bound, end - apart),
        )
    except InvalidInputError:
        return
    assert without.empty
    with pytest.raises(InvalidInputError, match="no input satisfies the rows"):
        classify(random_network(generator, inputs=polytope.size), without)


def test_rows_beyond_float64_are_scaled_or_say_nothing() -> None:
    huge, box = Fraction(10) ** 400, Box(0.0, 1.0).spread(2)
    terms = (("X", 0), huge), (("X", 1), huge / 2)
    polytope = Polytope.enclosing(box, [Inequality(terms, huge / 4)])
    assert polytope.weight.tolist() == [[1.0, 0.5]]
    assert polytope.bound.tolist() == [0.25]
    assert not Polytope.enclosing(box, [Inequality(((("X", 0), huge / huge),), huge)]).bound.size


def test_inside_an_equation_points_are_drawn_along_it() -> None:
    line = Polytope((0.0, 1.0), [[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 1.0])
    drawn = line.clip(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert line.holds(drawn).all()
    assert drawn[1, 0] > 0.49


@pytest.mark.parametrize(
    ("weight", "bound", "said"),
    [
        ([[1.0, 1.0]], [-0.5], "leave nothing of input 0"),
        ([[0.0, 0.0]], [1.0], "row of zeros"),
        ([[np.inf, 0.0]], [1.0], "not finite"),
        ([1.0, 0.0], [1.0], "shapes"),
        ([[1.0, 0.0]], [1.0, 2.0], "shapes"),
    ],
)
def test_rows_that_are_none_are_refused(weight: object, bound: object, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Polytope((0.0, 1.0), weight, bound)  # type: ignore[arg-type]


def test_what_knows_boxes_only_says_so() -> None:
    polytope = Polytope((0.0, 1.0), [[1.0, 1.0]], [0.5])
    with pytest.raises(InvalidInputError, match="a Polytope, not a box; give its `box`"):
        read_box(polytope)
    with pytest.raises(InvalidInputError, match="2 inputs and the network 3"):
        polytope.spread(3)
