"""Doubts about what a solver answered: what contradicts itself is withdrawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt.solvers.questions import (
    BOUNDLESS,
    LIMITS,
    Answer,
    Question,
    Termination,
    dual_bound,
    finite,
)
from leo_opt.solvers.standard_form import FloatArray
from leo_opt.solvers.state import ModelState

DISAGREEMENT = 1e-5
"""An incumbent this much (relatively) better than the bound convicts the solver of an error."""


def doubt(answer: Answer, question: Question, state: ModelState, has_bounds: bool) -> Answer:
    """An answer with its objective evaluated, and without what cannot be believed.

    Parameters
    ----------
    has_bounds
        Whether the solver reports true dual bounds at all.
    """
    condition, message = answer.termination_condition, answer.message
    bound = finite(answer.objective_bound) if has_bounds else None
    bound = None if condition in BOUNDLESS else bound
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
        row_duals=None if answer.row_duals is None else one_sided(answer.row_duals, state),
        ray=checked_ray(answer.ray, state),
        message=message,
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
