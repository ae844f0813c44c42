"""Checks of models and objectives whose numbers are far from 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.errors import SolverError
from leo_opt.solvers import Feature, Rows, Session, Solver, StandardForm
from leo_opt.solvers.questions import dual_bound
from leo_opt.testing.models import close, expect, knapsack, random_form, random_objective

_FACTORS = (1e-9, 1e-4, 1.0, 1e4, 1e7, 1e12)
"""Units of columns: a solver that holds ranges of 1e7 next to those of 1 reports wrong bounds."""


def _stretched(seed: int, form: StandardForm) -> tuple[StandardForm, FloatArray]:
    """A model with its continuous columns in other units, and the factors (n,)."""
    generator = np.random.default_rng(seed)
    factors = np.where(form.integer, 1.0, generator.choice(_FACTORS, form.columns))
    stretched = replace(
        form,
        matrix=form.matrix.toarray() / factors,
        column_lower=form.column_lower * factors,
        column_upper=form.column_upper * factors,
    )
    return stretched, factors


def check_extreme_columns(solver: Solver) -> None:
    """Columns of range 1e-9 to 1e12 change no answer; points and rows are in their units."""
    for seed in range(4):
        form = random_form(seed)
        other, factors = _stretched(seed, form)
        objective = random_objective(seed, form)
        reals = np.flatnonzero(~form.integer)[:1]
        with solver.open(form) as plain, solver.open(other) as session:
            for session_of in (plain, session):
                session_of.maximize(objective, relaxation=True)
            _expect_alike(plain, session, objective, factors, f"seed {seed}")
            middle = 0.5 * (form.column_lower + form.column_upper)[reals]
            plain.fix(reals, middle)
            session.fix(reals, middle * factors[reals])
            _expect_alike(plain, session, objective, factors, f"seed {seed}, one fixed")
            plain.free()
            session.free()
            row = objective[None, :]
            value = plain.maximize(objective).incumbent_objective
            assert value is not None
            handles = [
                session_of.add_rows(row / unit, [-np.inf], [value - 0.5])
                for session_of, unit in ((plain, np.ones(form.columns)), (session, factors))
            ]
            _expect_alike(plain, session, objective, factors, f"seed {seed}, a row added")
            session.remove(handles[1])
            plain.remove(handles[0])
            _expect_alike(plain, session, objective, factors, f"seed {seed}, the row removed")


def _expect_alike(
    plain: Session, session: Session, objective: FloatArray, factors: FloatArray, what: str
) -> None:
    """Both sessions answer alike, in MILP and relaxation, each in its own units."""
    for relaxation in (False, True):
        truth = plain.maximize(objective, relaxation=relaxation)
        answer = session.maximize(objective / factors, relaxation=relaxation)
        expect(answer.termination_condition == truth.termination_condition, f"{what}: {answer}")
        if truth.incumbent_objective is None:
            continue
        expect(
            close(answer.incumbent_objective, truth.incumbent_objective, 1e-5),
            f"{what}: {answer} instead of {truth}",
        )
        if answer.objective_bound is not None:
            bound = answer.objective_bound
            expect(close(bound, truth.incumbent_objective, 1e-5), f"{what}: {answer}")
        assert answer.point is not None
        now, form = session.current(), session.state.units.back.form(session.form)
        reach = np.maximum(np.abs(form.column_lower), np.abs(form.column_upper))
        low, high = now.column_lower - 1e-5 * reach, now.column_upper + 1e-5 * reach
        inside = (low <= answer.point) & (answer.point <= high)
        expect(bool(inside.all()), f"{what}: the point is in other units: {answer.point}")
        if answer.row_duals is not None:
            rows = (now.row_lower, now.row_upper)
            columns = (now.column_lower, now.column_upper)
            duals, cost = answer.row_duals, objective / factors
            proof = dual_bound(cost, duals, now.matrix, rows, columns)
            expect(close(proof, truth.incumbent_objective, 1e-5), f"{what}: duals prove {proof}")


def check_extreme_callbacks(solver: Solver) -> None:
    """`confirm`, `separate`, `lazy` and `start` speak of columns in the model's units."""
    for unit in (1e-9, 1e9):
        _check_callbacks(solver, unit)


def _measured(form: StandardForm, weights: FloatArray, unit: float) -> StandardForm:
    """A knapsack with one more column, far from the others in size, that says how much it holds."""
    matrix = np.zeros((2, form.columns + 1))
    matrix[0, :-1], matrix[1, :-1], matrix[1, -1] = weights, weights, -1.0 / unit
    return StandardForm(
        matrix=matrix,
        row_lower=np.array([-np.inf, 0.0]),
        row_upper=np.array([form.row_upper[0], 0.0]),
        column_lower=np.zeros(form.columns + 1),
        column_upper=np.append(np.ones(form.columns), weights.sum() * unit),
        integer=np.arange(form.columns + 1) < form.columns,
    )


def _check_callbacks(solver: Solver, unit: float) -> None:
    form, objective, best = knapsack()
    weights = np.array(form.matrix.toarray()[0])
    cost = np.append(objective, 0.0)

    def agrees(point: FloatArray) -> bool:
        return bool(abs(point[-1] / unit - weights @ point[:-1]) < 1e-3)

    seen: list[bool] = []

    def note(point: FloatArray) -> bool:
        seen.append(agrees(point))
        return False

    def half(point: FloatArray) -> Rows | None:
        """No more than half of what fits, as a row over the large column."""
        seen.append(agrees(point))
        most = 0.5 * float(form.row_upper[0]) * unit
        if point[-1] <= most * (1.0 + 1e-6):
            return None
        return Rows(np.eye(1, cost.size, cost.size - 1), np.array([-np.inf]), np.array([most]))

    with solver.open(_measured(form, weights, unit)) as session:
        answer = session.maximize(cost, stop_above=0.0, confirm=note)
        expect(close(answer.incumbent_objective, best), f"{answer}, best is {best}")
        assert answer.point is not None
        again = session.maximize(cost, start=answer.point)
        expect(close(again.incumbent_objective, best), f"started: {again}, best is {best}")
        row = np.eye(1, cost.size, cost.size - 1) / unit
        handle = session.add_rows(row, [-np.inf], [0.5 * form.row_upper[0]])
        truth = session.maximize(cost).incumbent_objective
        assert truth is not None
        expect(truth < best - 1e-3, f"a row over the large column did not count: {truth}")
        session.remove(handle)
        if Feature.LAZY_CONSTRAINTS in solver.features:
            lazy = session.maximize(cost, lazy=half)
            expect(close(lazy.incumbent_objective, truth), f"lazy: {lazy}, not {truth}")
        if Feature.USER_CUTS in solver.features:
            whole = session.maximize(cost, separate=lambda point: seen.append(agrees(point)))
            expect(close(whole.incumbent_objective, best), f"with cuts: {whole}")
    expect(all(seen), "a function of the caller was given a point in other units")


def check_large_boxes(solver: Solver) -> None:
    """Bounds are bounds whatever happens in a corner too small for the solver to see.

    relu(x) - 2 relu(x - 1) + relu(x - 2) is 1 at 1 and 0 almost everywhere.
    """
    for reach in 10.0 ** np.arange(0, 16):
        try:
            session = solver.open(_hat(reach))
        except SolverError:
            expect(reach > 1e10, f"a box of {reach:g} is refused")
            continue
        with session:
            answer = session.maximize([0.0, 1.0, -2.0, 1.0, 0.0, 0.0, 0.0])
            bound = answer.objective_bound
            expect(bound is None or bound >= 1.0 - 1e-5, f"a box of {reach:g}: {answer}, not 1")


def _hat(reach: float) -> StandardForm:
    """Columns x, relu(x - k) and its binary, k = 0, 1, 2, for |x| <= reach."""
    rows, upper = [], []
    for k in range(3):
        x, post, active = np.eye(7)[[0, 1 + k, 4 + k]]
        rows += [x - post, post - x + (reach + k) * active, post - reach * active]
        upper += [k, reach, 0.0]
    ends = np.repeat([reach, 1.0], [4, 3])
    return StandardForm(
        matrix=np.array(rows),
        row_lower=np.full(9, -np.inf),
        row_upper=np.array(upper),
        column_lower=np.where(np.arange(7) == 0, -reach, 0.0),
        column_upper=ends,
        integer=np.arange(7) > 3,
    )


def check_extreme_objectives(solver: Solver) -> None:
    """Objectives of size 1e-30 to 1e25 are answered as well as those of size 1."""
    for seed in range(3):
        form = random_form(seed)
        objective = random_objective(seed, form)
        with solver.open(form) as session:
            plain = {r: session.maximize(objective, relaxation=r) for r in (False, True)}
            for factor in (1e-30, 1e-9, 1e-5, 1e12, 1e25):
                for relaxation, truth in plain.items():
                    _check_objective(session, objective, factor, relaxation, truth.objective_bound)
                value = plain[False].incumbent_objective
                assert value is not None
                kept = session.maximize(
                    objective * factor,
                    constant=factor,
                    stop_above=(value + 1.5) * factor,
                    stop_below=(value + 0.5) * factor,
                )
                expect(kept.termination_condition == "optimal", f"stopped too early: {kept}")


def _check_objective(
    session: Session, objective: FloatArray, factor: float, relaxation: bool, truth: float | None
) -> None:
    answer = session.maximize(objective * factor, relaxation=relaxation)
    expect(answer.termination_condition == "optimal", f"objective times {factor}: {answer}")
    # The bound of a large objective is widened by what tolerances can hide.
    for value, within in ((answer.incumbent_objective, 1e-5), (answer.objective_bound, 1e-4)):
        if value is not None and truth is not None:
            expect(close(value / factor, truth, within), f"times {factor}: {answer}, not {truth}")
    if answer.row_duals is not None:
        form = session.current()
        rows, columns = (form.row_lower, form.row_upper), (form.column_lower, form.column_upper)
        proof = dual_bound(objective * factor, answer.row_duals, form.matrix, rows, columns)
        expect(close(proof / factor, truth, 1e-5), f"times {factor}: duals prove {proof}")
