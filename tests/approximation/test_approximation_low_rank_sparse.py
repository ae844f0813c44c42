"""The relaxation is solved: against a convex solver, and by its own conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leo_opt.approximation import METHODS
from leo_opt.approximation.low_rank_sparse import ConvexFit, Iterate, begin, iterate
from leo_opt.approximation.methods import Room
from leo_opt.approximation.targets import LayerTarget
from leo_opt.network import Layer


def instance(seed: int, rectified: bool = False) -> ConvexFit:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(30, 6)) @ (np.eye(6) + 0.3 * generator.normal(size=(6, 6)))
    response = inputs @ generator.normal(size=(6, 4)) + generator.normal(size=(30, 4))
    kinds = np.full(4, rectified)
    response = np.maximum(response, 0.0) if rectified else response
    groups = float(generator.uniform(2.0, 8.0))
    by_rows = bool(seed % 2)
    return ConvexFit(inputs, response, kinds, groups, 1.3 * groups, by_rows)


def solved(problem: ConvexFit, steps: int) -> tuple[Iterate, bool | None]:
    point, residuals = iterate(problem, begin(problem), 1.0, steps, 1e-9)
    return point, residuals.converged


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(6))
def test_the_objective_is_that_of_a_convex_solver(seed: int) -> None:
    cvxpy = pytest.importorskip("cvxpy", reason="cvxpy is not installed: pip install cvxpy")
    problem = instance(seed)
    sparse, low, bias = cvxpy.Variable((4, 6)), cvxpy.Variable((4, 6)), cvxpy.Variable(4)
    pre = problem.inputs @ (sparse + low).T + cvxpy.reshape(bias, (1, 4), order="C")
    norms = cvxpy.norm(sparse, 2, axis=1 if problem.by_rows else 0)
    objective = (
        0.5 * cvxpy.sum_squares(problem.response - pre)
        + problem.groups * cvxpy.sum(norms)
        + problem.nuclear * cvxpy.normNuc(low)
    )
    least = cvxpy.Problem(cvxpy.Minimize(objective)).solve(solver="SCS", eps=1e-9, max_iters=100000)
    point, converged = solved(problem, 20000)
    assert converged
    assert problem.objective(point) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_no_point_nearby_is_better(seed: int) -> None:
    """A convex problem: what no small step improves is the least."""
    problem = instance(seed)
    point, converged = solved(problem, 5000)
    assert converged
    least, generator = problem.objective(point), np.random.default_rng(seed)
    for _ in range(200):
        size = 10.0 ** generator.uniform(-4, 0)
        step = size * generator.normal(size=(2, 4, 6)) * (generator.random((2, 1, 6)) < 0.4)
        moved = replace(point, sparse=point.sparse + step[0], low=point.low + step[1])
        assert problem.objective(moved) >= least * (1 - 1e-7)
    # At the least, the shifted bias is worse too.
    assert problem.objective(replace(point, bias=point.bias + 0.01)) > least


def test_the_cap_on_steps_is_told_and_large_norms_leave_nothing() -> None:
    problem = instance(0)
    point, residuals = iterate(problem, begin(problem), 1.0, 5, 1e-9)
    assert residuals.converged is False
    assert len(residuals.primal) == len(residuals.dual) == len(residuals.penalty) == 5
    heavy = replace(problem, groups=1e6, nuclear=1e6)
    point, converged = solved(heavy, 500)
    assert converged
    assert not point.sparse.any()
    assert not point.low.any()


def test_with_rectifiers_the_response_behind_them_is_met_better() -> None:
    problem = replace(instance(2, rectified=True), groups=0.05, nuclear=0.05)
    rectified, _ = solved(problem, 400)
    linear = replace(problem, rectified=np.zeros(4, dtype=bool))
    plain, _ = solved(linear, 400)
    assert problem.objective(rectified) < 0.8 * problem.objective(plain)


@pytest.mark.parametrize("support", ["columns", "rows"])
def test_columns_or_rows_and_a_rank_beat_a_rank_alone(support: str) -> None:
    """Of a weight with some strong columns or rows beside a low rank."""
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(12, 1)) @ generator.normal(size=(1, 16))
    strong = generator.choice(12, 3, replace=False)
    (weight if support == "rows" else weight.T[:12])[strong] += 3 * generator.normal(
        size=(3, 16 if support == "rows" else 12)
    )
    layer = Layer(weight, generator.normal(size=12), "relu")
    inputs = generator.normal(size=(300, 16))
    target = LayerTarget(layer, inputs, layer.affine(inputs), np.eye(12))
    room = Room(3 * 18 + 30)
    found = METHODS.read(f"low-rank-sparse:support={support}").fit(target, room)
    plain = METHODS.read("whitened").fit(target, room)
    chosen = np.flatnonzero((found.sparse != 0).any(axis=1 if support == "rows" else 0))
    assert set(strong.tolist()) <= set(chosen.tolist())
    assert len(chosen) <= 5
    assert target.error(found.pre(inputs)) < 0.3 * target.error(plain.pre(inputs))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("room", [30 * 11, 60 * 11])
def test_small_penalties_first_never_cost_a_choice(seed: int, room: int) -> None:
    """Inputs of classes, few of which are large, as those of a last layer."""
    generator = np.random.default_rng(seed)
    centres = 3.0 * np.maximum(generator.normal(size=(10, 120)), 0.0)
    centres *= generator.random((10, 120)) < 0.3
    inputs = centres[generator.integers(10, size=800)] * 2.0 * generator.random((800, 1))
    inputs = np.maximum(inputs + 0.1 * generator.normal(size=inputs.shape), 0.0)
    inputs *= 20.0 * np.exp(-0.02 * np.arange(120))
    weight = (centres > 0.0) - 0.3 + 0.1 * generator.normal(size=(10, 120))
    layer = Layer(weight, generator.normal(size=10), "linear")
    moved = np.maximum(inputs + 0.1 * generator.normal(size=inputs.shape), 0.0)
    target = LayerTarget(layer, moved, layer.affine(inputs), np.eye(10))
    errors = [
        target.error(METHODS.find(method).fit(target, Room(room, entry=2)).pre(moved))
        for method in ("low-rank-sparse", "low-rank-sparse:nonlinear=false")
    ]
    assert errors[0] <= 1.05 * errors[1] < 0.2
