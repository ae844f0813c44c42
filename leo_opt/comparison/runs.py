"""A plan run: every cell that the record does not hold yet, each in a process of its own kind.

Cells run in worker processes also where there is only one worker, so that a solver that crashes
costs its cell and not the run.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait

from leo_opt.comparison.cells import Cell, expand
from leo_opt.comparison.environment import describe_environment
from leo_opt.comparison.measurement import Measurement, measure
from leo_opt.comparison.plan import Plan
from leo_opt.comparison.record import Record, Results, read_results
from leo_opt.errors import InvalidInputError
from leo_opt.parallel import JobFailure, Workers


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
    progress: Callable[[Finished], None] | None = None,
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
        Called after each cell.

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
    Workers(workers)  # Refuses a wrong number before any work.
    with Record(folder) as record:
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
        for cell, measurement in _run(waiting, workers):
            record.append(cell, measurement, environment)
            done += 1
            if progress is not None:
                progress(Finished(cell, measurement, done, len(cells)))
    return read_results(folder)


def _run(cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Measurement]]:
    """Measurements of cells as they are ready; a lost process is a failed cell."""
    if workers == 1:
        yield from _run_one_by_one(cells)
        return
    with Workers(workers) as pool:
        for done in pool.run(measure_in_worker, cells):
            yield cells[done.index], _measurement(done.outcome)


def _run_one_by_one(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Measurement]]:
    """Cells in one worker process, which is replaced when it dies."""
    waiting = list(cells)
    while waiting:
        with _one_process() as executor:
            outcome: Measurement | JobFailure | None = None
            while waiting and not isinstance(outcome, JobFailure):
                (done,) = Workers(executor=executor).run(measure_in_worker, waiting[:1])
                outcome = done.outcome
                yield waiting.pop(0), _measurement(outcome)


@contextmanager
def _one_process() -> Iterator[ProcessPoolExecutor]:
    """A worker process that is not waited for when something is raised, such as Ctrl-C."""
    executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    finished = False
    try:
        yield executor
        finished = True
    finally:
        # Solvers may catch a polite signal and go on, and a cell leaves nothing to clean up.
        for process in [] if finished else list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(wait=True, cancel_futures=True)


def _measurement(outcome: Measurement | JobFailure) -> Measurement:
    if isinstance(outcome, JobFailure):
        return Measurement("failed", reason=outcome.reason)
    return outcome


def measure_in_worker(cell: Cell) -> Measurement:
    """`measure`, in a process that ends with its parent."""
    _follow_parent()
    return measure(cell)


_watching = threading.Event()


def _follow_parent() -> None:
    """End this process when the one that started it is gone, even by a kill."""
    parent = multiprocessing.parent_process()
    if parent is None or _watching.is_set():
        return
    _watching.set()

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
