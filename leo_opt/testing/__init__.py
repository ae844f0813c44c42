"""Conformance suites for third parties: does a new solver keep the contract?"""

from __future__ import annotations

from leo_opt.testing.solvers import SOLVER_CHECKS, ConformanceError, check_solver

__all__ = ["SOLVER_CHECKS", "ConformanceError", "check_solver"]
