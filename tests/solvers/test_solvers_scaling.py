"""Scaling is exact, there and back, and says nothing else than the model did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leo_opt.solvers import Answer, Question, StandardForm, Termination
from leo_opt.solvers.scaling import scale, scale_objective
from leo_opt.testing.models import random_form, random_objective

SEEDS = range(20)


def stretched(seed: int) -> StandardForm:
    """A random model some of whose columns are far from 1 in size."""
    form = random_form(seed)
    exponent = np.random.default_rng(seed).integers(-40, 41, form.columns)
    factors = np.where(form.integer, 1.0, np.ldexp(1.0, exponent))
    return replace(
        form,
        matrix=form.matrix.toarray() / factors,
        column_lower=form.column_lower * factors,
        column_upper=form.column_upper * factors,
        objective=random_objective(seed, form) / factors,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_have_usual_ranges_and_the_way_back_is_exact(seed: int) -> None:
    form = stretched(seed)
    scaled, units = scale(form)
    width = (scaled.column_upper - scaled.column_lower)[~form.integer]
    assert ((width == 0.0) | ((width >= 2.0**-10) & (width <= 2.0**5))).all()
    assert not units.exponent[form.integer].any()
    again = units.back.form(scaled)
    assert np.array_equal(again.matrix.toarray(), form.matrix.toarray())
    for name in ("column_lower", "column_upper", "objective"):
        assert np.array_equal(getattr(again, name), getattr(form, name))


@pytest.mark.parametrize("seed", SEEDS)
def test_points_rows_and_objectives_mean_the_same(seed: int) -> None:
    form = stretched(seed)
    scaled, units = scale(form)
    generator = np.random.default_rng(seed)
    low, high = form.column_lower, form.column_upper
    point = low + generator.random(form.columns) * (high - low)
    moved = units.values(point)
    # Products of the same numbers are the same, and so are sums of them in the same order.
    assert np.array_equal(scaled.matrix @ moved, form.matrix @ point)
    seen: list[np.ndarray] = []
    question = Question(form.objective, confirm=lambda x: bool(seen.append(x)), start=point)
    other = units.question(question)
    assert other.value(moved) == question.value(point)
    assert other.start is not None
    assert np.array_equal(other.start, moved)
    assert other.confirm is not None
    other.confirm(moved)
    assert np.array_equal(seen[0], point)


def test_columns_that_are_integer_or_unbounded_are_left_as_they_are() -> None:
    wide, ones = np.full(4, 1e6), np.ones(4)
    form = StandardForm(
        matrix=ones[None, :],
        row_lower=np.array([0.0]),
        row_upper=np.array([1.0]),
        column_lower=np.array([0.0, 0.0, -np.inf, 0.0]),
        column_upper=np.array([1e6, 1e6, 1e6, np.inf]),
        integer=np.array([True, False, False, False]),
    )
    scaled, units = scale(form)
    assert units.exponent.tolist() == [0, -19, 0, 0]
    assert units.values(wide).tolist() == [1e6, 1e6 * 2.0**-19, 1e6, 1e6]
    assert scaled.column_upper[0] == 1e6


def test_a_model_of_usual_size_is_left_as_it_is() -> None:
    form = random_form(0)
    assert scale(form)[0] is form


@pytest.mark.parametrize("size", [1e-30, 1e-5, 1.0, 1e6, 1e25])
def test_the_answer_to_a_scaled_objective_is_that_to_the_question(size: int) -> None:
    question = Question(size * np.array([1.0, -3.0]), size, stop_above=2 * size, stop_below=-size)
    scaled, back = scale_objective(question)
    assert 0.125 <= np.abs(scaled.objective).max() <= 2.0**30
    ratio = scaled.objective[0] / question.objective[0]
    assert np.frexp(ratio)[0] == 0.5  # a power of two
    point = np.array([0.5, -0.25])
    for stop in ("stop_above", "stop_below"):
        gone = getattr(scaled, stop) - scaled.value(point)
        assert gone == pytest.approx(ratio * (getattr(question, stop) - question.value(point)))
    bound, duals = scaled.value(point), np.array([ratio])
    answer = back(Answer(Termination.OPTIMAL, objective_bound=bound, row_duals=duals))
    assert answer.objective_bound == pytest.approx(question.value(point))
    assert answer.row_duals is not None
    assert answer.row_duals.tolist() == [1.0]
