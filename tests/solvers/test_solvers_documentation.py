"""What docs/solvers.md says works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt.solvers import Feature, Solver, Termination, find, names
from leo_opt.testing import SOLVER_CHECKS, check_solver

PAGE = Path(__file__).parents[2] / "docs" / "solvers.md"
TEXT = PAGE.read_text(encoding="utf-8")
# SciPy's C code does not see Ctrl-C, so this check would take its whole time limit.
SLOW = {"interrupt"}


def example() -> Solver:
    """The solver of the page."""
    found = re.search(r"<!-- example: scipy_milp.py -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    namespace: dict[str, Any] = {"__name__": "scipy_milp"}
    exec(compile(found[1], str(PAGE), "exec"), namespace)
    solver: Solver = namespace["ScipyMilp"]()
    return solver


@pytest.mark.parametrize("check", [check for check in SOLVER_CHECKS if check not in SLOW])
def test_the_example_passes_the_suite(check: str) -> None:
    check_solver(example(), [check])


def test_the_first_snippet_works() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=(0, 1), domain=pyo.Binary)
    model.y = pyo.Var(range(4), bounds=(0, 5))
    model.row = pyo.Constraint(expr=model.y[3] <= 2 + model.x[0])
    (snippet,) = re.findall(r"## A model.*?```python\n(.*?)```", TEXT, re.DOTALL)
    namespace: dict[str, Any] = {"model": model}
    exec(snippet, namespace)
    answer = namespace["answer"]
    assert answer.stopped_by == "incumbent" or answer.incumbent_objective == pytest.approx(3.0)


def test_one_call_solves_a_model() -> None:
    (snippet,) = re.findall(r"<!-- example: one call -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    assert namespace["result"].status == "optimal"
    assert pyo.value(namespace["model"].goal) == pytest.approx(-1.5)


def test_every_solver_feature_and_word_is_told() -> None:
    for word in [*names(), *Feature, *Termination]:
        assert f"`{word}`" in TEXT, word


def test_options_of_the_table_exist() -> None:
    for name, extra in (
        ("highs", {"mip_heuristic_effort": 0.0}),
        ("gurobi", {"MIPFocus": 3}),
        ("cplex", {"mip.strategy.probe": 3}),
        ("scip", {"separating/maxrounds": 0}),
    ):
        assert str(extra)[1:-1].split(":")[0].replace("'", '"') in TEXT
        solver = find(name)
        if not solver.available():
            continue
        from leo_opt.solvers import SolverOptions
        from leo_opt.testing.models import knapsack

        form, objective, best = knapsack()
        with solver.open(form, SolverOptions(extra=extra)) as session:
            answer = session.maximize(objective)
        assert answer.incumbent_objective == pytest.approx(best)
        assert np.isfinite(answer.seconds)
