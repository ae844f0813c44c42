"""Linear relaxations of one unit are ordered as theory says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt import Bounds, Box, Network, formulate, propagate
from leo_opt.formulations import Formulation, Partition
from leo_opt.separation import Separation, strengthen
from leo_opt.solvers import compile_model, find

TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Case:
    """One unit, its box, and an objective post + slope . x."""

    network: Network
    bounds: Bounds
    slope: np.ndarray

    def bound(self, formulation: str | Formulation, relaxation: bool = True) -> float:
        """Largest objective, of the linear relaxation with all separated rows or of the MILP."""
        model = pyo.ConcreteModel()
        model.net = formulate(self.network, formulation=formulation, bounds=self.bounds)
        model.goal = pyo.Objective(
            expr=model.net.outputs[0]
            + sum(float(c) * model.net.inputs[i] for i, c in enumerate(self.slope)),
            sense=pyo.maximize,
        )
        compiled = compile_model(model)
        objective = compiled.form.objective
        constant = compiled.form.constant
        with find("highs").open(compiled.form) as session:
            if not relaxation:
                answer = session.maximize(objective, constant=constant)
                assert answer.objective_bound is not None
                return answer.objective_bound
            separation = Separation.of(compiled, model.net) if model.net.formulation.exact else None
            if separation is None:
                answer = session.maximize(objective, constant=constant, relaxation=True)
                assert answer.objective_bound is not None
                return answer.objective_bound
            result = strengthen(session, separation, objective, constant=constant)
            assert result.complete
            return result.bounds[-1]


def random_case(seed: int) -> Case | None:
    """A unit with 2-8 inputs, or None where it happens to be stable."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 9))
    weight, bias = generator.normal(size=(1, n)), 0.3 * generator.normal(size=1)
    network = Network.from_arrays([weight, [[1.0]]], [bias, [0.0]])
    low = generator.normal(size=n)
    box = Box(low, low + 0.2 + 2.0 * generator.random(n)) if seed % 2 else Box(-1.0, 1.0).spread(n)
    bounds = propagate(network, box)
    if not bounds.lower[0][0] < 0.0 < bounds.upper[0][0]:
        return None
    return Case(network, bounds, generator.normal(size=n) * np.abs(weight[0]))


CASES = [case for case in map(random_case, range(16)) if case is not None]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_order_of_relaxations(number: int) -> None:
    case = CASES[number]
    n = case.network.input_size
    triangle, big_m, hull = (case.bound(name) for name in ("triangle", "big-m", "convex-hull"))
    ideal = case.bound("ideal")
    two, four = case.bound(Partition(2)), case.bound(Partition(4))
    one, every = case.bound(Partition(1)), case.bound(Partition(n))
    exact = case.bound("big-m", relaxation=False)
    assert triangle == pytest.approx(big_m, abs=TOLERANCE)
    assert case.bound("complement") == pytest.approx(big_m, abs=TOLERANCE)
    assert one == pytest.approx(big_m, abs=TOLERANCE)
    assert two <= big_m + TOLERANCE
    if n % 4 == 0:
        assert four <= two + TOLERANCE
    assert hull <= min(two, four) + TOLERANCE
    assert every == pytest.approx(hull, abs=TOLERANCE)
    assert ideal == pytest.approx(hull, abs=TOLERANCE)
    # The hull of one unit over its box is sharp for linear objectives.
    assert hull == pytest.approx(exact, abs=TOLERANCE)


def test_the_order_is_not_trivial() -> None:
    """On many cases each step of the order is a true improvement."""
    gaps = [
        (
            case.bound("big-m") - case.bound(Partition(2)),
            case.bound(Partition(2)) - case.bound("ideal"),
        )
        for case in CASES[:16]
    ]
    first, second = (sum(gap[k] > 1e-3 for gap in gaps) for k in (0, 1))
    assert min(first, second) >= 3


def test_unseparated_ideal_is_big_m() -> None:
    """The rows of `ideal` come from separation: without, its bound is that of big-m."""
    improved = 0
    for case in CASES[:10]:
        model = pyo.ConcreteModel()
        model.net = formulate(case.network, formulation="ideal", bounds=case.bounds)
        compiled = compile_model(model)
        objective, _ = compiled.linear(
            model.net.outputs[0]
            + sum(float(c) * model.net.inputs[i] for i, c in enumerate(case.slope))
        )
        with find("highs").open(compiled.form) as session:
            result = strengthen(session, Separation.of(compiled, model.net), objective)
            assert list(result.bounds) == sorted(result.bounds, reverse=True)
            assert (len(result.bounds) == 1) == (result.rows == 0)
            improved += result.bounds[-1] < result.bounds[0] - 1e-3
    assert improved >= 3
