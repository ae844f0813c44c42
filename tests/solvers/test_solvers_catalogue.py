"""Solvers by name, their licences, and the choice among them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from solvers.installed import installed, wide_form

from leo_opt import registry
from leo_opt.bounds import METHODS
from leo_opt.comparison.contestants import SolverEntry
from leo_opt.decisions import STRATEGIES
from leo_opt.errors import InvalidInputError, SolverError, SolverNotAvailableError
from leo_opt.formulations import FORMULATIONS
from leo_opt.solvers import (
    SOLVERS,
    Feature,
    Solver,
    SolverOptions,
    SosSet,
    StandardForm,
    find,
    names,
    solve,
    survey,
)
from leo_opt.solvers.auto import ORDER, Auto
from leo_opt.solvers.pyomo_interfaces.options import ENGINES
from leo_opt.testing.models import knapsack

PLUGIN = EntryPoint("elsewhere", "leo_opt.solvers.highs:Highs", SOLVERS.group)
WRONG = EntryPoint("wrong", "pathlib:Path", SOLVERS.group)


def test_unknown_names() -> None:
    with pytest.raises(InvalidInputError, match="'hihgs' is unknown; known are highs, gurobi"):
        find("hihgs")
    with pytest.raises(SolverNotAvailableError, match="Pyomo knows no solver 'nobody'"):
        find("pyomo:nobody").available()


def test_a_solver_is_its_own_name() -> None:
    solver = find("highs")
    assert find(solver) is solver


def test_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [PLUGIN, WRONG])
    assert names() == [*SOLVERS, "elsewhere", "wrong"]
    assert find("elsewhere").name == "highs"
    with pytest.raises(InvalidInputError, match="it must be a subclass of leo_opt"):
        find("wrong")


def test_plugins_beside_us_change_no_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "other_pkg-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other-pkg\nVersion: 1.0\n")
    groups = [table.group for table in (SOLVERS, FORMULATIONS, METHODS, STRATEGIES)]
    text = "".join(f"[{group}]\nother = other_pkg:Other\n" for group in groups)
    (folder / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert all("other" in {entry.name for entry in entry_points(group=g)} for g in groups)
    assert all(
        table.names() == list(table) for table in (SOLVERS, FORMULATIONS, METHODS, STRATEGIES)
    )


def test_a_survey_takes_no_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    gurobipy = pytest.importorskip("gurobipy")
    cplex = pytest.importorskip("cplex")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a licence was taken")

    monkeypatch.setattr(gurobipy, "Env", refuse)
    monkeypatch.setattr(cplex, "Cplex", refuse)
    records = {record.name: record for record in survey()}
    assert set(records) == set(SOLVERS)
    for record in records.values():
        assert record.installed
        assert record.version
        assert record.licence.kind
        assert record.features == tuple(sorted(find(record.name).features))


def test_a_survey_of_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solver, "_available", lambda self: False)
    for record in survey(probe=True):
        assert not record.installed
        assert record.version == ""
        assert "pip install" in record.install


class Shelf:
    """Solvers for `auto`, some of them made unavailable."""

    def __init__(self, *gone: str) -> None:
        self.gone = gone

    def __call__(self, name: str) -> Solver:
        solver = find(name)
        if name in self.gone:
            solver.package = "no_such_package"
        return solver


def test_auto_takes_the_first_that_fits(caplog: pytest.LogCaptureFixture) -> None:
    for name in ORDER:
        installed(name)
    form, objective, best = knapsack()
    with caplog.at_level("INFO", "leo_opt.solvers"), find("auto").open(form) as session:
        answer = session.maximize(objective)
    assert answer.solver.startswith(session.solver.name)
    assert session.solver.name == ORDER[0]
    assert f"auto: {ORDER[0]}" in caplog.text
    assert answer.incumbent_objective == pytest.approx(best)
    for gone, taken in (((), 0), (("gurobi",), 1), (("gurobi", "cplex"), 2)):
        with Auto(Shelf(*gone)).open(form) as session:
            assert session.solver.name == ORDER[taken]


def test_auto_heeds_licences_and_features() -> None:
    for name in ORDER:
        installed(name)
    if find("gurobi").licence().max_rows is not None:
        with find("auto").open(wide_form(5000, 5)) as session:
            assert session.solver.name == "scip"
    form, _, _ = knapsack()
    group = SosSet(1, np.array([0, 1]), np.array([1.0, 2.0]))
    with_sets = StandardForm(
        form.matrix,
        form.row_lower,
        form.row_upper,
        form.column_lower,
        form.column_upper,
        form.integer,
        sos=(group,),
    )
    auto = Auto(Shelf("gurobi", "cplex", "scip"))
    with pytest.raises(SolverError, match=r"gurobi needs no_such_package.*sos1, which highs lacks"):
        auto.open(with_sets)
    assert Feature.SOS1 not in find("auto").features


@pytest.mark.parametrize("name", ENGINES)
def test_options_of_pyomo_interfaces_are_checked(name: str) -> None:
    """Pyomo hands on what it is given, and some interfaces are silent about it."""
    solver = behind_pyomo(name)
    if solver.checks_options:
        with pytest.raises(InvalidInputError, match="no_such_option"):
            solver.open(knapsack()[0], SolverOptions(extra={"no_such_option": 1}))
    else:
        assert ENGINES[name] == "cplex"
        with solver.open(knapsack()[0], SolverOptions(extra={"no_such_option": 1})) as session:
            answer = session.maximize(knapsack()[0].objective)
        assert answer.termination_condition == "error"
        assert "has no attribute" in answer.message


@pytest.mark.parametrize("name", ENGINES)
def test_pyomo_interfaces_solve_as_they_come_and_with_gaps(name: str) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), domain=pyo.NonNegativeIntegers, bounds=(0, 3))
    model.row = pyo.Constraint(expr=2 * model.x[0] + 3 * model.x[1] <= 7)
    model.goal = pyo.Objective(expr=3 * model.x[0] + 4 * model.x[1], sense=pyo.maximize)
    for options in (None, SolverOptions(relative_gap=1e-6, absolute_gap=1e-6, seed=3)):
        result = solve(model, behind_pyomo(name), options=options, time_limit=60)
        assert result.status == "optimal", result.message
        assert result.objective == pytest.approx(10.0)


def behind_pyomo(name: str) -> Solver:
    solver = find(f"pyomo:{name}")
    if not (solver.available() and find(ENGINES[name]).available()):
        pytest.skip(f"{name} is not installed")
    return solver


def test_options_that_nobody_checks_are_marked() -> None:
    assert not find("pyomo:cbc").checks_options
    entry = SolverEntry("pyomo:cbc", extra={"cuts": "off"})
    assert entry.label == "pyomo:cbc(cuts=off (unchecked))"
    assert SolverEntry("highs", extra={"presolve": "off"}).label == "highs(presolve=off)"
