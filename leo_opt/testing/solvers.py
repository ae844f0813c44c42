"""The conformance suite of solver backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from leo_opt.solvers import Solver, find
from leo_opt.testing import solver_answers as answers
from leo_opt.testing import solver_scaling as scaling
from leo_opt.testing import solver_sessions as sessions
from leo_opt.testing import solver_stops as stops
from leo_opt.testing.suite import run_checks

SolverCheck = Callable[[Solver], None]

SOLVER_CHECKS: Mapping[str, SolverCheck] = MappingProxyType(
    {
        "optimal": answers.check_optimal,
        "infeasible": answers.check_infeasible,
        "unbounded": answers.check_unbounded,
        "both-senses": answers.check_both_senses,
        "constant": answers.check_constant,
        "tiny-and-huge": answers.check_tiny_and_huge,
        "small-entries": answers.check_small_entries,
        "determinism": answers.check_determinism,
        "sos": answers.check_sos,
        "indicators": answers.check_indicators,
        "time-limit": stops.check_time_limit,
        "relaxation-time": stops.check_relaxation_time,
        "node-limit": stops.check_node_limit,
        "stop-on-incumbent": stops.check_stop_on_incumbent,
        "confirm": stops.check_confirm,
        "stop-on-bound": stops.check_stop_on_bound,
        "interrupt": stops.check_interrupt,
        "user-error": stops.check_user_error,
        "user-cuts": stops.check_user_cuts,
        "lazy-rows": stops.check_lazy_rows,
        "thousand-objectives": sessions.check_thousand_objectives,
        "bounds": sessions.check_bounds,
        "rows": sessions.check_rows,
        "side-by-side": sessions.check_side_by_side,
        "warm-start": sessions.check_warm_start,
        "mip-start": sessions.check_mip_start,
        "fixed-columns": sessions.check_fixed_columns,
        "silence": sessions.check_silence,
        "closing": sessions.check_closing,
        "unknown-option": sessions.check_unknown_option,
        "tolerances": sessions.check_tolerances,
        "description": sessions.check_description,
        "extreme-columns": scaling.check_extreme_columns,
        "extreme-callbacks": scaling.check_extreme_callbacks,
        "large-boxes": scaling.check_large_boxes,
        "extreme-objectives": scaling.check_extreme_objectives,
        "arguments": sessions.check_arguments,
    }
)
"""What a backend must do, by name. A feature that it does not declare must be refused by name."""


def check_solver(solver: Solver | str, only: Iterable[str] | None = None) -> list[str]:
    """Run the conformance suite on a solver.

    Parameters
    ----------
    solver
        A `Solver` or a name that `leo_opt.solvers.find` takes.
    only
        Names of checks, keys of `SOLVER_CHECKS`; all by default.

    Returns
    -------
    list of str
        Names of the checks that passed.

    Raises
    ------
    ConformanceError
        If any check fails.
    InvalidInputError
        If a check is unknown.

    Examples
    --------
    >>> from leo_opt.testing import check_solver
    >>> check_solver("highs", only=["optimal", "infeasible"])
    ['optimal', 'infeasible']
    """
    checked = find(solver)
    return run_checks(f"solver {checked.name}", SOLVER_CHECKS, only, checked)
