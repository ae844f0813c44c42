"""Runs: finished cells are never run twice, whatever ended the run before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from comparison.dying_jobs import die_on_partition, raise_on_partition
from comparison.small_plans import PLAN, write_plan

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

    def interrupt(event: runs.Finished) -> None:
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
        pytest.param(raise_on_partition, 1, "ZeroDivisionError", marks=pytest.mark.slow),
        pytest.param(die_on_partition, 2, "worker lost", marks=pytest.mark.slow),
    ],
)
def test_a_crash_costs_its_cell_and_not_the_run(
    job: object, workers: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "measure_in_worker", job)
    text = PLAN.replace("[[form", PARTITION + "[[form").replace('sense = "both"', "")
    plan = read_plan(write_plan(tmp_path, text))
    results = run_plan(plan, tmp_path / "r", workers=workers)
    outcomes = Counter(
        (entry.cell["formulation"], entry.measurement.outcome) for entry in results.entries
    )
    assert outcomes == {("big-m", "answered"): 1, ("partition(parts=2)", "failed"): 1}
    failed = [e for e in results.entries if e.measurement.outcome == "failed"]
    assert all(reason in entry.measurement.reason for entry in failed)


def test_a_killed_run_goes_on_and_runs_no_cell_twice(tmp_path: Path) -> None:
    formulations = "".join(
        f'[[formulations]]\nname = "partition"\nparts = {parts}\n' for parts in range(1, 12)
    )
    plan = write_plan(tmp_path, PLAN + formulations)
    record = tmp_path / "r" / FILE
    command = [sys.executable, "-c", "from leo_opt.cli import main; main()"]
    command += ["bench", str(plan), "-o", str(tmp_path / "r")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and _lines(record) < 7:
        time.sleep(0.001)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = len(read_results(tmp_path / "r").entries)
    assert 5 <= before < 24
    shown: list[int] = []
    results = run_plan(
        read_plan(plan), tmp_path / "r", progress=lambda event: shown.append(event.done)
    )
    assert shown == list(range(before + 1, 25))
    keys = [json.loads(line).get("key") for line in record.read_text().splitlines()]
    finished = [key for key in keys if key]
    assert len(finished) == len(set(finished)) == len(results.entries) == 24
    # No process of the killed run is left.
    assert not any(map(_alive, children))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _children(process: int) -> list[int]:
    """Processes that a process has started, where the system tells."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def _alive(process: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


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
