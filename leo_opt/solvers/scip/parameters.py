"""Options of a session as SCIP takes them, and what it takes for infinite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError
from leo_opt.solvers.questions import SolverOptions

INFINITY = 1e20
"""What SCIP takes for infinite."""

TOLERANCES = ("numerics/feastol", "numerics/dualfeastol", "numerics/epsilon")

_LEAST_TOLERANCE = 1e-10
"""SCIP takes smaller ones and tells them back, and its LP solver goes on with this one."""


def tolerances_of(options: SolverOptions) -> dict[str, float]:
    """SCIP's tolerances as options ask for them; integrality has none of its own."""
    feasibility, integrality = options.feasibility_tolerance, options.integrality_tolerance
    given = [value for value in (feasibility, integrality) if value is not None]
    settings = {} if not given else {"numerics/feastol": min(given)}
    return settings if feasibility is None else {**settings, "numerics/dualfeastol": feasibility}


def check_tolerance(name: str, value: object) -> None:
    """Refuse a tolerance that SCIP would not keep.

    Raises
    ------
    InvalidInputError
        Naming the least that it keeps.
    """
    if isinstance(value, int | float) and value < _LEAST_TOLERANCE:
        raise InvalidInputError(
            f"SCIP does not keep {name} = {value!r}; the least is {_LEAST_TOLERANCE}"
        )


def set_parameters(model: Any, settings: Mapping[str, object]) -> None:
    """Set SCIP's parameters by name; None leaves its own value.

    Raises
    ------
    InvalidInputError
        Naming the one that SCIP does not take.
    """
    for name, value in settings.items():
        if value is None:
            continue
        if name in TOLERANCES[:2]:
            check_tolerance(name, value)
        try:
            model.setParam(name, value)
        except (KeyError, ValueError, TypeError, LookupError, OSError) as error:
            raise InvalidInputError(
                f"SCIP refuses parameter {name} = {value!r}: {error!r}"
            ) from error


def clipped(values: FloatArray, infinity: float = INFINITY) -> list[float]:
    """Bounds or sides as a list of numbers that SCIP takes."""
    finite: list[float] = np.clip(values, -infinity, infinity).tolist()
    return finite
