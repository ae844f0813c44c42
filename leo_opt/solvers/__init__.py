"""Solver backends behind one contract; knows Pyomo and arrays, never networks."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.base import Answer, Feature, Session, Solver, SolverOptions
from leo_opt.solvers.standard_form import Compiled, StandardForm, compile_model

__all__ = [
    "SOLVERS",
    "Answer",
    "Compiled",
    "Feature",
    "Session",
    "Solver",
    "SolverOptions",
    "StandardForm",
    "compile_model",
    "find",
]

SOLVERS: Mapping[str, str] = MappingProxyType({"highs": "leo_opt.solvers.highs:Highs"})
"""The backends by name."""


def find(name: str) -> Solver:
    """The backend of a name.

    Raises
    ------
    InvalidInputError
        If no backend has that name.
    """
    if name not in SOLVERS:
        raise InvalidInputError(f"solver {name!r} is unknown; known are {', '.join(SOLVERS)}")
    module, _, attribute = SOLVERS[name].partition(":")
    solver: Solver = getattr(importlib.import_module(module), attribute)()
    return solver
