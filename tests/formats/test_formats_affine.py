"""`Affine`: every step is what it says in rationals, and selecting or stacking rounds nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt.formats.affine import Affine
from leo_opt.formats.rounded import Rounded

VARIABLES = 5


def meant(values: Affine, point: list[Fraction]) -> list[Fraction]:
    """The values at a point, with the numbers as they stand."""
    return [
        Fraction(values.shift.values[row])
        + sum(
            Fraction(values.weight.values[k]) * point[values.columns[k]]
            for k in range(values.ends[row], values.ends[row + 1])
        )
        for row in range(len(values))
    ]


def room(values: Affine, point: list[Fraction]) -> list[Fraction]:
    """How far the values may be from what is meant at a point."""
    return [
        Fraction(values.shift.error[row])
        + sum(
            Fraction(values.weight.error[k]) * abs(point[values.columns[k]])
            for k in range(values.ends[row], values.ends[row + 1])
        )
        for row in range(len(values))
    ]


def draw(generator: np.random.Generator, rows: int) -> Affine:
    """A sparse matrix with any numbers, some of them none."""
    columns = np.array([generator.permutation(VARIABLES)[:3] for _ in range(rows)])
    columns[generator.random(columns.shape) < 0.3] = -1
    weight = generator.standard_normal((rows, 3))
    if generator.random() < 0.5:
        weight = generator.integers(-4, 5, weight.shape) / 4.0
    made = Affine.matrix(columns, Rounded.exact(weight))
    return made.add(Rounded.exact(generator.standard_normal(rows)))


def test_every_step_is_what_it_says_within_what_it_rounds():
    generator = np.random.default_rng(0)
    unrounded = 0
    for _ in range(100):
        left, right = draw(generator, 4), draw(generator, 4)
        point = [Fraction(x) for x in generator.uniform(-1, 1, VARIABLES).tolist()]
        a, b = np.array(meant(left, point)), np.array(meant(right, point))
        numbers = generator.standard_normal(4)
        rational = np.array([Fraction(number) for number in numbers])
        chosen = generator.integers(4, size=6)
        simple = Affine.variables(generator.integers(VARIABLES, size=VARIABLES))
        simple = simple.multiply(Rounded.exact(np.array([1.0, 0.0, 3.0, 0.1, -1.0])))
        simple = simple.add(Rounded.exact(generator.standard_normal(VARIABLES)))
        total, exact = left.plus(right)
        cases = [
            (left.take(chosen), a[chosen]),
            (Affine.stacked([left, right]), [*a, *b]),
            (left.add(Rounded.exact(numbers)), a + rational),
            (left.multiply(Rounded.exact(numbers)), a * rational),
            (left.divide(Rounded.exact(numbers)), a / rational),
            (total, a + b),
            (left.behind(simple)[0], meant(left, meant(simple, point))),
        ]
        unrounded += exact
        slack = [room(simple, point)[k] for k in range(VARIABLES)]
        for place, (result, want) in enumerate(cases):
            inherited = Fraction(0)
            if place == len(cases) - 1:
                inherited = 100 * sum(slack, Fraction(0))
            for x, y, limit in zip(meant(result, point), want, room(result, point), strict=True):
                assert abs(x - y) <= limit + inherited
                assert place > 1 or x == y
            assert (np.diff(result.ends) >= 0).all()
    assert 0 < unrounded < 100


def test_sums_say_whether_a_weight_was_rounded():
    one, tiny = (
        Affine.variables(np.array([0])).multiply(Rounded.exact(np.array([value])))
        for value in (1.0, 1e-30)
    )
    assert one.plus(one)[1]
    assert not one.plus(tiny)[1]
    assert one.plus(one)[0].weight.values.tolist() == [2.0]
    gone, exact = one.plus(one.multiply(Rounded.exact(np.array([-1.0]))))
    assert exact
    assert len(gone.columns) == 0
