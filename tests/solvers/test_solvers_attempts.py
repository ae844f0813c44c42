"""A question is asked again exactly where the solver stopped at an incumbent in vain."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from leo_opt.arrays import FloatArray
from leo_opt.solvers import Answer, Feature, InterruptGuard, Question, Termination
from leo_opt.solvers.attempts import attempt

STOPPED = Answer(
    Termination.OBJECTIVE_LIMIT, stopped_by="incumbent", point=np.array([1.0]), nodes=3
)
OPTIMAL = Answer(Termination.OPTIMAL, point=np.array([1.0]), nodes=5)


def question(confirm: Callable[[FloatArray], bool] | None, limit: float | None) -> Question:
    return Question(np.ones(1), stop_above=0.0, confirm=confirm, time_limit=limit)


@pytest.mark.parametrize(
    ("first", "confirmed", "can_ask"),
    list(itertools.product((STOPPED, OPTIMAL), (True, False, None), (True, False))),
)
def test_once_or_twice(first: Answer, confirmed: bool | None, can_ask: bool) -> None:
    asked: list[Question] = []

    def solve(question: Question, guard: InterruptGuard) -> Answer:
        asked.append(question)
        return first if len(asked) == 1 else OPTIMAL

    confirm = None if confirmed is None else lambda point: bool(confirmed)
    features = {Feature.CONFIRM_INCUMBENT} if can_ask else set()
    answer = attempt(solve, question(confirm, 7.0), features, guards=False)
    if first is STOPPED and confirmed is False and not can_ask:
        assert [q.stop_above for q in asked] == [0.0, None]
        assert asked[1].confirm is None
        assert asked[1].time_limit is not None
        assert 0.0 <= asked[1].time_limit < 7.0
        assert (answer.termination_condition, answer.nodes) == (Termination.OPTIMAL, 8)
    else:
        assert len(asked) == 1
        assert answer.nodes == first.nodes
    assert answer.seconds >= 0.0


def test_without_a_point_nothing_is_confirmed() -> None:
    answers = iter([Answer(Termination.OBJECTIVE_LIMIT, stopped_by="incumbent"), OPTIMAL])
    answer = attempt(
        lambda question, guard: next(answers), question(lambda point: True, None), set(), False
    )
    assert answer.termination_condition == Termination.OPTIMAL
