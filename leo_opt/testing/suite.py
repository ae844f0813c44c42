"""How a conformance suite is run, and what it says of what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from leo_opt.errors import InvalidInputError, unknown_word


class ConformanceError(AssertionError):
    """What was tested does not keep the contract; the message lists every failed check."""


def run_checks(
    what: str,
    checks: Mapping[str, Callable[..., None]],
    only: Iterable[str] | None,
    *tested: Any,
) -> list[str]:
    """Run the checks of a suite, all of them by default, and return the names of those chosen.

    Parameters
    ----------
    what
        What is tested, for the message, such as "solver highs".
    only
        Keys of `checks`.
    tested
        What each check is given.

    Raises
    ------
    ConformanceError
        If any check fails.
    InvalidInputError
        If a check is unknown.
    """
    chosen = list(checks) if only is None else list(only)
    unknown = [name for name in chosen if name not in checks]
    if unknown:
        raise InvalidInputError(unknown_word("check", unknown[0], checks))
    failures = []
    for name in chosen:
        try:
            checks[name](*tested)
        except AssertionError as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise ConformanceError(
            f"{what} fails {len(failures)} of {len(chosen)} checks:\n" + "\n".join(failures)
        )
    return chosen
