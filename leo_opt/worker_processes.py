"""Worker processes of our own: how they start, how they end, and what to say if they do not."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import connection, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

from leo_opt.errors import WorkerError

_PATIENCE = 5.0
"""Seconds within which a terminated process ends."""

_EXIT_CODE = 86
"""Of a worker that was about to start workers of its own while it read its parent's script."""

UNGUARDED = (
    "workers read the script that started them, and would start workers again; put what it does "
    'under `if __name__ == "__main__":`, or take workers=1'
)
"""What to do about a script that is not made for that."""

_NAME = "leo_opt worker"


def end(processes: Sequence[BaseProcess], manager: Thread | None) -> None:
    """Terminate processes and wait until their semaphores and pipes are given back."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
    if manager is not None:
        manager.join(_PATIENCE)


class _Worker(SpawnProcess):
    """A worker process, which its name tells from others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.name = f"{_NAME} {self.name}"


class _Context(SpawnContext):
    """How worker processes are started: solvers have threads, which a fork would copy as they are
    at that moment."""

    Process = _Worker


def new_pool(count: int) -> ProcessPoolExecutor:
    """Processes that end with this one, however it ends."""
    return ProcessPoolExecutor(count, mp_context=_Context(), initializer=_begin_worker)


def check_that_it_starts(pool: ProcessPoolExecutor) -> None:
    """Wait until a process of a new pool has begun.

    Raises
    ------
    WorkerError
        If it ends before that.
    """
    begun = pool.submit(os.getpid)
    processes = list((pool._processes or {}).values())
    try:
        begun.result()
    except BrokenExecutor as error:
        for process in processes:
            process.join(_PATIENCE)
        codes = [process.exitcode for process in processes]
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
