"""Solver backends behind one contract; knows Pyomo and arrays, never networks."""

from __future__ import annotations

from leo_opt.solvers.base import Solver
from leo_opt.solvers.catalogue import SOLVERS, find, names, survey
from leo_opt.solvers.compilation import Compiled, compile_model
from leo_opt.solvers.conflicts import Conflict, find_conflict
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import (
    Answer,
    Feature,
    Question,
    Rows,
    SolverOptions,
    Termination,
)
from leo_opt.solvers.session import Session
from leo_opt.solvers.solving import Result, load_values, solve
from leo_opt.solvers.standard_form import IndicatorRow, SosSet, StandardForm
from leo_opt.solvers.state import ModelState, RowHandle

__all__ = [
    "SOLVERS",
    "Answer",
    "Compiled",
    "Conflict",
    "Feature",
    "IndicatorRow",
    "InterruptGuard",
    "Licence",
    "ModelState",
    "Question",
    "Result",
    "RowHandle",
    "Rows",
    "Session",
    "Solver",
    "SolverOptions",
    "SosSet",
    "StandardForm",
    "Termination",
    "compile_model",
    "find",
    "find_conflict",
    "load_values",
    "names",
    "solve",
    "survey",
]
