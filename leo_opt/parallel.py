"""One map over independent jobs: in this process, in processes of its own, or on any executor.

A job whose worker died is tried once more, and comes back as a `JobFailure` if that one dies, too,
so that a lost worker never costs the run. What a job itself raises is raised here, wherever it ran,
with the worker's traceback as its cause. Workers that cannot even start are an error at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from leo_opt.blas import one_blas_thread
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.errors import InvalidInputError, WorkerError
from leo_opt.worker_processes import UNGUARDED, WorkerPool, end_if_unguarded

Job = TypeVar("Job")
Result = TypeVar("Result")

_ATTEMPTS = 2

_GRACE = 1.0
"""Seconds that workers have beyond a deadline to come to an end by themselves."""
_GLANCE = 0.1
"""Seconds after which a caller looks whether a thread pool has begun any of its jobs."""


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
    deadline
        Jobs look at the clock by themselves. Those that no worker has begun when it passes are
        failures, and so is soon afterwards what a worker still does, such as one call of a solver
        that cannot be interrupted; own processes are then ended.

    Raises
    ------
    InvalidInputError
        If the count is not positive.
    WorkerError
        From `run`, if no worker can be started, or the executor is broken for good.
    """

    def __init__(
        self,
        count: int = 1,
        executor: Executor | None = None,
        deadline: Deadline = NO_LIMIT,
    ) -> None:
        if count < 1:
            raise InvalidInputError(f"workers is {count}; at least 1 is needed")
        if count > 1 and executor is None:
            end_if_unguarded()
        self._count = count
        self._given = executor
        self._deadline = deadline
        self._own: WorkerPool | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._close(wait_for_jobs=kind is None and not self._deadline.passed)

    def _close(self, wait_for_jobs: bool) -> None:
        """Shut the own processes down; unfinished jobs are dropped."""
        if self._own is not None:
            own, self._own = self._own, None
            if wait_for_jobs:
                own.shutdown(cancel_futures=True)
            else:
                own.end()

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
            every = range(len(jobs))
            yield from _run_on(self._given, function, jobs, every, len(jobs), self._deadline)
        elif self._count == 1:
            for index, job in enumerate(jobs):
                yield Done(index, function(job))
        else:
            yield from self._run_in_processes(function, jobs)

    def in_order(
        self,
        function: Callable[[Job], Result],
        jobs: Sequence[Job],
        ready: Callable[[Result | JobFailure], None] = lambda outcome: None,
    ) -> Iterator[Result | JobFailure]:
        """Outcomes of function(job) in the order of the jobs, each when all before it are there.

        Whoever has seen enough stops asking: with one worker the jobs behind are then never begun.

        Parameters
        ----------
        ready
            Called with each outcome at once, whichever job is ready first.
        """
        if len(jobs) == 1:
            # Alone it is as quick here, and many runs never need another process.
            outcome = function(jobs[0])
            ready(outcome)
            yield outcome
            return
        early: dict[int, Result | JobFailure] = {}
        position = 0
        for done in self.run(function, jobs):
            ready(done.outcome)
            early[done.index] = done.outcome
            while position in early:
                yield early.pop(position)
                position += 1

    def _run_in_processes(
        self, function: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[Done[Result]]:
        """Jobs on own processes; a dead process breaks the pool and all jobs in flight."""
        waiting = list(range(len(jobs)))
        while waiting:
            lost = []
            for done in _run_on(
                self._pool(), function, jobs, waiting, self._count, self._deadline, own=True
            ):
                waiting.remove(done.index)
                if isinstance(done.outcome, JobFailure) and not self._deadline.passed:
                    lost.append(done.index)
                    if len(lost) == self._count:
                        break
                else:
                    yield done
            if lost or _patience(self._deadline) == 0.0:
                self._close(wait_for_jobs=False)
            for index in lost:
                # Alone in a pool of its own, so that a job that kills its worker harms no other.
                self._own = WorkerPool(1)
                self._own.check_that_it_starts()
                yield from _run_on(self._own, function, jobs, [index], 1, self._deadline, own=True)
                self._close(wait_for_jobs=_patience(self._deadline) != 0.0)

    def _pool(self) -> WorkerPool:
        if self._own is None:
            self._own = WorkerPool(self._count)
        return self._own


def _with_one_blas_thread(function: Callable[[Job], Result], job: Job) -> Result:
    """Workers share the cores already; their matrices are small."""
    with one_blas_thread():
        return function(job)


def _patience(deadline: Deadline) -> float | None:
    """Seconds until no worker is waited for any more, or None without a limit."""
    if deadline.seconds is None:
        return None
    return max(0.0, deadline.seconds + _GRACE - deadline.elapsed)


def _run_on(
    executor: Executor,
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    indices: Sequence[int],
    window: int,
    deadline: Deadline,
    own: bool = False,
) -> Iterator[Done[Result]]:
    """Submit jobs, at most `window` at once, and yield what is ready.

    Parameters
    ----------
    own
        The executor can be replaced: each job has one attempt, and one that is not even taken
        fails. Otherwise it has some.
    """
    queue = [(index, 1 if own else _ATTEMPTS) for index in reversed(indices)]
    pending: dict[Future[Result], tuple[int, int]] = {}
    # A caller may be in a thread of the very pool that it gave, and so keep its own jobs waiting.
    glance = _GLANCE if isinstance(executor, ThreadPoolExecutor) else None
    try:
        while queue or pending:
            over = _patience(deadline) == 0.0
            if deadline.passed:
                yield from _give_up(queue, pending if over else {})
            if over:
                break
            while queue and len(pending) < window:
                index, left = queue.pop()
                try:
                    pending[executor.submit(function, jobs[index])] = (index, left)
                except RuntimeError as error:
                    if not own:
                        raise _refused(error) from error
                    yield Done(index, JobFailure(f"worker lost: {error!r}"))
            seconds = [limit for limit in (glance, _patience(deadline)) if limit is not None]
            ready, _ = wait(pending, min(seconds, default=None), FIRST_COMPLETED)
            idle = None if ready or glance is None else _take_idle(pending)
            if idle is not None:
                yield Done(idle, function(jobs[idle]))
            for future in ready:
                index, left = pending.pop(future)
                outcome = _failure_of(future, executor) or future.result()
                if isinstance(outcome, JobFailure) and left > 1:
                    queue.append((index, left - 1))
                else:
                    yield Done(index, outcome)
    finally:
        # Whoever asked has seen enough, or was interrupted.
        for future in pending:
            future.cancel()


def _give_up(
    queue: list[tuple[int, int]], pending: Mapping[Future[Result], tuple[int, int]]
) -> Iterator[Done[Result]]:
    """Failures for the jobs of a queue, which is emptied, and of some that are pending."""
    indices = [index for index, _ in (*reversed(queue), *pending.values())]
    queue.clear()
    return (Done(index, JobFailure("no time left")) for index in indices)


def _take_idle(pending: dict[Future[Result], tuple[int, int]]) -> int | None:
    """The job of a future taken back, if no worker has begun any."""
    if any(future.running() for future in pending):
        return None
    idle = next((future for future in pending if future.cancel()), None)
    return None if idle is None else pending.pop(idle)[0]


def _refused(error: RuntimeError) -> WorkerError:
    """What to say of an executor that takes no more jobs."""
    return WorkerError(
        f"the executor takes no jobs: {error}; give one that is open and whose workers live. "
        f"If its workers die as they start: {UNGUARDED}"
    )


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
    """Whether the executor's own package raised an error, such as Dask's `KilledWorker`.

    Errors of this package are of the jobs, whatever runs them.
    """
    return _package(error) == _package(executor) != __name__.partition(".")[0]


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]
