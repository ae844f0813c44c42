"""Doubts about what a solver answered: what contradicts itself is withdrawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.questions import (
    BOUNDLESS,
    LIMITS,
    Answer,
    Question,
    SolverOptions,
    Termination,
    dual_bound,
    finite,
)
from leo_opt.solvers.state import ModelState

DISAGREEMENT = 1e-5
"""An incumbent this much (relatively) better than the bound convicts the solver of an error."""


_TOLERANCE = 1e-6
"""How far solvers let a row or a column of range about 1 be violated, unless told otherwise."""

_USUAL_TERMS = 2.0**16
"""Objectives whose terms add up to no more are believed up to the solver's tolerances, as they
are. Callers that bring their objective to a range of about 1 have a margin of their own; columns
often have bounds far beyond what they can reach; and the smallest sum with which a solver was
seen to be wrong is 1e9."""


def blur_of(question: Question, state: ModelState, options: SolverOptions) -> float:
    """How far a bound can be off because tolerances hide what happens in large columns.

    A column that ranges over 1e10 is held in units of 1e10, and its tolerance of 1e-6 hides what
    happens within 1e4: relu(x) - 2 relu(x - 1) + relu(x - 2) is 0 to a solver. So the bound of an
    objective with large terms is as wide as the tolerance makes them; 0 for usual ones.
    """
    used = (question.objective != 0.0) & ~state.form.integer
    with np.errstate(over="ignore", invalid="ignore"):
        width = (state.upper - state.lower)[used]
        terms = np.abs(question.objective[used]) * np.where(np.isfinite(width), width, 0.0)
    total = float(terms.sum())
    if total <= _USUAL_TERMS:
        return 0.0
    given = (options.feasibility_tolerance or 0.0, options.integrality_tolerance or 0.0)
    return max(_TOLERANCE, *given) * total


def doubt(
    answer: Answer, question: Question, state: ModelState, has_bounds: bool, blur: float = 0.0
) -> Answer:
    """An answer with its objective evaluated, and without what cannot be believed.

    Parameters
    ----------
    has_bounds
        Whether the solver reports true dual bounds at all.
    blur
        What to widen its bound by.
    """
    answer = _of_this_model(answer, state)
    condition, message = answer.termination_condition, answer.message
    bound = finite(answer.objective_bound) if has_bounds else None
    duals = None if answer.row_duals is None else one_sided(answer.row_duals, state)
    if condition in BOUNDLESS or bound is None:
        bound = None
    elif blur:
        proof = None if duals is None else _proof(question, duals, state)
        bound = finite(bound + blur if proof is None else max(bound, proof + _ROUNDING * blur))
    point, value = answer.point, None
    if point is not None:
        value = question.value(point)
        if not np.isfinite(value):
            point, value, message = None, None, f"{message}; the point is not finite"
    if value is not None and bound is not None and value > bound + DISAGREEMENT * (1 + abs(value)):
        message = f"{message}; the incumbent {value!r} is beyond the bound {bound!r}"
        condition, bound = Termination.ERROR, None
    return replace(
        answer,
        termination_condition=condition,
        stopped_by="limit" if condition in LIMITS else answer.stopped_by,
        incumbent_objective=value,
        objective_bound=bound,
        point=point,
        row_duals=duals,
        ray=checked_ray(answer.ray, state),
        message=message,
    )


def _of_this_model(answer: Answer, state: ModelState) -> Answer:
    """An answer without the vectors that have another size than the model."""

    def read(name: str, vector: FloatArray | None, size: int) -> FloatArray | None:
        if vector is None or np.shape(vector) == (size,):
            return vector
        said.append(f"; {name} has shape {np.shape(vector)} and not ({size},)")
        return None

    said: list[str] = []
    point = read("the point", answer.point, state.form.columns)
    duals = read("the vector of row duals", answer.row_duals, state.row_count)
    ray = read("the ray", answer.ray, state.row_count)
    message = "".join([answer.message, *said])
    return (
        replace(answer, point=point, row_duals=duals, ray=ray, message=message) if said else answer
    )


_ROUNDING = 1e-6
"""Of a sum, as a share of what tolerances make of it."""


def _proof(question: Question, duals: FloatArray, state: ModelState) -> float | None:
    """What weak duality says with duals (rows,), up to rounding; None where that is nothing."""
    matrix, lower, upper = state.rows()
    columns = (state.lower, state.upper)
    return finite(
        question.constant + dual_bound(question.objective, duals, matrix, (lower, upper), columns)
    )


_CANCELLED = 1e-14
"""Largest reduced cost, as a share of the largest multiplier, that is taken for rounding."""


def checked_ray(ray: FloatArray | None, state: ModelState) -> FloatArray | None:
    """A ray with the sign for which it proves infeasibility, or None if neither does.

    Parameters
    ----------
    ray : (rows,) array or None
        Solvers differ in the sign.
    """
    if ray is None or not np.isfinite(ray).all():
        return None
    matrix, lower, upper = state.rows()
    zero = np.zeros(state.form.columns)
    for candidate in (ray, -ray):
        signed = one_sided(candidate, state)
        # What cancellation leaves at columns without a bound is no reduced cost.
        noise = np.abs(matrix.T @ signed) <= _CANCELLED * np.abs(signed).max(initial=0.0)
        columns = (
            np.where(noise & np.isinf(state.lower), 0.0, state.lower),
            np.where(noise & np.isinf(state.upper), 0.0, state.upper),
        )
        if dual_bound(zero, signed, matrix, (lower, upper), columns) < 0.0:
            return signed
    return None


def one_sided(multipliers: FloatArray, state: ModelState) -> FloatArray:
    """Multipliers (rows,) of a maximisation, with 0 where one asks for a side that its row lacks.

    That is rounding, or the wrong sign; with it weak duality would prove nothing at all.
    """
    _, lower, upper = state.rows()
    side = np.where(multipliers > 0.0, upper, lower)
    return np.where(np.isfinite(side), multipliers, 0.0)
