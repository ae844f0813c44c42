"""Traps of Gurobi."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leo_opt.errors import InvalidInputError
from leo_opt.solvers import SolverOptions, find
from leo_opt.solvers.gurobi import session as module
from leo_opt.testing.models import certified, knapsack, random_form, random_objective

gurobipy = pytest.importorskip("gurobipy")


@pytest.mark.parametrize("name", ["Luck", "MIPFocusing"])
def test_parameters_that_are_not_there_are_refused(name: str) -> None:
    form, _, _ = knapsack()
    with pytest.raises(InvalidInputError, match=f"Gurobi refuses parameter {name} = 1"):
        find("gurobi").open(form, SolverOptions(extra={name: 1}))


def test_status_codes_are_those_of_the_package() -> None:
    names = {
        "optimal": ("OPTIMAL",),
        "infeasible": ("INFEASIBLE",),
        "infeasibleOrUnbounded": ("INF_OR_UNBD",),
        "unbounded": ("UNBOUNDED",),
        "objectiveLimit": ("CUTOFF", "USER_OBJ_LIMIT"),
        "iterationLimit": ("ITERATION_LIMIT",),
        "nodeLimit": ("NODE_LIMIT",),
        "maxTimeLimit": ("TIME_LIMIT",),
        "interrupted": ("INTERRUPTED",),
        "error": ("NUMERIC",),
    }
    codes = {
        getattr(gurobipy.GRB.Status, name): word for word, some in names.items() for name in some
    }
    assert {code: str(word) for code, word in module._TERMINATION.items()} == codes


@pytest.mark.parametrize("seed", range(4))
def test_duals_are_those_of_the_rows_that_are_left(seed: int) -> None:
    """Gurobi has a row for each side, and its rows are found by position."""
    form, objective = random_form(seed, binaries=0), random_objective(seed, random_form(seed, 0))
    generator = np.random.default_rng(seed)
    between = np.eye(form.columns)[:2]
    last = generator.integers(-3, 4, (2, form.columns)).astype(float)
    whole = replace(
        form,
        matrix=np.vstack([form.matrix.toarray(), last]),
        row_lower=np.append(form.row_lower, [-4.0, -5.0]),
        row_upper=np.append(form.row_upper, [4.0, 5.0]),
        row_names=(),
    )
    with find("gurobi").open(form) as session:
        gone = session.add_rows(between, [-2.0, -2.0], [2.0, 1.5])
        session.add_rows(last, [-4.0, -5.0], [4.0, 5.0])
        session.remove(gone)
        answer = session.maximize(objective, relaxation=True)
    proved = certified(whole, objective, answer, whole.column_lower, whole.column_upper)
    with find("highs").open(whole) as other:
        assert proved == pytest.approx(other.maximize(objective).objective_bound)
