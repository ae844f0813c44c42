"""One cell measured, against brute force; refusals and failures are results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from comparison.small_plans import PLAN, small_network, write_plan
from oracle import exact_ranges
from seeds import seeds

from leo_opt import Box, save
from leo_opt.comparison import expand, measure, read_plan
from leo_opt.comparison.cells import Cell
from leo_opt.comparison.contestants import FormulationEntry, SolverEntry
from leo_opt.comparison.measurement import judge
from leo_opt.solvers import Answer, Termination

EXACT = (
    FormulationEntry("big-m"),
    FormulationEntry("complement"),
    FormulationEntry("partition", (("parts", 2),)),
    FormulationEntry("ideal", separation="rounds"),
    FormulationEntry("convex-hull"),
)


def cells_of(folder: Path, seed: int = 0, text: str = PLAN) -> list[Cell]:
    return list(expand(read_plan(write_plan(folder, text, seed))))


@pytest.mark.parametrize("seed", seeds(2, of=6))
def test_optima_and_verdicts_are_those_of_brute_force(seed: int, tmp_path: Path) -> None:
    text = PLAN + '[[questions]]\nkind = "directions"\n'
    ranges = exact_ranges(small_network(seed), Box(-1, 1).spread(2))
    cells = cells_of(tmp_path, seed, text)
    assert cells
    for cell in cells:
        layer, unit, sign = cell.direction
        low, high = ranges[layer][unit]
        truth = float(high if sign > 0 else -low)
        for formulation in EXACT:
            found = measure(replace(cell, formulation=formulation))
            assert found.outcome == "answered"
            assert found.termination_condition == "optimal"
            assert found.margin is not None
            assert found.final_bound == pytest.approx(truth, abs=found.margin)
            assert found.confirmed == pytest.approx(truth, abs=found.margin)
            # What the network surely reaches never exceeds the truth; an incumbent may.
            assert found.confirmed <= truth
            assert found.seen <= truth
            assert (found.cut_rows > 0) >= (found.separated_bound < found.root_bound - 1e-5)
            assert found.root_bound + found.margin >= found.separated_bound
            assert found.separated_bound + found.margin >= truth
            if abs(truth) > found.margin:
                assert found.verdict == ("witness" if truth > 0.0 else "proved")


def test_a_stop_on_the_sign_gives_the_same_verdict(tmp_path: Path) -> None:
    ends = set()
    for cell in cells_of(tmp_path, 2, PLAN + '[[questions]]\nkind = "directions"\n'):
        stopped = measure(replace(cell, stop="sign"))
        assert stopped.verdict == measure(cell).verdict
        assert stopped.verdict in ("witness", "proved")
        ends.add(stopped.termination_condition)
    assert "objectiveLimit" in ends


@pytest.mark.parametrize(
    ("bound", "confirmed", "condition", "verdict"),
    [
        (5.0, 0.1, "optimal", "witness"),
        (5.0, 0.0, "optimal", "open"),
        (5.0, None, "maxTimeLimit", "open"),
        (-0.5, -1.0, "optimal", "proved"),
        (-0.5, None, "maxTimeLimit", "proved"),
        (-0.005, None, "optimal", "open"),
        (-0.5, None, "infeasible", "open"),
        (None, None, "infeasible", "open"),
        (None, None, "error", "open"),
    ],
)
def test_what_an_answer_says_about_the_sign(
    bound: float | None, confirmed: float | None, condition: str, verdict: str
) -> None:
    answer = Answer(Termination(condition), objective_bound=bound, incumbent_objective=1.0)
    assert judge(answer, confirmed, margin=0.01) == verdict


def test_a_feature_that_is_missing_is_a_refusal_with_its_reason(tmp_path: Path) -> None:
    cell = replace(cells_of(tmp_path)[0], formulation=FormulationEntry("sos1"))
    found = measure(cell)
    assert found.outcome == "refused"
    assert "sos1, which highs lacks" in found.reason
    assert found.binaries  # The model was built and its size is known.
    tree = replace(cell, formulation=FormulationEntry("ideal", separation="tree"))
    assert "user-cuts, which highs lacks" in measure(tree).reason


def test_a_solver_that_is_not_installed_is_a_refusal(tmp_path: Path, monkeypatch) -> None:
    from leo_opt.solvers.highs import Highs

    monkeypatch.setattr(Highs, "_available", lambda self: False)
    found = measure(cells_of(tmp_path)[0])
    assert found.outcome == "refused"
    assert "pip install" in found.reason


def test_a_network_that_has_changed_is_a_failure(tmp_path: Path) -> None:
    cell = cells_of(tmp_path)[0]
    save(small_network(1), tmp_path / "net.npz")
    found = measure(cell)
    assert found.outcome == "failed"
    assert "has changed since the plan was read" in found.reason


def test_a_relaxation_claims_no_optimum(tmp_path: Path) -> None:
    cell = cells_of(tmp_path)[0]
    found = measure(replace(cell, formulation=FormulationEntry("triangle")))
    assert found.outcome == "answered"
    assert not found.exact
    assert found.binaries == 0
    exact = measure(cell)
    assert found.final_bound + exact.margin >= exact.final_bound
    assert found.root_bound == pytest.approx(exact.root_bound, abs=exact.margin)


def test_options_of_a_solver_arrive(tmp_path: Path) -> None:
    cell = replace(cells_of(tmp_path, 3)[0], node_limit=1, time_limit=1e-9)
    found = measure(cell)
    assert found.outcome == "answered"
    assert found.termination_condition == "maxTimeLimit"
    entry = SolverEntry("highs", relative_gap=0.5, extra={"presolve": "off"})
    assert measure(replace(cell, solver=entry, time_limit=20.0)).outcome == "answered"
