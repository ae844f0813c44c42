"""What the solvers behind Pyomo's interfaces call the options."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.questions import SolverOptions

_OPTIONAL = frozenset({"threads", "seed"})
"""Fields that do no harm where a solver has no such option."""

ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "appsi_gurobi": "gurobi",
        "appsi_highs": "highs",
        "cplex_direct": "cplex",
        "cplex_persistent": "cplex",
        "gurobi_direct": "gurobi",
        "gurobi_persistent": "gurobi",
        "highs": "highs",
        "scip_direct": "scip",
        "scip_persistent": "scip",
    }
)
"""By interface, the solver behind it, where it is one of several."""

_OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cbc": {
            "relative_gap": "ratioGap",
            "absolute_gap": "allowableGap",
            "threads": "threads",
            "seed": "randomSeed",
        },
        "cplex": {
            "relative_gap": "mip_tolerances_mipgap",
            "absolute_gap": "mip_tolerances_absmipgap",
            "threads": "threads",
            "seed": "randomseed",
        },
        "glpk": {"relative_gap": "mipgap"},
        "gurobi": {
            "relative_gap": "MIPGap",
            "absolute_gap": "MIPGapAbs",
            "threads": "Threads",
            "seed": "Seed",
            "time_limit": "TimeLimit",
        },
        # HiGHS keeps one number of threads for all that runs in a process.
        "highs": {
            "relative_gap": "mip_rel_gap",
            "absolute_gap": "mip_abs_gap",
            "seed": "random_seed",
        },
        "scip": {
            "relative_gap": "limits/gap",
            "absolute_gap": "limits/absgap",
            "seed": "randomization/randomseedshift",
        },
    }
)


def names_of(interface: str) -> Mapping[str, str]:
    """The solver's names for fields of `SolverOptions`, as far as they are known."""
    return _OPTIONS.get(ENGINES.get(interface, interface), {})


def settings_of(interface: str, options: SolverOptions) -> dict[str, object]:
    """The solver's options for the fields that were given.

    Raises
    ------
    InvalidInputError
        If a field was given and the solver's name for it is not known.
    """
    names, usual = names_of(interface), SolverOptions()
    settings: dict[str, object] = dict(options.extra)
    for field in (
        "threads",
        "seed",
        "relative_gap",
        "absolute_gap",
        "feasibility_tolerance",
        "integrality_tolerance",
    ):
        value = getattr(options, field)
        if field in names:
            settings[names[field]] = value
        elif value != getattr(usual, field) and field not in _OPTIONAL:
            raise InvalidInputError(
                f"pyomo:{interface} has no known name for {field}; give it by the solver's own "
                "name in SolverOptions.extra"
            )
    return settings
