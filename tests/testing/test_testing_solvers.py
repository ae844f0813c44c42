"""Every registered solver keeps the contract; the other solvers as far as they can."""

from __future__ import annotations

import shutil

import pytest

from leo_opt.errors import InvalidInputError
from leo_opt.solvers import SOLVERS, Solver, find, names
from leo_opt.solvers.highs import Highs
from leo_opt.testing import SOLVER_CHECKS, ConformanceError, check_solver

TESTED = ("highs", "gurobi", "cplex", "scip")
COMMON = [
    "optimal",
    "infeasible",
    "unbounded",
    "both-senses",
    "constant",
    "small-entries",
    "sos",
    "indicators",
    "user-cuts",
    "confirm",
    "bounds",
    "rows",
    "fixed-columns",
    "silence",
    "closing",
    "description",
    "interrupt",
]
ELSEWHERE = {"pyomo:cbc": [*COMMON, "time-limit"], "pyomo:glpk": COMMON}


def test_all_registered_solvers_are_tested() -> None:
    assert set(names()) == set(TESTED), "add the new solver to TESTED"
    assert list(SOLVERS) == sorted(SOLVERS, key=TESTED.index)


LONG = {"thousand-objectives", "relaxation-time"}
"""Checks that take seconds."""
CASES = [
    pytest.param(
        name,
        check,
        marks=pytest.mark.system if check in LONG else (),
    )
    for name in TESTED
    for check in SOLVER_CHECKS
]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_conformance(name: str, check: str) -> None:
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed: {solver.install}")
    assert check_solver(solver, [check]) == [check]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_conformance_through_pyomo(name: str) -> None:
    if shutil.which({"pyomo:cbc": "cbc", "pyomo:glpk": "glpsol"}[name]) is None:
        pytest.skip(f"{name} is not installed")
    check_solver(name, ELSEWHERE[name])


def test_failures_are_listed_by_name() -> None:
    class Boaster(Highs):
        name = "boaster"
        features = Highs.features | {"indicator"}  # type: ignore[assignment]

    boaster: Solver = Boaster()
    with pytest.raises(ConformanceError, match="boaster fails 1 of 2 checks:\nindicators"):
        check_solver(boaster, ["indicators", "closing"])


def test_unknown_check() -> None:
    with pytest.raises(InvalidInputError, match="'speed' is unknown"):
        check_solver("highs", ["speed"])
