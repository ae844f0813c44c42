"""The border to foreign bindings: whatever they throw becomes an error of this package.

Solvers fail in their own words: PySCIPOpt with a bare `Exception`, Pyomo's interfaces with those
of the solver behind them. Nothing of that is evidence of anything, and none of it may end a run.
"""

from __future__ import annotations

import logging

from leo_opt.errors import LeoOptError, SolverError

_log = logging.getLogger("leo_opt.solvers")

_LONGEST = 500
"""Most characters of a foreign message."""


class ForeignError(SolverError):
    """A binding has thrown something of its own, which is the cause of this error."""


class border:  # noqa: N801
    """A context that turns what a binding throws into a `ForeignError`.

    Ctrl-C and our own errors pass. It is no generator, since contextlib would let a StopIteration
    through.

    Parameters
    ----------
    solver, act
        Who was to do what.

    Raises
    ------
    ForeignError
        Naming both, and what was thrown.
    """

    def __init__(self, solver: str, act: str) -> None:
        self._solver, self._act = solver, act

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, LeoOptError):
            return
        _log.debug("%s could not %s", self._solver, self._act, exc_info=error)
        said = " ".join(str(error).split())[:_LONGEST] or "no message"
        raise ForeignError(
            f"{self._solver} could not {self._act}: {type(error).__name__}: {said}"
        ) from error
