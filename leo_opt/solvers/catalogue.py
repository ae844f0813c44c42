"""The solvers by name: ours in one literal table, others through entry points."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from leo_opt.arguments import refuse
from leo_opt.errors import InvalidInputError, LeoOptError, unknown_word
from leo_opt.solvers.auto import Auto
from leo_opt.solvers.base import Solver
from leo_opt.solvers.border import border
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.pyomo_interfaces import PyomoSolver

GROUP = "leo_opt.solvers"
"""Entry-point group in which other packages name their `Solver` classes."""

SOLVERS: Mapping[str, str] = MappingProxyType(
    {
        "highs": "leo_opt.solvers.highs:Highs",
        "gurobi": "leo_opt.solvers.gurobi:Gurobi",
        "cplex": "leo_opt.solvers.cplex:Cplex",
        "scip": "leo_opt.solvers.scip:Scip",
    }
)
"""The backends of this package by name."""

PYOMO = "pyomo:"
"""What stands before the name of one of Pyomo's interfaces."""


def names() -> list[str]:
    """Solvers by name: ours, then those of other packages; `find` takes "auto" and more besides."""
    return [*SOLVERS, *sorted(set(_plugins()) - set(SOLVERS))]


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
    SolverError
        If a plug-in cannot be loaded.
    """
    if isinstance(name, Solver):
        return name
    if not isinstance(name, str):
        refuse(name, "solver", "a solver", f"give one of {', '.join(names())}")
    if name in SOLVERS:
        module, _, attribute = SOLVERS[name].partition(":")
        return _made(getattr(importlib.import_module(module), attribute), name)
    plugins = _plugins()
    if name in plugins:
        with border(name, "be loaded from its package"):
            return _made(plugins[name].load(), name)
    if name == "auto":
        return Auto(find)
    if name.startswith(PYOMO):
        return PyomoSolver(name.removeprefix(PYOMO), find)
    raise InvalidInputError(unknown_word("solver", name, [*names(), "auto"], " and pyomo:NAME"))


def _made(factory: Any, name: str) -> Solver:
    solver = factory()
    if not isinstance(solver, Solver):
        raise InvalidInputError(
            f"solver {name!r} is {factory!r}, which does not make a leo_opt.solvers.Solver"
        )
    return solver


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


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
