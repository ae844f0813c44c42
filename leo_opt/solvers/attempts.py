"""One question put to a solver once, or twice where it stopped at an incumbent in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Feature, Question


def attempt(
    solve: Callable[[Question, InterruptGuard], Answer],
    question: Question,
    features: Collection[Feature],
    guards: bool,
) -> Answer:
    """The answer to a question, asked again without its stop if nobody confirms the incumbent.

    Parameters
    ----------
    solve
        Asks the solver once.
    features
        What the solver can do; one that can ask `confirm` itself is not asked again.
    guards
        Whether Ctrl-C has to wait until the solver has stopped.

    Returns
    -------
    Answer
        With the seconds and nodes of both attempts.
    """
    begin = time.monotonic()
    with InterruptGuard(guards) as guard:
        answer = solve(question, guard)
        if _stopped_in_vain(question, answer, features):
            left = question.time_limit
            if left is not None:
                left = max(0.0, left - (time.monotonic() - begin))
            again = replace(question, stop_above=None, confirm=None, time_limit=left)
            second = solve(again, guard)
            answer = replace(second, nodes=second.nodes + answer.nodes)
    return replace(answer, seconds=time.monotonic() - begin)


def _stopped_in_vain(question: Question, answer: Answer, features: Collection[Feature]) -> bool:
    return (
        answer.stopped_by == "incumbent"
        and question.confirm is not None
        and Feature.CONFIRM_INCUMBENT not in features
        and (answer.point is None or not question.confirm(answer.point))
    )
