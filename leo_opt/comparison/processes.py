"""Worker processes of one cell at a time, ended where a cell does not end by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import Self

from leo_opt.comparison.cells import Cell
from leo_opt.comparison.measurement import Measurement
from leo_opt.worker_processes import WorkerPool

_LONGEST_WAIT = 3600.0
"""Seconds; the system takes no endless ones."""


class CellProcess:
    """A process that is replaced when it dies or has to be ended; a context manager."""

    def __init__(self) -> None:
        self._pool = WorkerPool(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self._pool.shutdown(cancel_futures=True)
        else:
            self._pool.end()

    def start(self, measure: Callable[[Cell], Measurement], cell: Cell, patience: float) -> None:
        """Begin with a cell, which has `patience` seconds."""
        self._patience = patience
        self._deadline = time.monotonic() + patience
        try:
            self._future = self._pool.submit(measure, cell)
        except BrokenExecutor:  # The process died while it had nothing to do.
            self._replace()
            self._future = self._pool.submit(measure, cell)

    @property
    def future(self) -> Future[Measurement]:
        """The cell that was started last."""
        return self._future

    @property
    def left(self) -> float:
        """Seconds until the cell has to be over."""
        return max(0.0, self._deadline - time.monotonic())

    def finished(self) -> Measurement | None:
        """What the cell gave, or None while it runs; a lost process is a failed cell.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C was pressed in the process.
        """
        if not self._future.done():
            return None if self.left else self._give_up()
        error = self._future.exception()
        if error is None:
            return self._future.result()
        if isinstance(error, BrokenExecutor):
            self._replace()
            return Measurement("failed", reason=f"worker lost: {error!r}")
        if isinstance(error, Exception):
            return Measurement("failed", reason=f"{type(error).__name__}: {error}")
        raise error

    def _give_up(self) -> Measurement:
        self._replace()
        return Measurement(
            "failed",
            reason=f"ended after {self._patience:g} s: the solver took no notice of its time limit",
        )

    def _replace(self) -> None:
        self._pool.end()
        self._pool = WorkerPool(1)


def wait_for_any(processes: Collection[CellProcess]) -> None:
    """Wait until a process is finished with its cell, or has to be."""
    left = min(process.left for process in processes)
    futures = [process.future for process in processes]
    wait(futures, timeout=min(left, _LONGEST_WAIT), return_when=FIRST_COMPLETED)
