"""What contradicts itself in an answer is withdrawn."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.solvers import Answer, Question, Termination
from leo_opt.solvers.doubts import DISAGREEMENT, checked_ray, doubt, one_sided
from leo_opt.solvers.questions import BOUNDLESS
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState

INF = np.inf


def state(
    matrix: list[list[float]],
    rows: tuple[list[float], list[float]],
    columns: tuple[list[float], list[float]],
) -> ModelState:
    lower, upper = (np.array(side) for side in columns)
    integer = np.zeros(lower.size, dtype=bool)
    form = StandardForm(np.array(matrix), *map(np.array, rows), lower, upper, integer)
    return ModelState(form, 0.0, integer)


KNOWN = state([[1.0, 1.0]], ([-INF], [3.0]), ([0.0, 0.0], [2.0, 2.0]))
QUESTION = Question(np.array([1.0, 1.0]), constant=1.0)
POINT = np.array([2.0, 1.0])
"""At which the question's objective is 4."""


def ask(**answer: object) -> Answer:
    given = Answer(**{"termination_condition": Termination.OPTIMAL, **answer})  # type: ignore[arg-type]
    return doubt(given, QUESTION, KNOWN, has_bounds=True)


def test_an_incumbent_is_evaluated_here() -> None:
    assert ask(point=POINT, incumbent_objective=9.0).incumbent_objective == 4.0


@pytest.mark.parametrize("bound", [4.0, 4.0 - 4.0 * DISAGREEMENT, 1e6])
def test_a_bound_may_be_beyond_the_incumbent_and_at_it_up_to_tolerances(bound: float) -> None:
    answer = ask(point=POINT, objective_bound=bound)
    assert answer.objective_bound == bound
    assert answer.termination_condition == Termination.OPTIMAL


@pytest.mark.parametrize("bound", [4.0 - 6.0 * DISAGREEMENT, 3.9, -1e6])
def test_a_bound_that_the_incumbent_beats_is_withdrawn(bound: float) -> None:
    answer = ask(point=POINT, objective_bound=bound)
    assert answer.objective_bound is None
    assert answer.termination_condition == Termination.ERROR
    assert answer.incumbent_objective == 4.0


@pytest.mark.parametrize("condition", sorted(BOUNDLESS))
def test_some_ends_have_no_bound(condition: Termination) -> None:
    assert ask(termination_condition=condition, objective_bound=5.0).objective_bound is None


@pytest.mark.parametrize("bound", [INF, -INF, np.nan])
def test_a_bound_is_finite(bound: float) -> None:
    assert ask(objective_bound=bound).objective_bound is None


def test_a_solver_without_dual_bounds_has_none() -> None:
    given = Answer(Termination.OPTIMAL, point=POINT, objective_bound=4.0)
    assert doubt(given, QUESTION, KNOWN, has_bounds=False).objective_bound is None


@pytest.mark.parametrize("bad", [INF, np.nan])
def test_a_point_is_finite(bad: float) -> None:
    answer = ask(point=np.array([bad, 1.0]), objective_bound=4.0)
    assert answer.point is None
    assert answer.incumbent_objective is None
    assert answer.objective_bound == 4.0


def test_limits_are_named() -> None:
    for condition in (Termination.TIME_LIMIT, Termination.NODE_LIMIT, Termination.ITERATION_LIMIT):
        assert ask(termination_condition=condition).stopped_by == "limit"
    assert ask().stopped_by is None


def test_multipliers_ask_only_for_sides_that_are_there() -> None:
    some = state(
        [[1.0]] * 4,
        ([-INF, 1.0, 0.0, -INF], [3.0, INF, 4.0, INF]),
        ([-9.0], [9.0]),
    )
    for sign, kept in ((1.0, [1.0, 0.0, 1.0, 0.0]), (-1.0, [0.0, -1.0, -1.0, 0.0])):
        assert one_sided(sign * np.ones(4), some).tolist() == kept


def test_a_ray_proves_by_one_sign_or_not_at_all() -> None:
    """x + y >= 5 with both at most 2, and at most 2.5, where it just can be."""
    for side, proved in ((2.0, True), (2.5, False)):
        known = state([[1.0, 1.0]], ([5.0], [INF]), ([0.0] * 2, [side] * 2))
        for ray in (-1.0, 1.0):
            checked = checked_ray(np.array([ray]), known)
            assert (checked is not None) == proved
            assert checked is None or checked.tolist() == [-1.0]


@pytest.mark.parametrize("noise", [1e-16, -1e-16, 1e-3])
def test_what_cancels_in_a_ray_is_rounding_and_no_more(noise: float) -> None:
    """Two rows contradict each other: x <= 1 and x >= 2 for a free x."""
    known = state([[1.0], [1.0 + noise]], ([-INF, 2.0], [1.0, INF]), ([-INF], [INF]))
    checked = checked_ray(np.array([1.0, -1.0]), known)
    assert (checked is not None) == (abs(noise) < 1e-10)
