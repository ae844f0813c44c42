"""One BLAS thread for small matrices.

The products of a classification are many and small, so that further threads gain little; on a
machine with other work they wait for one another, and the same run takes several times as long.

Most libraries keep one number of threads for a whole process: OpenBLAS also under its function
that is called local. So the guard is counted: the first to enter sets one thread, the last to
leave gives back what was found, unless somebody has set another number meanwhile.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import LibController, OpenBLASController, ThreadpoolController

_Limited = list[tuple[LibController, int]]
"""Libraries that were set to one thread, and how many they had before."""


class _Guard:
    """How many are inside, and what they have limited for the whole process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._shared: _Limited = []

    def enter(self) -> _Limited:
        """Set one thread where nobody has; what only concerns this thread is returned."""
        found = ThreadpoolController().select(user_api="blas").lib_controllers
        with self._lock:
            # Libraries that were loaded meanwhile are not limited yet.
            self._shared += _limit(one for one in found if _is_process_wide(one))
            self._inside += 1
        return _limit(one for one in found if not _is_process_wide(one))

    def leave(self, own: _Limited) -> None:
        """Give the threads back, those that all share if nobody else is inside."""
        _restore(own)
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _restore(self._shared)
                self._shared = []

    def forget_lock(self) -> None:
        """In the child of a fork: whoever held the lock is not there."""
        self._lock = Lock()


def _is_process_wide(library: LibController) -> bool:
    """Whether a number of threads set here is that of all threads of the process."""
    layer = library.info().get("threading_layer")
    return bool(library.internal_api != "mkl" and layer != "openmp")


def _limit(libraries: Iterable[LibController]) -> _Limited:
    """Set libraries to one thread; left out are those that refuse, as the caller has a limit."""
    limited = []
    for library in libraries:
        before = library.num_threads
        if before not in (1, None):
            library.set_num_threads(1)
            if library.num_threads == 1:
                limited.append((library, before))
    return limited


def _restore(limited: _Limited) -> None:
    """Undo `_limit`, in whichever thread."""
    for library, before in limited:
        if library.num_threads == 1:
            if isinstance(library, OpenBLASController):
                # Only the thread that has set a limit may change it, and it may be another one.
                library.clear_controlling_thread(force=True)
            library.set_num_threads(before)
        if isinstance(library, OpenBLASController):
            library.clear_controlling_thread()


_GUARD = _Guard()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_GUARD.forget_lock)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this block BLAS uses one thread; blocks may be nested, and entered in any thread."""
    own = _GUARD.enter()
    try:
        yield
    finally:
        _GUARD.leave(own)
