"""A plan run: every cell that the record does not hold yet.

Cells run in worker processes also where there is only one worker, so that a solver that crashes or
hangs costs its cell and not the run.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from leo_opt.comparison.cells import Cell, expand
from leo_opt.comparison.environment import describe_environment
from leo_opt.comparison.measurement import Measurement, measure
from leo_opt.comparison.plan import Plan
from leo_opt.comparison.processes import CellProcess, wait_for_any
from leo_opt.comparison.record import Results, ResultsFile, read_results
from leo_opt.errors import InvalidInputError

_GRACE = 900.0
"""Seconds for what of a cell has no time limit."""


@dataclass(frozen=True)
class Found:
    """What a folder holds of a plan when the run begins.

    Parameters
    ----------
    done, total
        Cells of the plan that are finished, and all of them.
    """

    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A cell that has just been measured, and where the run stands.

    Parameters
    ----------
    done, total
        Cells of the plan that are finished, and all of them.
    """

    cell: Cell
    measurement: Measurement
    done: int
    total: int


def run_plan(
    plan: Plan,
    folder: str | os.PathLike[str],
    *,
    workers: int = 1,
    retry: bool = False,
    progress: Callable[[Found | Finished], None] | None = None,
) -> Results:
    """Run the cells of a plan that a folder does not hold yet.

    Parameters
    ----------
    folder
        Made where it is missing. Other plans may have used it, and results of theirs that this
        plan shares are taken over.
    workers
        Processes that run cells side by side; more than one disturb each other's times.
    retry
        Run again what an earlier run recorded as refused or failed.
    progress
        Called before the first cell and after each.

    Returns
    -------
    Results
        All that the folder holds.

    Raises
    ------
    InvalidInputError
        If the plan has no cell, or `workers` is not positive.
    OutputError
        If the folder cannot be written.
    """
    if workers < 1:
        raise InvalidInputError(f"workers is {workers}; at least 1 is needed")
    with ResultsFile(folder) as record:
        cells = list(expand(plan))
        if not cells:
            raise InvalidInputError(
                "the plan has no cell: its bounds and filters leave no direction open; widen the "
                "domains or drop filters"
            )
        known = {entry.key: entry.measurement.outcome for entry in record.results.entries}
        final = {key for key, outcome in known.items() if not retry or outcome == "answered"}
        waiting = [cell for cell in cells if cell.key not in final]
        environment = record.note_environment(describe_environment(plan.solvers))
        done = len(cells) - len(waiting)
        if progress is not None:
            progress(Found(done, len(cells)))
        with closing(_run(waiting, workers)) as finished:
            for cell, measurement in finished:
                record.append(cell, measurement, environment)
                done += 1
                if progress is not None:
                    progress(Finished(cell, measurement, done, len(cells)))
    return read_results(folder)


def _run(cells: Sequence[Cell], workers: int) -> Generator[tuple[Cell, Measurement]]:
    """Measurements of cells as they are ready."""
    waiting = deque(cells)
    with ExitStack() as stack:
        idle = [stack.enter_context(CellProcess()) for _ in range(min(workers, len(cells)))]
        busy: dict[CellProcess, Cell] = {}
        while waiting or busy:
            while waiting and idle:
                process = idle.pop()
                busy[process] = waiting.popleft()
                process.start(measure, busy[process], _patience(busy[process]))
            wait_for_any(busy)
            for process in list(busy):
                measurement = process.finished()
                if measurement is not None:
                    idle.append(process)
                    yield busy.pop(process), measurement


def _patience(cell: Cell) -> float:
    """Seconds within which a cell is over, unless its solver takes no notice of time limits.

    The relaxation, the rounds, the relaxation after them and branch and bound each have the time
    limit; bounds, model and the start of the process have none.
    """
    return 4.0 * cell.time_limit + _GRACE
