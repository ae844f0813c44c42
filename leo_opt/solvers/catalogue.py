"""The solvers by name: ours in one literal table, others through entry points."""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.errors import LeoOptError
from leo_opt.registry import Registry
from leo_opt.solvers.auto import Auto
from leo_opt.solvers.base import Solver
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.pyomo_interfaces import PyomoSolver

SOLVERS: Registry[Solver] = Registry(
    "solver",
    "leo_opt.solvers",
    Solver,
    {
        "highs": "leo_opt.solvers.highs:Highs",
        "gurobi": "leo_opt.solvers.gurobi:Gurobi",
        "cplex": "leo_opt.solvers.cplex:Cplex",
        "scip": "leo_opt.solvers.scip:Scip",
    },
    besides=", auto and pyomo:NAME",
)
"""The backends of this package by name; packages add theirs as entry points."""

PYOMO = "pyomo:"
"""What stands before the name of one of Pyomo's interfaces."""

names = SOLVERS.names


def find(name: str | Solver) -> Solver:
    """The solver of that name.

    Parameters
    ----------
    name
        A key of `SOLVERS`, the name of an entry point, "auto" for the first that takes the
        model, or "pyomo:NAME" for one of Pyomo's interfaces. A `Solver` is given back as it is.

    Raises
    ------
    InvalidInputError
        If no solver has that name.
    SolverNotAvailableError
        If a plug-in cannot be loaded.
    """
    if name == "auto":
        return Auto(find)
    if isinstance(name, str) and name.startswith(PYOMO):
        return PyomoSolver(name.removeprefix(PYOMO), find)
    return SOLVERS.find(name)


@dataclass(frozen=True)
class SolverRecord:
    """What is known of a solver, for `leo-opt solvers`.

    Parameters
    ----------
    installed
        Whether its package is.
    version
        "" where it is not installed.
    install
        The command that installs it.
    features
        Words of `Feature`, sorted.
    problem
        Why nothing can be said of it, or "".
    """

    name: str
    installed: bool
    version: str
    install: str
    licence: Licence
    features: tuple[str, ...]
    problem: str = ""


def survey(probe: bool = False) -> list[SolverRecord]:
    """What is known of every solver.

    Parameters
    ----------
    probe
        Start each solver to find out its licence, which may take a token. Without it licences
        are inferred from files and environment.
    """
    return [_look_at(name, probe) for name in names()]


def _look_at(name: str, probe: bool) -> SolverRecord:
    """What is known of a solver; one that fails is no reason to be silent about the others."""
    try:
        solver = find(name)
        installed = solver.available()
        return SolverRecord(
            name=name,
            installed=installed,
            version=solver.version() if installed else "",
            install=solver.install,
            licence=solver.licence(probe) if installed else Licence("unknown"),
            features=tuple(sorted(solver.features)),
        )
    except LeoOptError as error:
        return SolverRecord(name, False, "", "", Licence("unknown"), (), problem=str(error))
