"""What docs/solvers.md says works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pages import run_page

from leo_opt.solvers import Feature, Solver, Termination, find, names

PAGE = Path(__file__).parents[2] / "docs" / "solvers.md"
WRITING = PAGE.parent / "how_to" / "solver.md"
TEXT = PAGE.read_text(encoding="utf-8") + WRITING.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The names that each example leaves behind."""
    return run_page(PAGE, tmp_path_factory.mktemp("page"))


@pytest.mark.system
def test_the_example_of_a_solver_passes_the_suite(tmp_path: Path) -> None:
    page = run_page(WRITING, tmp_path)
    assert issubclass(page["scipy_milp.py"]["ScipyMilp"], Solver)


@pytest.mark.system
def test_the_first_snippet_works(page: dict[str, dict[str, Any]]) -> None:
    answer = page["session"]["answer"]
    assert answer.stopped_by == "incumbent" or answer.incumbent_objective == pytest.approx(3.0)


@pytest.mark.system
def test_one_call_solves_a_model(page: dict[str, dict[str, Any]]) -> None:
    assert page["one call"]["result"].status == "optimal"
    assert pyo.value(page["one call"]["model"].goal) == pytest.approx(-1.5)


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
