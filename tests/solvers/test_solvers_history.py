"""A session after a long history answers as a new one, also with columns in other units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leo_opt.solvers import StandardForm, find
from leo_opt.solvers.session import Session
from leo_opt.testing.models import close, random_form, random_objective

TESTED = ("highs", "gurobi", "cplex", "scip")
Added = list[tuple[object, np.ndarray, np.ndarray, np.ndarray]]


def stretched(seed: int, generator: np.random.Generator) -> tuple[StandardForm, np.ndarray]:
    form = random_form(seed)
    factors = np.where(form.integer, 1.0, generator.choice([1e-7, 1.0, 1e8], form.columns))
    return (
        replace(
            form,
            matrix=form.matrix.toarray() / factors,
            column_lower=form.column_lower * factors,
            column_upper=form.column_upper * factors,
        ),
        factors,
    )


def change(
    session: Session,
    form: StandardForm,
    generator: np.random.Generator,
    factors: np.ndarray,
    added: Added,
) -> None:
    """One random change of bounds, rows or of what the solver remembers."""
    column = int(generator.integers(form.columns))
    kind = generator.choice(["fix", "free", "free all", "add", "remove", "forget", "stop", "late"])
    if kind == "fix":
        session.fix([column], form.column_lower[column])
    elif kind == "free":
        session.free([column])
    elif kind == "free all":
        session.free()
    elif kind == "add":
        matrix = generator.integers(-3, 4, (2, form.columns)) / factors
        upper = matrix @ (0.5 * (form.column_lower + form.column_upper)) + 3.0
        lower = np.where(generator.random(2) < 0.5, -np.inf, upper - 6.0)
        added.append((session.add_rows(matrix, lower, upper), matrix, lower, upper))
    elif kind == "remove" and added:
        session.remove(added.pop(int(generator.integers(len(added))))[0])  # type: ignore[arg-type]
    elif kind == "forget":
        session.forget()
    elif kind == "stop":
        session.maximize(random_objective(column, form) / factors, stop_above=0.0)
    elif kind == "late":
        session.maximize(random_objective(column, form) / factors, time_limit=0.0)


def as_new(session: Session, form: StandardForm, added: Added) -> StandardForm:
    """The model that the session holds by now."""
    now = session.current()
    return StandardForm(
        matrix=np.vstack([form.matrix.toarray(), *(rows for _, rows, _, _ in added)]),
        row_lower=np.concatenate([form.row_lower, *(lower for _, _, lower, _ in added)]),
        row_upper=np.concatenate([form.row_upper, *(upper for _, _, _, upper in added)]),
        column_lower=now.column_lower,
        column_upper=now.column_upper,
        integer=form.integer,
    )


def same_rows(now: StandardForm, form: StandardForm, added: Added) -> None:
    """What a session says of its rows is what it was given, in the same units."""
    assert now.rows == form.rows + sum(rows.shape[0] for _, rows, _, _ in added)
    given = np.vstack([form.matrix.toarray(), *(rows for _, rows, _, _ in added)])
    assert np.array_equal(now.matrix.toarray(), given)


@pytest.mark.parametrize("name", TESTED)
def test_history_changes_no_answer(name: str) -> None:
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed: {solver.install}")
    for seed in range(2):
        generator = np.random.default_rng(seed)
        form, factors = stretched(seed, generator)
        added: Added = []
        with solver.open(form) as session:
            for _ in range(15):
                change(session, form, generator, factors, added)
                objective = random_objective(int(generator.integers(1000)), form) / factors
                relaxation = bool(generator.random() < 0.5)
                answer = session.maximize(objective, relaxation=relaxation)
                same_rows(session.current(), form, added)
                with solver.open(as_new(session, form, added)) as fresh:
                    truth = fresh.maximize(objective, relaxation=relaxation)
                assert answer.termination_condition == truth.termination_condition
                if truth.incumbent_objective is not None:
                    assert close(answer.incumbent_objective, truth.incumbent_objective, 2e-5)
