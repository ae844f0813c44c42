"""Comparison of formulations and solvers: plans, runs that go on after a kill, reports."""

from leo_opt.comparison.agreement import Clash, find_clashes
from leo_opt.comparison.cells import Cell, expand
from leo_opt.comparison.display import show_progress
from leo_opt.comparison.measurement import Measurement, measure
from leo_opt.comparison.outputs import Report, check_folder, write_report
from leo_opt.comparison.plan import Plan, read_plan
from leo_opt.comparison.profiles import Profile, profiles
from leo_opt.comparison.record import Entry, Results, read_results
from leo_opt.comparison.runs import Finished, Found, run_plan
from leo_opt.comparison.summary import summarise, summarise_gaps

__all__ = [
    "Cell",
    "Clash",
    "Entry",
    "Finished",
    "Found",
    "Measurement",
    "Plan",
    "Profile",
    "Report",
    "Results",
    "check_folder",
    "expand",
    "find_clashes",
    "measure",
    "profiles",
    "read_plan",
    "read_results",
    "run_plan",
    "show_progress",
    "summarise",
    "summarise_gaps",
    "write_report",
]
