"""Runs: finished cells are never run twice, whatever ended the run before."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from comparison.dying_jobs import die_on_partition, hang_on_partition, raise_on_partition
from comparison.small_plans import PLAN, write_plan
from process_table import children_of, left_after

from leo_opt.comparison import Cell, Measurement, measure, read_plan, read_results, run_plan, runs
from leo_opt.comparison.record import FILE
from leo_opt.errors import InvalidInputError
from leo_opt.solvers import SOLVERS, find

PARTITION = '[[formulations]]\nname = "partition"\nparts = 2\n'


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs measure in this process, and the keys of the measured cells are noted."""
    keys: list[str] = []

    def run(cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Measurement]]:
        for cell in cells:
            keys.append(cell.key)
            yield cell, measure(cell)

    monkeypatch.setattr(runs, "_run", run)
    return keys


def test_a_changed_plan_runs_only_its_new_cells(tmp_path: Path, counted: list[str]) -> None:
    folder = tmp_path / "results"
    first = run_plan(read_plan(write_plan(tmp_path)), folder)
    assert len(counted) == len(first.entries) == 2
    assert run_plan(read_plan(write_plan(tmp_path)), folder) == first
    assert len(counted) == 2
    both = run_plan(read_plan(write_plan(tmp_path, PLAN + PARTITION)), folder)
    assert len(counted) == len(set(counted)) == len(both.entries) == 4
    # Another plan in the same folder keeps what it shares.
    other = PLAN.replace("[[domains]]", "[[domains]]\nname = 'half'\nbox = [0, 1]\n[[domains]]")
    results = run_plan(read_plan(write_plan(tmp_path, other)), folder)
    assert len(counted) == len(set(counted)) == len(results.entries) == 6


def test_an_interrupted_run_keeps_what_is_finished(tmp_path: Path, counted: list[str]) -> None:
    plan = read_plan(write_plan(tmp_path, PLAN + PARTITION))

    def interrupt(event: runs.Found | runs.Finished) -> None:
        if event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, tmp_path / "r", progress=interrupt)
    assert len(run_plan(plan, tmp_path / "r").entries) == len(counted) == len(set(counted)) == 4


def test_refusals_are_run_again_only_on_demand(tmp_path: Path, counted: list[str]) -> None:
    plan = read_plan(write_plan(tmp_path, PLAN.replace("big-m", "sos1")))
    run_plan(plan, tmp_path / "r")
    run_plan(plan, tmp_path / "r")
    assert len(counted) == 2
    assert len(run_plan(plan, tmp_path / "r", retry=True).entries) == 2
    assert len(counted) == 4


def test_a_plan_without_cells_is_refused(tmp_path: Path) -> None:
    text = PLAN.replace('kind = "outputs"\nsense = "both"', 'kind = "directions"').replace(
        "[-1, 1]", "[0, 1e-9]"
    )
    with pytest.raises(InvalidInputError, match="leave no direction open"):
        run_plan(read_plan(write_plan(tmp_path, text)), tmp_path / "r")


@pytest.mark.parametrize(
    ("job", "workers", "reason"),
    [
        (die_on_partition, 1, "worker lost"),
        (hang_on_partition, 2, "ended after 2 s: the solver took no notice"),
        (raise_on_partition, 1, "ZeroDivisionError: a bug"),
        pytest.param(hang_on_partition, 1, "ended after 2 s", marks=pytest.mark.slow),
        pytest.param(die_on_partition, 2, "worker lost", marks=pytest.mark.slow),
    ],
)
@pytest.mark.system
def test_a_crash_costs_its_cell_and_not_the_run(
    job: object, workers: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "measure", job)
    if job is hang_on_partition:
        monkeypatch.setattr(
            runs, "_patience", lambda cell: 2.0 if cell.formulation.name == "partition" else 60.0
        )
    text = PLAN.replace("[[form", PARTITION + "[[form").replace('sense = "both"', "")
    plan = read_plan(write_plan(tmp_path, text))
    results = run_plan(plan, tmp_path / "r", workers=workers)
    outcomes = Counter(
        (entry.cell["formulation"], entry.measurement.outcome) for entry in results.entries
    )
    assert outcomes == {("big-m", "answered"): 1, ("partition(parts=2)", "failed"): 1}
    failed = [e for e in results.entries if e.measurement.outcome == "failed"]
    assert all(reason in entry.measurement.reason for entry in failed)


MANY = PLAN + "".join(
    f'[[formulations]]\nname = "partition"\nparts = {parts}\n' for parts in range(1, 12)
)


def bench(plan: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    """`leo-opt bench` as a user runs it."""
    command = [sys.executable, "-c", "from leo_opt.cli import main; main()", "bench", str(plan)]
    return subprocess.Popen(
        [*command, "-o", str(folder), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.system
def test_an_interrupt_says_how_to_go_on_and_nothing_else(tmp_path: Path, workers: str) -> None:
    process = bench(write_plan(tmp_path, MANY), tmp_path / "r", "--quiet", "--workers", workers)
    # After two cells each process has imported all that it needs.
    while process.poll() is None and _lines(tmp_path / "r" / FILE) < 2 + 2 * int(workers):
        time.sleep(0.001)
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines() == [
        f"Finished cells are in {tmp_path / 'r'}; the same command goes on.",
        "Interrupted.",
    ]
    assert not left_after(children, 10.0)


@pytest.mark.system
def test_a_killed_run_goes_on_and_runs_no_cell_twice(tmp_path: Path) -> None:
    plan = write_plan(tmp_path, MANY)
    record = tmp_path / "r" / FILE
    process = bench(plan, tmp_path / "r")
    while process.poll() is None and _lines(record) < 7:
        time.sleep(0.001)
    children = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = len(read_results(tmp_path / "r").entries)
    assert 5 <= before < 24
    shown: list[int] = []
    results = run_plan(
        read_plan(plan), tmp_path / "r", progress=lambda event: shown.append(event.done)
    )
    # What was found in the folder is told first.
    assert shown == list(range(before, 25))
    keys = [json.loads(line).get("key") for line in record.read_text().splitlines()]
    finished = [key for key in keys if key]
    assert len(finished) == len(set(finished)) == len(results.entries) == 24
    # No process of the killed run is left.
    assert not left_after(children, 10.0)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.system
def test_the_same_optima_with_all_formulations_and_solvers(
    tmp_path: Path, counted: list[str]
) -> None:
    names = ("big-m", "complement", "partition", "ideal", "convex-hull", "indicator", "sos1")
    text = PLAN.replace('[[formulations]]\nname = "big-m"\n', "")
    text = text.replace('[[solvers]]\nname = "highs"\n', "")
    text += "".join(f'[[formulations]]\nname = "{name}"\n' for name in names)
    installed = [name for name in SOLVERS if find(name).available()]
    text += "".join(f'[[solvers]]\nname = "{name}"\n' for name in installed)
    results = run_plan(read_plan(write_plan(tmp_path, text, seed=4)), tmp_path / "r")
    optima: dict[int, list[float]] = {1: [], -1: []}
    for entry in results.entries:
        found = entry.measurement
        if found.outcome == "refused":
            assert "lacks" in found.reason
            continue
        assert (found.outcome, found.termination_condition) == ("answered", "optimal")
        assert found.final_bound is not None
        optima[entry.cell["sign"]].append(found.final_bound)
    for values in optima.values():
        assert len(values) >= 5
        assert max(values) - min(values) <= 1e-5
