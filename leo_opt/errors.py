"""Every exception this package raises on purpose.

Each one also inherits the natural built-in, so that code which knows nothing of `leo_opt` can
catch it. Infeasible models and time limits are results, never exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable


class LeoOptError(Exception):
    """Base of all errors raised on purpose: what happened, the value seen, what to do."""


class InvalidInputError(LeoOptError, ValueError):
    """A value the caller gave (array, box, bounds, option) cannot be what it should be."""


class FileFormatError(LeoOptError, ValueError):
    """A file cannot be read as what it claims to be, or its format is unknown."""


class UnsupportedOperatorError(LeoOptError, NotImplementedError):
    """A network file uses an operator that has no exact image in the IR."""


class MismatchError(LeoOptError, ValueError):
    """A result (bounds, stability, checkpoint) belongs to another network or box."""


class SolverNotAvailableError(LeoOptError, ImportError):
    """A solver, an optional package or a plug-in is asked for by name and cannot be imported."""


class SolverError(LeoOptError, RuntimeError):
    """A model cannot be handed to a solver: a feature it lacks, or a licence too small."""


class OutputError(LeoOptError, OSError):
    """An output file cannot be written where the caller wants it."""


class WorkerError(LeoOptError, RuntimeError):
    """Worker processes cannot be started, or an executor is broken for good."""


def unknown_word(kind: str, word: object, known: Iterable[str], more: str = "") -> str:
    """A message about a word that nobody knows, with the known ones and the one likely meant.

    Parameters
    ----------
    more
        What is known besides, as the end of the list.

    Examples
    --------
    >>> unknown_word("solver", "hihgs", ["highs", "scip"])
    "solver 'hihgs' is unknown; known are highs, scip; did you mean highs?"
    """
    # Most runs never need it.
    from difflib import get_close_matches

    words = list(known)
    close = get_close_matches(str(word).lower().replace("_", "-"), words, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{kind} {word!r} is unknown; known are {', '.join(words)}{more}{meant}"
