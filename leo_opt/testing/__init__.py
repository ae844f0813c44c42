"""Conformance suites: does a solver, formulation, bound method or strategy keep its contract?"""

from __future__ import annotations

from leo_opt.testing.bounds import BOUNDS_CHECKS, check_bound_method
from leo_opt.testing.formulations import FORMULATION_CHECKS, check_formulation
from leo_opt.testing.solvers import SOLVER_CHECKS, check_solver
from leo_opt.testing.strategies import STRATEGY_CHECKS, check_strategy
from leo_opt.testing.suite import ConformanceError

__all__ = [
    "BOUNDS_CHECKS",
    "FORMULATION_CHECKS",
    "SOLVER_CHECKS",
    "STRATEGY_CHECKS",
    "ConformanceError",
    "check_bound_method",
    "check_formulation",
    "check_solver",
    "check_strategy",
]
