"""Small models whose answers can be proved without believing any solver."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.questions import Answer, dual_bound
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import IndicatorRow, SosSet, StandardForm

TOLERANCE = 1e-6


def small_form(
    matrix: Sequence[Sequence[float]],
    rows: tuple[Sequence[float], Sequence[float]],
    columns: tuple[Sequence[float], Sequence[float]],
    integer: Sequence[bool],
    sos: tuple[SosSet, ...] = (),
    indicators: tuple[IndicatorRow, ...] = (),
) -> StandardForm:
    """A form written down as lists: lower and upper sides of rows and of columns."""
    return StandardForm(
        matrix=np.array(matrix),
        row_lower=np.array(rows[0], dtype=float),
        row_upper=np.array(rows[1], dtype=float),
        column_lower=np.array(columns[0], dtype=float),
        column_upper=np.array(columns[1], dtype=float),
        integer=np.array(integer, dtype=bool),
        sos=sos,
        indicators=indicators,
    )


def random_form(seed: int, binaries: int = 4, reals: int = 5, rows: int = 6) -> StandardForm:
    """A feasible model with bounded variables and small whole coefficients."""
    generator = np.random.default_rng(seed)
    columns = binaries + reals
    matrix = generator.integers(-5, 6, (rows, columns)).astype(float)
    lower = np.concatenate([np.zeros(binaries), generator.integers(-4, 1, reals)]).astype(float)
    upper = np.concatenate([np.ones(binaries), lower[binaries:] + generator.integers(1, 7, reals)])
    inside = np.where(generator.random(columns) < 0.5, lower, upper)
    activity = matrix @ inside
    return StandardForm(
        matrix=matrix,
        row_lower=np.where(generator.random(rows) < 0.3, -np.inf, activity - 2.0),
        row_upper=activity + generator.integers(0, 4, rows),
        column_lower=lower,
        column_upper=upper,
        integer=np.arange(columns) < binaries,
    )


def random_objective(seed: int, form: StandardForm) -> FloatArray:
    """Small whole coefficients, not all zero."""
    objective = np.random.default_rng(seed).integers(-5, 6, form.columns).astype(float)
    objective[0] = objective[0] or 1.0
    return objective


def hard_form(size: int = 40, rows: int = 4) -> tuple[StandardForm, FloatArray]:
    """A market-split problem and its objective: no solver proves the optimum in a few seconds.

    References
    ----------
    G. Cornuejols, M. Dawande, A class of hard small 0-1 programs, INFORMS J. Comput. 11, 1999.
    """
    weights = np.random.default_rng(7).integers(0, 100, (rows, size)).astype(float)
    slack = np.eye(rows)
    form = StandardForm(
        matrix=np.hstack([weights, slack, -slack]),
        row_lower=np.floor(weights.sum(axis=1) / 2.0),
        row_upper=np.floor(weights.sum(axis=1) / 2.0),
        column_lower=np.zeros(size + 2 * rows),
        column_upper=np.concatenate([np.ones(size), np.full(2 * rows, 100.0 * size)]),
        integer=np.arange(size + 2 * rows) < size,
    )
    objective = np.concatenate([np.zeros(size), -np.ones(2 * rows)])
    return form, objective


def knapsack(size: int = 12) -> tuple[StandardForm, FloatArray, float]:
    """A knapsack, its objective and its optimum by enumeration."""
    generator = np.random.default_rng(3)
    weights, values = generator.integers(3, 20, (2, size)).astype(float)
    capacity = float(weights.sum() // 2)
    form = StandardForm(
        matrix=weights[None, :],
        row_lower=np.array([-np.inf]),
        row_upper=np.array([capacity]),
        column_lower=np.zeros(size),
        column_upper=np.ones(size),
        integer=np.ones(size, dtype=bool),
    )
    choices = np.array(list(itertools.product((0.0, 1.0), repeat=size)))
    best = float((choices @ values)[choices @ weights <= capacity].max())
    return form, values, best


def certified(form: StandardForm, objective: FloatArray, answer: Answer, lower: FloatArray,
              upper: FloatArray) -> float | None:  # fmt: skip
    """Maximum of a linear program as weak duality proves it from an answer, None if infeasible.

    Parameters
    ----------
    lower, upper : (n,) arrays
        Column bounds in force.

    Raises
    ------
    AssertionError
        If neither the duals nor the ray prove what the answer says.
    """
    rows, columns = (form.row_lower, form.row_upper), (lower, upper)
    if answer.termination_condition == "infeasible":
        expect(answer.ray is not None, "an infeasible linear relaxation came without a ray")
        assert answer.ray is not None
        proof = dual_bound(np.zeros(form.columns), answer.ray, form.matrix, rows, columns)
        expect(proof < 0.0, f"the ray proves nothing: {proof}")
        return None
    expect(answer.termination_condition == "optimal", f"the relaxation ended {answer}")
    assert answer.point is not None
    assert answer.row_duals is not None
    bound = dual_bound(objective, answer.row_duals, form.matrix, rows, columns)
    value = float(objective @ answer.point)
    expect(abs(bound - value) < TOLERANCE, f"duals prove {bound} and the point shows {value}")
    return value


def enumerated_maximum(session: Session, objective: FloatArray) -> float | None:
    """Maximum of a mixed-binary model: a certified linear program for each binary assignment."""
    form, best = session.current(), None
    binaries = np.flatnonzero(form.integer)
    for values in itertools.product((0.0, 1.0), repeat=binaries.size):
        lower, upper = form.column_lower.copy(), form.column_upper.copy()
        lower[binaries] = upper[binaries] = values
        session.fix(binaries, np.array(values))
        answer = session.maximize(objective, relaxation=True)
        value = certified(form, objective, answer, lower, upper)
        best = value if best is None or (value is not None and value > best) else best
    session.free(binaries)
    return best


def expect(holds: bool, message: str) -> None:
    """An assertion that `python -O` keeps.

    Raises
    ------
    AssertionError
        With the message, if it does not hold.
    """
    if not holds:
        raise AssertionError(message)


def close(left: float | None, right: float | None, tolerance: float = TOLERANCE) -> bool:
    """Whether two numbers are about equal; None equals nothing."""
    if left is None or right is None:
        return False
    return bool(abs(left - right) <= tolerance * (1.0 + abs(right)))
