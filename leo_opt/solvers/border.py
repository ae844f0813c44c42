"""The border to foreign bindings: whatever they throw becomes an error of this package.

Solvers fail in their own words: PySCIPOpt with a bare `Exception`, Pyomo's interfaces with those
of the solver behind them. Nothing of that is evidence of anything, and none of it may end a run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from leo_opt.errors import LeoOptError, SolverError

_log = logging.getLogger("leo_opt.solvers")

_LONGEST = 500
"""Most characters of a foreign message."""


class ForeignError(SolverError):
    """A binding has thrown something of its own, which is the cause of this error."""


@contextmanager
def border(solver: str, act: str) -> Iterator[None]:
    """Turn what a binding throws into a `ForeignError`; Ctrl-C and our own errors pass.

    Parameters
    ----------
    solver, act
        Who was to do what.

    Raises
    ------
    ForeignError
        Naming both, and what was thrown.
    """
    try:
        yield
    except LeoOptError:
        raise
    except Exception as error:
        _log.debug("%s could not %s", solver, act, exc_info=True)
        said = " ".join(str(error).split())[:_LONGEST]
        raise ForeignError(
            f"{solver} could not {act}: {type(error).__name__}: {said or 'no message'}"
        ) from error
