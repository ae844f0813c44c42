"""What a comparison ends in: files that agree with the record, and exit codes."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from comparison.small_plans import PLAN, entry, write_plan

from leo_opt.cli import main
from leo_opt.comparison import Results, measure, runs, write_report
from leo_opt.comparison.record import FILE, FORMAT

FILES = ("results.csv", "table.md", "index.html", "profile.png", "root_gap.png")


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results, made by the command line in this process."""
    monkeypatch.setattr(runs, "_run", lambda cells, workers: ((c, measure(c)) for c in cells))
    text = PLAN + '[[formulations]]\nname = "ideal"\n[[formulations]]\nname = "sos1"\n'
    plan = write_plan(tmp_path, text, seed=5)
    done = CliRunner().invoke(main, ["bench", str(plan), "-o", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    assert "6 of 6" in done.stderr
    assert "no bound contradicts" in done.stdout
    return tmp_path / "r"


def test_files_of_a_run(finished: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    with (finished / "results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["outcome"] for row in rows].count("answered") == 4
    assert {row["solved"] for row in rows} == {"True", "False"}
    table = (finished / "table.md").read_text()
    assert "sos1, which highs lacks" in table
    for heading in ("Formulations and solvers", "Root gap closed", "Models", "Machine"):
        assert f"## {heading}" in table
    for name in ("profile.png", "root_gap.png"):
        assert (finished / name).read_bytes().startswith(b"\x89PNG")
    page = (finished / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "#ffffff" not in page
    found = re.findall(r'id="([^"]+)"', page)
    assert len(set(found)) == len(found)
    assert not re.search(r"""(src|href)=["'](?!#)""", page)


@pytest.mark.system
def test_report_only_writes_the_same_files_anew(finished: Path) -> None:
    before = {name: (finished / name).read_bytes() for name in FILES}
    for name in FILES:
        (finished / name).unlink()
    done = CliRunner().invoke(main, ["bench", "--report-only", str(finished)])
    assert done.exit_code == 0
    assert {name: (finished / name).read_bytes() for name in FILES} == before


@pytest.mark.system
def test_a_resumed_run_says_what_it_found(finished: Path) -> None:
    plan = str(finished.parent / "plan.toml")
    done = CliRunner().invoke(main, ["bench", plan, "-o", str(finished)])
    assert done.exit_code == 0, done.output
    assert done.stderr == "6 of 6: found in the folder\n"


@pytest.mark.system
def test_without_matplotlib_there_are_tables_and_the_cure(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (finished / name).unlink()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = CliRunner().invoke(main, ["bench", "--report-only", str(finished)])
    assert done.exit_code == 0
    assert "pip install 'leo-opt[bench]'" in done.stdout
    assert (finished / "table.md").exists()
    assert "pip install" in (finished / "index.html").read_text()
    assert not (finished / "profile.png").exists()


def test_a_contradiction_is_loud_and_the_exit_code_is_not_zero(tmp_path: Path) -> None:
    lines: list[object] = [{"format": FORMAT}]
    for one in (entry(), entry(solver="scip", final_bound=0.5, incumbent=0.5, confirmed=0.5)):
        measured = dataclasses.asdict(one.measurement)
        lines.append(
            {"key": one.key, "cell": one.cell, "environment": "e", "measurement": measured}
        )
    (tmp_path / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = CliRunner().invoke(main, ["bench", "--report-only", str(tmp_path)])
    assert done.exit_code == 1
    assert "contradiction: net on box" in done.stdout
    page = (tmp_path / "index.html").read_text()
    assert "contradiction: net on box" in page
    assert f"bench --report-only {tmp_path}" in page


def test_an_empty_record_gives_a_report(tmp_path: Path) -> None:
    report = write_report(Results((), {}), tmp_path)
    assert "0 cells" in report.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a PLAN with -o FOLDER, or --report-only"),
        (["PLAN"], "give the folder for the results: -o FOLDER"),
        (["PLAN", "-o", "nowhere/deep"], "is not a folder; create it first"),
        (["--report-only", "."], "holds no results"),
        (["PLAN", "-o", "r", "--workers", "0"], "workers is 0; at least 1"),
    ],
)
def test_wrong_calls_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = str(write_plan(tmp_path))
    done = CliRunner().invoke(
        main, ["bench", *(plan if word == "PLAN" else word for word in words)]
    )
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "r").exists()


def test_names_cannot_break_tables() -> None:
    from leo_opt.tables import Table

    text = Table(("a", "b"), (("x|y\nz", "1"),)).markdown()
    assert text == "| a | b |\n|---|---:|\n| x\\|y z | 1 |"
