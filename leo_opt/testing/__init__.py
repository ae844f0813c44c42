"""Conformance suites for third parties: does a new solver or formulation keep the contract?"""

from __future__ import annotations

from leo_opt.testing.formulations import FORMULATION_CHECKS, check_formulation
from leo_opt.testing.solvers import SOLVER_CHECKS, ConformanceError, check_solver

__all__ = [
    "FORMULATION_CHECKS",
    "SOLVER_CHECKS",
    "ConformanceError",
    "check_formulation",
    "check_solver",
]
