"""Locks of what a whole process has only one of, which a fork beside threads leaves open."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ContextDecorator


class ProcessLock(ContextDecorator):
    """One thread at a time, which may enter again; a context manager or decorator.

    A module makes it, once: it stays until the process ends.

    A fork copies a lock as it is: where another thread holds it, no thread of the child would ever
    let go of it. So a child begins with it open.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


PYOMO = ProcessLock()
"""For whoever builds, compiles or solves a Pyomo model: Pyomo has state of the whole process, such
as modules that it imports in the middle of things, and is not made for several threads."""
