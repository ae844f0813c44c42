"""Worker processes of our own: how they start, how they end, and what to say if they do not."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import connection, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from leo_opt.errors import WorkerError

Given = ParamSpec("Given")
Result = TypeVar("Result")

_PATIENCE = 5.0
"""Seconds within which a pool of killed processes is shut down."""

_EXIT_CODE = 86
"""Of a worker that was about to start workers of its own while it read its parent's script."""

UNGUARDED = (
    "workers read the script that started them, and would start workers again; put what it does "
    'under `if __name__ == "__main__":`, or take workers=1'
)
"""What to do about a script that is not made for that."""

_NAME = "leo_opt worker"


class _Worker(SpawnProcess):
    """A worker process, which its name tells from others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.name = f"{_NAME} {self.name}"


class _Context(SpawnContext):
    """How worker processes are started: solvers have threads, which a fork would copy as they are
    at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BaseProcess] = []

    def Process(self, *arguments: Any, **options: Any) -> _Worker:  # type: ignore[override]  # noqa: N802
        """A worker process, which is remembered."""
        worker = _Worker(*arguments, **options)
        self.started.append(worker)
        return worker


class WorkerPool(ProcessPoolExecutor):
    """Processes that end with this one, however it ends, and when they are told to."""

    def __init__(self, count: int) -> None:
        context = _Context()
        super().__init__(count, mp_context=context, initializer=_begin_worker)
        self.processes: Sequence[BaseProcess] = context.started
        self._unusable = False

    def submit(
        self, function: Callable[Given, Result], /, *arguments: Given.args, **options: Given.kwargs
    ) -> Future[Result]:
        """As the executor's own, with its error for a pool that breaks during the call.

        Raises
        ------
        BrokenProcessPool
            If a process of the pool has died.
        WorkerError
            If the system starts no more processes or threads.
        """
        if self._unusable:
            raise BrokenProcessPool("the pool could not be started")
        try:
            return super().submit(function, *arguments, **options)
        except BrokenExecutor:
            raise
        except (OSError, RuntimeError) as error:
            # The thread that would answer may be missing: whoever waited would wait for ever.
            self._unusable = True
            if isinstance(error, OSError) and error.errno is None:
                # A new process is given pipes that the thread of a breaking pool closes meanwhile.
                raise BrokenProcessPool(
                    f"the pool broke as it started a process: {error}"
                ) from error
            raise WorkerError(
                f"no worker process can be started: {error}; take fewer workers, or 1"
            ) from error

    def end(self) -> None:
        """End the processes whatever they do, and give their semaphores and pipes back.

        Solvers may catch a polite signal and go on, and jobs leave nothing to clean up.
        """
        for process in self.processes:
            if process.pid is not None:  # It has none if it could not be started.
                process.kill()
        # A thread, as one that died while it sent a result may keep the pool waiting for the rest.
        closing = Thread(target=self._close, daemon=True)
        with suppress(RuntimeError):  # The system may start no more of them.
            closing.start()
            closing.join(_PATIENCE)

    def _close(self) -> None:
        with suppress(RuntimeError):  # A thread that could not be started cannot be joined.
            self.shutdown(cancel_futures=True)

    def check_that_it_starts(self) -> None:
        """Wait until a process has begun.

        Raises
        ------
        WorkerError
            If it ends before that.
        """
        try:
            self.submit(os.getpid).result()
        except BrokenExecutor as error:
            # The pool waits for its processes; of two that wait for one, one sees no exit code.
            self.shutdown()
            codes = [process.exitcode for process in self.processes]
            cure = "see what they say on standard error, or take workers=1"
            raise WorkerError(
                f"worker processes end as they start, with exit codes {codes}: "
                f"{UNGUARDED if _EXIT_CODE in codes else cure}"
            ) from error


def end_if_unguarded() -> None:
    """End this process if it is a worker that still reads the script of its parent.

    A worker that begins that script anew instead of taking jobs would start workers of its own.
    """
    if not multiprocessing.current_process().name.startswith(_NAME):
        return
    try:
        spawn.get_preparation_data(_NAME)
    except RuntimeError:
        # This is what starting a process would raise now. The parent says it better, and once.
        raise SystemExit(_EXIT_CODE) from None


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
