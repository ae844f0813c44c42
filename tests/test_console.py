"""What people read is what was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import leo_opt
from leo_opt.cli import main
from leo_opt.console import show
from leo_opt.report.tables import solver_table
from leo_opt.solvers import Licence, Solver, survey
from leo_opt.solvers.catalogue import SolverRecord

PACKAGE = Path(leo_opt.__file__).parent
AWKWARD = "a[b] [red]c[/red] [/] :key: pip install 'leo-opt[cplex]'"


def test_brackets_and_colons_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    problem = SolverRecord("odd[1]", False, "", "", Licence("unknown"), (), problem=AWKWARD)
    missing = SolverRecord("gone", False, "", AWKWARD, Licence("unknown"), ())
    show([AWKWARD, solver_table([problem, missing])])
    assert capsys.readouterr().out.count(AWKWARD) == 3


def test_the_command_that_installs_a_solver_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solver, "_available", lambda self: False)
    shown = CliRunner().invoke(main, ["solvers"]).output
    for record in survey():
        assert record.install in shown


def test_there_is_one_kind_of_console() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "console.py":
            assert not re.search(r"\bConsole\(", path.read_text(encoding="utf-8")), path
