"""Gurobi's environments, each of which holds the licence.

An environment and the models in it are for one thread at a time, so that every open session has one
to itself. They are handed from session to session, and given back with the last session of the
process: one session after another takes one token of a floating licence once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leo_opt.storage.locks import ProcessLock


class _Pool:
    """The environments of this process."""

    def __init__(self) -> None:
        self.idle: list[Any] = []
        self.lent = 0


_LOCK = ProcessLock()
_POOLS = [_Pool()]
"""The pool of this process, last, and those that it has inherited from its parents by a fork: what
these hold is not this process's to free."""

if sys.platform != "win32":
    os.register_at_fork(after_in_child=lambda: _POOLS.append(_Pool()))


def acquire() -> Any:
    """An environment for one session.

    Raises
    ------
    gurobipy.GurobiError
        If Gurobi does not start.
    """
    import gurobipy

    with _LOCK:
        pool = _POOLS[-1]
        if pool.idle:
            environment = pool.idle.pop()
        else:
            environment = gurobipy.Env(empty=True)
            environment.setParam("OutputFlag", 0)
            environment.start()
        pool.lent += 1
        return environment


def release(environment: Any) -> None:
    """Give an environment back, whose models are freed."""
    with _LOCK:
        pool = _POOLS[-1]
        pool.lent -= 1
        pool.idle.append(environment)
        if pool.lent == 0:
            while pool.idle:
                pool.idle.pop().dispose()


@contextmanager
def borrowed() -> Iterator[Any]:
    """An environment until the end of the context."""
    environment = acquire()
    try:
        yield environment
    finally:
        release(environment)
