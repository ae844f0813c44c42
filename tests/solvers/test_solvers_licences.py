"""What licences take, and what is said of models beyond them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from solvers.installed import installed, wide_form

from leo_opt.errors import SolverError
from leo_opt.solvers import Licence


def test_gurobi_licences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    solver = installed("gurobi")
    for name in ("GRB_LICENSE_FILE", "GRB_WLSACCESSID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(solver.licence()) == "restricted (2,000 x 2,000)"
    monkeypatch.setenv("GRB_WLSACCESSID", "x")
    assert solver.licence().kind == "full"
    monkeypatch.delenv("GRB_WLSACCESSID")
    (tmp_path / "gurobi.lic").write_text("TYPE=")
    assert solver.licence().kind == "full"
    assert "gurobi.lic" in solver.licence().detail


def test_cplex_licences(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = installed("cplex")
    monkeypatch.delenv("CPLEX_STUDIO_KEY", raising=False)
    if solver.licence().kind == "community":
        assert str(solver.licence()) == "community (1,000 x 1,000)"
    monkeypatch.setenv("CPLEX_STUDIO_KEY", "x")
    assert solver.licence().kind == "full"


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_models_beyond_the_licence_are_refused_with_both_sizes(name: str, most: int) -> None:
    solver = installed(name)
    if solver.licence().max_rows != most:
        pytest.skip(f"{name} has another licence")
    assert solver.licence(probe=True).max_rows == most
    with solver.open(wide_form(most, most)) as session:
        assert session.maximize(np.zeros(most)).termination_condition == "optimal"
    for columns, rows in ((most + 1, 3), (3, most + 1)):
        message = f"{rows} rows and {columns} columns.* takes {most} and {most}"
        with pytest.raises(SolverError, match=message):
            solver.open(wide_form(columns, rows))


@pytest.mark.parametrize(("name", "most"), [("gurobi", 2000), ("cplex", 1000)])
def test_the_solver_itself_refuses_what_grew_too_large(name: str, most: int) -> None:
    """Rows added later, or a licence that files did not tell of."""
    solver = installed(name)
    if solver.licence().max_rows != most:
        pytest.skip(f"{name} has another licence")
    with solver.open(wide_form(3, most)) as session:
        session.add_rows(np.ones((1, 3)), [0.0], [np.inf])
        with pytest.raises(SolverError, match=f"{most + 1} rows and 3 columns"):
            session.maximize([1.0, 1.0, 1.0])


def test_licences() -> None:
    licence = Licence("community", 10, 20)
    assert licence.fits(10, 20)
    assert not licence.fits(11, 20)
    assert not licence.fits(10, 21)
    assert Licence("unknown").fits(10**9, 10**9)
