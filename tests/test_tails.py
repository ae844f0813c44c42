"""What stands behind a network in its file."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.tails import ELEMENTWISE, OPERATORS, Tail, TailStep


@pytest.mark.parametrize("operator", OPERATORS)
def test_room_is_wide_enough_behind_every_operator(operator: str):
    generator = np.random.default_rng(0)
    tail = Tail(
        "a", ("N", 3), (TailStep(operator, None if operator in ELEMENTWISE else 1),), "y", ()
    )
    outputs = generator.standard_normal((400, 3)) * 3.0
    room = generator.random((400, 3)) * generator.choice([1e-3, 1.0], (400, 1))
    moved = outputs + room * generator.choice([-1.0, 1.0], (400, 3))
    found = tail.room(outputs, room)
    assert np.isfinite(found).any()
    assert (abs(tail(moved) - tail(outputs)) <= found).all()


@pytest.mark.parametrize(
    ("shape", "size", "axis", "groups"),
    [(("N", 6), 6, 1, 1), ((6,), 6, 0, 1), ((1, 2, 3), 6, 2, 2), ((4, 2, 3), 6, 1, 3)],
)
def test_axes_are_those_of_the_file(shape: tuple, size: int, axis: int, groups: int):
    outputs = np.random.default_rng(0).standard_normal((5, size))
    for operator, total in (("Softmax", groups), ("Hardmax", groups)):
        made = Tail("a", shape, (TailStep(operator, axis),), "y", ())(outputs)
        assert made.shape == outputs.shape
        np.testing.assert_allclose(made.sum(axis=1), total)
    assert Tail("a", shape, (TailStep("ArgMax", axis),), "y", ())(outputs).shape == (5, groups)


def test_large_numbers_overflow_nowhere():
    outputs = np.array([[1e4, -1e4, 0.0]])
    for operator in OPERATORS:
        step = TailStep(operator, None if operator in ELEMENTWISE else 1)
        assert np.isfinite(Tail("a", ("N", 3), (step,), "y", ())(outputs)).all()
