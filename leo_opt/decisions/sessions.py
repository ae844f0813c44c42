"""Warm sessions of a run: each is lent to one job at a time, wherever the job runs."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leo_opt.closing import Closing
from leo_opt.solvers import Session
from leo_opt.storage.locks import ProcessLock


class Sessions(Closing):
    """Sessions that one run has open in one process; a context manager.

    Jobs carry it with them. In a thread of the same process it is the same object; another process
    makes one for the run, which lasts until that process serves another run.

    Parameters
    ----------
    run
        Tells the run from every other.
    """

    def __init__(self, run: str | None = None) -> None:
        self._run = run or uuid.uuid4().hex
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Session]] = []
        self._closed = False

    @contextmanager
    def lend(self, model: str, make: Callable[[], Session]) -> Iterator[Session]:
        """A session that nobody else has until the end of the context.

        Parameters
        ----------
        model
            The key of the model it is open on.
        make
            Opens one, where none is idle. Whatever it raises is raised here.
        """
        session = self._take(model) or make()
        try:
            yield session
        except BaseException:
            # What it is in the middle of is not known.
            session.close()
            raise
        self._give_back(model, session)

    def _take(self, model: str) -> Session | None:
        """An idle session on a model; those on other models are closed, as rounds go on."""
        with self._lock:
            idle, self._idle = self._idle, []
            mine = [session for key, session in idle if key == model]
            self._idle = [(model, session) for session in mine[1:]]
        for key, session in idle:
            if key != model:
                session.close()
        return mine[0] if mine else None

    def _give_back(self, model: str, session: Session) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((model, session))
                return
        session.close()

    def close(self) -> None:
        """Give back what is idle now, and whatever is lent as soon as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

    def __exit__(self, *_error: object) -> None:
        self.close()
        _forget(self._run)

    def __reduce__(self) -> tuple[Callable[[str], Sessions], tuple[str]]:
        return _serve, (self._run,)


_LOCK = ProcessLock()
_SERVED: dict[str, Sessions] = {}
"""The sessions of the run whose jobs have come to this process last."""
_INHERITED: list[Sessions] = []
"""Those of the parents of this process, which a fork has copied: not this process's to free."""


def _begin_child() -> None:
    _INHERITED.extend(_SERVED.values())
    _SERVED.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_begin_child)


def _serve(run: str) -> Sessions:
    """The sessions that a run has in this process, to which one of its jobs has travelled."""
    with _LOCK:
        mine = _SERVED.get(run) or Sessions(run)
        others = [sessions for key, sessions in _SERVED.items() if key != run]
        _SERVED.clear()
        _SERVED[run] = mine
    for sessions in others:
        sessions.close()
    return mine


def _forget(run: str) -> None:
    """Close what a run has open here for jobs that have travelled without leaving the process."""
    with _LOCK:
        sessions = _SERVED.pop(run, None)
    if sessions is not None:
        sessions.close()
