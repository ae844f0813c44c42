"""Objectives in a range that solvers can tell from their tolerances.

The tolerance of reduced costs is absolute: of an objective of size 1e-8 every basis is optimal, and
a relaxation ends with a bound that its maximum exceeds. One of size 1e25 is infinite to SCIP. Such
objectives are multiplied by a power of two, which is exact, and the answer is divided by it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from leo_opt.solvers.questions import Answer, Question, finite

_USUAL = (2.0**-3, 2.0**30)
"""Largest magnitudes of coefficients with which an objective is left as it is. Between 1 and the
upper end solvers do well, and the absolute gap stays what the caller meant."""


def factor_of(question: Question) -> float:
    """The power of two by which the objective of a question is to be multiplied; mostly 1."""
    largest = float(np.abs(question.objective).max(initial=0.0))
    if largest == 0.0 or _USUAL[0] <= largest <= _USUAL[1]:
        return 1.0
    # A subnormal objective would need a factor that is no float64.
    return math.ldexp(1.0, min(-math.frexp(largest)[1], 1000))


def multiplied(question: Question, factor: float) -> Question:
    """The question with its objective multiplied; without its constant, which might overflow."""

    def moved(stop: float | None) -> float | None:
        return None if stop is None else (stop - question.constant) * factor

    return replace(
        question,
        objective=question.objective * factor,
        constant=0.0,
        stop_above=moved(question.stop_above),
        stop_below=moved(question.stop_below),
    )


def divided(answer: Answer, factor: float, constant: float) -> Answer:
    """The answer to a question from the answer to what `multiplied` made of it."""
    bound = finite(answer.objective_bound)
    return replace(
        answer,
        objective_bound=None if bound is None else bound / factor + constant,
        row_duals=None if answer.row_duals is None else answer.row_duals / factor,
    )
