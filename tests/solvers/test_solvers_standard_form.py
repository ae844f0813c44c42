"""The standard form: what it refuses, what it calls a violation, how it relaxes rows."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers import IndicatorRow, SosSet, StandardForm
from leo_opt.testing.models import random_form, small_form

SEEDS = range(30)


def test_pickled_forms_are_equal() -> None:
    form = random_form(0)
    other = pickle.loads(pickle.dumps(form))
    assert (form.matrix != other.matrix).nnz == 0
    for name in ("row_lower", "row_upper", "column_lower", "column_upper", "integer"):
        assert np.array_equal(getattr(form, name), getattr(other, name))
    assert form.column_names == other.column_names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row_lower": np.zeros(2)}, "shape"),
        ({"matrix": np.zeros((6, 3))}, "needs 9 columns"),
        ({"matrix": np.full((6, 9), np.nan)}, "not finite"),
        ({"column_lower": np.full(9, 5.0)}, "lower <= upper"),
        ({"column_upper": np.full(9, np.nan)}, "lower <= upper"),
        ({"column_lower": np.full(9, np.inf), "column_upper": np.full(9, np.inf)}, "lower <= u"),
        ({"objective": np.full(9, np.inf)}, "not finite"),
        ({"column_names": ("a",)}, "column names"),
    ],
)
def test_refusals(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(random_form(0), **change)  # type: ignore[arg-type]


def test_columns_are_found_by_name() -> None:
    form = replace(random_form(0), column_names=tuple("abcdefghi"))
    assert form.column("c") == 2
    with pytest.raises(InvalidInputError, match="no column 'z'"):
        form.column("z")


@pytest.mark.parametrize("seed", SEEDS)
def test_violation_is_zero_exactly_on_feasible_points(seed: int) -> None:
    generator = np.random.default_rng(seed)
    form = random_form(seed)
    dense = form.matrix.toarray()
    for _ in range(20):
        x = generator.integers(-5, 8, form.columns) / 2.0
        rows = dense @ x
        inside = (
            (rows >= form.row_lower).all()
            and (rows <= form.row_upper).all()
            and (x >= form.column_lower).all()
            and (x <= form.column_upper).all()
            and (x[form.integer] == np.round(x[form.integer])).all()
        )
        assert (form.violation(x) == 0.0) == inside


def test_violation_of_logic() -> None:
    plain = small_form([[0.0, 0.0, 0.0]], ([0.0], [0.0]), ([0.0] * 3, [9.0] * 3), [False] * 3)
    ones = np.arange(3), np.arange(3.0)
    for kind, violation in ((1, 5.0), (2, 1.0)):
        form = replace(plain, sos=(SosSet(kind, *ones),))
        assert form.violation([1.0, 4.0, 4.0]) == violation
        assert form.violation([0.0, 0.0, 7.0]) == 0.0
    row = IndicatorRow(0, True, np.array([1]), np.array([2.0]), 1.0, 4.0)
    form = replace(plain, indicators=(row,))
    assert form.violation([1.0, 3.0, 0.0]) == 2.0
    assert form.violation([1.0, 0.0, 0.0]) == 1.0
    assert form.violation([0.0, 3.0, 0.0]) == 0.0
    fixed = replace(plain, fixed_columns=np.array([2]), fixed_values=np.array([4.0]))
    assert fixed.violation([0.0, 0.0, 1.5]) == 2.5


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_without_small_entries_hold_wherever_the_rows_did(seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(6, 9)) * 10.0 ** generator.integers(-14, 1, (6, 9))
    lower = generator.normal(size=9) * 100.0
    upper = lower + generator.random(9) * 1000.0
    points = lower + (upper - lower) * generator.integers(0, 2, (200, 9))
    values = points @ matrix.T
    # Every side is attained by one of the points, so the smallest narrowing would show.
    form = StandardForm(
        matrix, values.min(axis=0), values.max(axis=0), lower, upper, np.zeros(9, dtype=bool)
    )
    kept, touched = form.without_small_entries(1e-6)
    assert np.abs(kept.matrix.data).min() > 1e-6
    assert np.array_equal(touched, (np.abs(matrix) <= 1e-6).any(axis=0))
    exact = points.astype(np.longdouble) @ kept.matrix.toarray().T.astype(np.longdouble)
    slack = 1e-12 * np.abs(values).max()
    assert (exact >= kept.row_lower - slack).all()
    assert (exact <= kept.row_upper + slack).all()
    width = 1e-6 * (np.abs(lower) + np.abs(upper)).sum() + slack
    assert (kept.row_upper - form.row_upper <= width).all()
    assert (form.row_lower - kept.row_lower <= width).all()


def test_small_entries_need_bounds() -> None:
    form = small_form([[1.0, 1e-30]], ([0.0], [0.0]), ([-1.0, 0.0], [1.0, np.inf]), [False] * 2)
    with pytest.raises(SolverError, match="x1"):
        form.without_small_entries(1e-12)
    assert form.without_small_entries(1e-40)[0] is form


def test_matrix_is_kept_canonical() -> None:
    entries = (np.array([1.0, 2.0, 0.0]), (np.array([0, 0, 0]), np.array([1, 1, 0])))
    matrix = sparse.coo_array(entries, shape=(1, 2))
    form = StandardForm(
        matrix, np.zeros(1), np.ones(1), np.zeros(2), np.ones(2), np.zeros(2, dtype=bool)
    )
    assert form.matrix.nnz == 1
    assert form.matrix.toarray().tolist() == [[0.0, 3.0]]
