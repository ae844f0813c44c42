"""A process of one cell at a time, whatever ends it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from comparison.dying_jobs import die_on_partition, hang_on_partition, interrupt
from comparison.small_plans import PLAN, write_plan
from process_table import left_after

from leo_opt.comparison import Cell, Measurement, expand, measure, read_plan
from leo_opt.comparison.processes import CellProcess, wait_for_any

PARTITION = '[[formulations]]\nname = "partition"\nparts = 2\n'


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Cell]:
    plan = read_plan(write_plan(tmp_path, PLAN + PARTITION))
    return {cell.formulation.name: cell for cell in expand(plan)}


def result(process: CellProcess) -> Measurement:
    found = process.finished()
    while found is None:
        wait_for_any([process])
        found = process.finished()
    return found


def pids(process: CellProcess) -> list[int]:
    return [worker.pid for worker in process._pool.processes]


@pytest.mark.system
def test_a_process_goes_on_after_cells_that_end_it(cells: dict[str, Cell]) -> None:
    with CellProcess() as process:
        process.start(die_on_partition, cells["partition"], 60.0)
        assert result(process).reason.startswith("worker lost")
        process.start(hang_on_partition, cells["partition"], 0.3)
        hanging = pids(process)
        assert result(process).reason.startswith("ended after 0.3 s")
        assert not left_after(hanging, 10.0)
        process.start(measure, cells["big-m"], 60.0)
        assert result(process).outcome == "answered"
        # One that dies while it has nothing to do costs no cell.
        os.kill(pids(process)[0], signal.SIGKILL)
        time.sleep(0.5)
        process.start(measure, cells["big-m"], 60.0)
        assert result(process).outcome == "answered"


@pytest.mark.system
def test_what_is_raised_ends_the_process(cells: dict[str, Cell]) -> None:
    process = CellProcess()
    process.start(hang_on_partition, cells["partition"], 60.0)
    hanging = pids(process)
    process.__exit__(KeyboardInterrupt, None, None)
    assert hanging
    assert not left_after(hanging, 10.0)


@pytest.mark.system
def test_an_interrupt_in_the_process_is_no_failed_cell(cells: dict[str, Cell]) -> None:
    with CellProcess() as process:
        process.start(interrupt, cells["big-m"], 60.0)
        with pytest.raises(KeyboardInterrupt):
            result(process)
