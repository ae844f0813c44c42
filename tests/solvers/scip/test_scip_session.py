"""Traps of SCIP."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt import Box, Network, propagate
from leo_opt.encoding import Encoding
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers import SolverOptions, find
from leo_opt.testing.models import knapsack, small_form

pytest.importorskip("pyscipopt")


@pytest.mark.parametrize("name", ["limits/luck", "no"])
def test_parameters_that_are_not_there_are_refused(name: str) -> None:
    form, _, _ = knapsack()
    with pytest.raises(InvalidInputError, match=f"SCIP refuses parameter {name} = 1"):
        find("scip").open(form, SolverOptions(extra={name: 1}))


def test_a_binary_column_may_become_a_wider_integer_one() -> None:
    """SCIP takes an integer column between 0 and 1 for a binary one, which cannot be wider."""
    form = small_form([[1.0, 1.0]], ([-np.inf], [7.5]), ([0.0, 0.0], [1.0, 1.0]), [True, True])
    with find("scip").open(form) as session:
        for upper, best in ((5.0, 11.0), (1.0, 7.0), (9.0, 12.0)):
            session.set_bounds([0], [0.0], [upper])
            assert session.maximize([1.0, 6.0]).objective_bound == pytest.approx(best)


@pytest.mark.parametrize("gap", [1e-7, 1e-9, 1e-12])
def test_rows_whose_sides_are_closer_than_its_tolerance(gap: float) -> None:
    """As one row each, SCIP 10.0.2 was seen to end with wrong optima."""
    generator = np.random.default_rng(0)
    for _ in range(5):
        weights = generator.integers(1, 9, 6).astype(float)
        form = small_form(
            [weights.tolist()],
            ([12.0 - gap], [12.0]),
            ([0.0] * 6, [1.0] * 6),
            [True] * 3 + [False] * 3,
        )
        objective = generator.integers(-5, 6, 6).astype(float)
        with find("scip").open(form) as session, find("highs").open(form) as other:
            mine, theirs = session.maximize(objective), other.maximize(objective)
        assert mine.objective_bound == pytest.approx(theirs.objective_bound, abs=1e-5)


def test_what_is_infinite_to_scip_is_refused() -> None:
    form = small_form([[1e21, 1.0]], ([-np.inf], [7.5]), ([0.0, 0.0], [1.0, 1.0]), [True, False])
    with pytest.raises(SolverError, match=r"coefficient of 1e\+21, which is infinite to scip"):
        find("scip").open(form).maximize([1.0, 1.0])


@pytest.mark.slow
def test_presolving_of_many_sets_keeps_the_limit() -> None:
    """Implications between members of sets were looked for without a look at the clock."""
    generator = np.random.default_rng(0)
    shapes = [(200, 6), (200, 200), (1, 200)]
    weights = [generator.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes]
    biases = [0.1 * generator.normal(size=shape[0]) for shape in shapes]
    network, domain = Network.from_arrays(weights, biases), Box(-1, 1).spread(6)
    encoding = Encoding.of(network, domain, propagate(network, domain, "interval"), "sos1")
    cost, constant = encoding.objective(np.ones(1))
    with find("scip").open(encoding.form, SolverOptions(time_limit=2.0)) as session:
        answer = session.maximize(cost, constant=constant)
    assert answer.termination_condition == "maxTimeLimit"
    assert answer.objective_bound is not None
    assert answer.seconds < 4.0
