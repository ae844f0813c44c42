"""The conformance suite of formulations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from leo_opt.errors import InvalidInputError
from leo_opt.formulations import Formulation, find
from leo_opt.solvers import Solver
from leo_opt.solvers import find as find_solver
from leo_opt.solvers import names as solver_names
from leo_opt.testing import formulation_laws as laws
from leo_opt.testing.suite import run_checks

FormulationCheck = Callable[[Formulation, Solver], None]

FORMULATION_CHECKS: Mapping[str, FormulationCheck] = MappingProxyType(
    {
        "description": laws.check_description,
        "outputs": laws.check_outputs,
        "meaning-of-the-binary": laws.check_binaries,
        "optima": laws.check_optima,
        "relaxation": laws.check_relaxation,
        "given-bounds": laws.check_given_bounds,
        "stable-units": laws.check_stable_units,
        "extreme-ranges": laws.check_extreme_ranges,
        "two-in-one-model": laws.check_two_in_one_model,
        "filled-points": laws.check_filled_points,
        "separated-rows": laws.check_separated_rows,
    }
)
"""What a formulation must do, by name."""


def check_formulation(
    formulation: Formulation | str,
    solver: Solver | str | None = None,
    only: Iterable[str] | None = None,
) -> list[str]:
    """Run the conformance suite on a formulation.

    Parameters
    ----------
    formulation
        A `Formulation` or a name that `leo_opt.formulations.find` takes.
    solver
        By default the first installed one that offers what the formulation needs.
    only
        Names of checks, keys of `FORMULATION_CHECKS`; all by default.

    Returns
    -------
    list of str
        Names of the checks that passed.

    Raises
    ------
    ConformanceError
        If any check fails.
    InvalidInputError
        If a check is unknown, or no installed solver offers what the formulation needs.

    Examples
    --------
    >>> from leo_opt.testing import check_formulation
    >>> check_formulation("big-m", only=["description", "outputs"])
    ['description', 'outputs']
    """
    checked = find(formulation)
    able = solver_for(checked) if solver is None else find_solver(solver)
    return run_checks(f"formulation {checked.name}", FORMULATION_CHECKS, only, checked, able)


def solver_for(formulation: Formulation) -> Solver:
    """The first installed solver that offers what a formulation needs.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    for name in solver_names():
        solver = find_solver(name)
        if solver.available() and formulation.needs <= solver.features:
            return solver
    raise InvalidInputError(
        f"{formulation.name} needs {', '.join(sorted(formulation.needs))}, which no installed "
        "solver offers; install one that does: pip install 'leo-opt[scip]'"
    )
