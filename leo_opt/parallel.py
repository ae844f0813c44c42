"""One map over independent jobs: in this process, in processes of its own, or on any executor.

A job whose worker died is tried once more, and comes back as a `JobFailure` if that one dies, too,
so that a lost worker never costs the run. What a job itself raises is raised here, wherever it ran,
with the worker's traceback as its cause.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from threading import Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

from leo_opt.blas import one_blas_thread
from leo_opt.errors import InvalidInputError

Job = TypeVar("Job")
Result = TypeVar("Result")

_ATTEMPTS = 2

_PATIENCE = 5.0
"""Seconds within which a terminated process ends."""


@dataclass(frozen=True)
class JobFailure:
    """A job that could not be finished, and why."""

    reason: str


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The outcome of the job at one position of the list given."""

    index: int
    outcome: Result | JobFailure


class Workers:
    """A place to run jobs, used as a context manager.

    Parameters
    ----------
    count
        Number of processes; with 1 the jobs run in this process.
    executor
        Any `concurrent.futures.Executor` to use instead, such as
        `dask.distributed.Client.get_executor()`; it is not shut down.

    Raises
    ------
    InvalidInputError
        If the count is not positive.
    """

    def __init__(self, count: int = 1, executor: Executor | None = None) -> None:
        if count < 1:
            raise InvalidInputError(f"workers is {count}; at least 1 is needed")
        self._count = count
        self._given = executor
        self._own: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(wait_for_jobs=kind is None)

    def _close(self, wait_for_jobs: bool) -> None:
        """Shut the own processes down; unfinished jobs are dropped."""
        if self._own is not None:
            own, self._own = self._own, None
            processes = list((own._processes or {}).values())
            manager: Any = own._executor_manager_thread  # typeshed takes it for something else
            own.shutdown(wait=wait_for_jobs, cancel_futures=True)
            if not wait_for_jobs:
                _end(processes, manager)

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Done[Result]]:
        """Results of function(job) for every job, in the order in which they are ready.

        Parameters
        ----------
        function
            Importable by name, as it and the jobs travel to other processes.

        Raises
        ------
        Exception
            Whatever `function` itself raises, with the worker's traceback as its cause.
        """
        function = partial(_with_one_blas_thread, function)
        if self._given is not None:
            yield from _run_on(self._given, function, jobs, range(len(jobs)), len(jobs))
        elif self._count == 1:
            for index, job in enumerate(jobs):
                yield Done(index, function(job))
        else:
            yield from self._run_in_processes(function, jobs)

    def _run_in_processes(
        self, function: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[Done[Result]]:
        """Jobs on own processes; a dead process breaks the pool and all jobs in flight."""
        waiting = list(range(len(jobs)))
        while waiting:
            lost = []
            for done in _run_on(self._pool(), function, jobs, waiting, self._count, attempts=1):
                waiting.remove(done.index)
                if isinstance(done.outcome, JobFailure):
                    lost.append(done.index)
                    if len(lost) == self._count:
                        break
                else:
                    yield done
            if lost:
                self._close(wait_for_jobs=False)
            for index in lost:
                # Alone in a pool of its own, so that a job that kills its worker harms no other.
                with new_pool(1) as pool:
                    yield from _run_on(pool, function, jobs, [index], 1, attempts=1)

    def _pool(self) -> ProcessPoolExecutor:
        if self._own is None:
            self._own = new_pool(self._count)
        return self._own


def _end(processes: Sequence[BaseProcess], manager: Thread | None) -> None:
    """Terminate processes and wait until their semaphores and pipes are given back."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
    if manager is not None:
        manager.join(_PATIENCE)


def new_pool(count: int) -> ProcessPoolExecutor:
    """Processes that end with this one, however it ends."""
    # Solvers hold threads of their own, which a fork would copy in an unknown state.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker)


def _begin_worker() -> None:
    """End this process when its parent is gone, and let a kill of it leave nothing behind."""
    if "fork" in multiprocessing.get_all_start_methods():
        # Locks that libraries make for themselves, such as Pyomo, are then without a name in the
        # system; with the method of this pool a killed worker leaves a warning about each.
        multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    # Whoever would wait for this process or read from it is gone.
    os._exit(1)


def _with_one_blas_thread(function: Callable[[Job], Result], job: Job) -> Result:
    """Workers share the cores already; their matrices are small."""
    with one_blas_thread():
        return function(job)


def _run_on(
    executor: Executor,
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    indices: Sequence[int],
    window: int,
    attempts: int = _ATTEMPTS,
) -> Iterator[Done[Result]]:
    """Submit jobs, at most `window` at once, and yield what is ready; each has some attempts."""
    queue = [(index, attempts) for index in reversed(indices)]
    pending: dict[Future[Result], tuple[int, int]] = {}
    while queue or pending:
        while queue and len(pending) < window:
            index, left = queue.pop()
            try:
                pending[executor.submit(function, jobs[index])] = (index, left)
            except BrokenExecutor as error:
                yield Done(index, JobFailure(f"worker lost: {error!r}"))
        ready, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in ready:
            index, left = pending.pop(future)
            failure = _failure_of(future, executor)
            if failure is None:
                yield Done(index, future.result())
            elif left > 1:
                queue.append((index, left - 1))
            else:
                yield Done(index, failure)


def _failure_of(future: Future[Result], executor: Executor) -> JobFailure | None:
    """Why the worker of a finished future has no result, or None where it has one.

    Raises
    ------
    Exception
        What the job itself raised.
    """
    try:
        error = future.exception()
    except CancelledError as cancelled:
        error = cancelled
    if error is None:
        return None
    if isinstance(error, (BrokenExecutor, CancelledError)) or _is_of(executor, error):
        return JobFailure(f"worker lost: {error!r}")
    raise error


def _is_of(executor: Executor, error: BaseException) -> bool:
    """Whether the executor's own package raised an error, such as Dask's `KilledWorker`."""
    return _package(error) == _package(executor)


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]
