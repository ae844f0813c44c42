"""Gurobi through gurobipy: what it is and what its licence allows.

References
----------
Gurobi Optimizer Reference Manual, https://docs.gurobi.com
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.solvers.base import Solver
from leo_opt.solvers.gurobi import environment
from leo_opt.solvers.gurobi.session import TOO_LARGE, GurobiSession
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState

RESTRICTED = Licence("restricted", 2000, 2000, "comes with gurobipy; no licence file was found")


class Gurobi(Solver):
    """The Gurobi backend."""

    name = "gurobi"
    package = "gurobipy"
    install = "pip install 'leo-opt[gurobi]'"
    features = frozenset(Feature)
    smallest_entry = 1e-13

    def _version(self) -> str:
        """Version of the Gurobi library."""
        import gurobipy

        return ".".join(str(part) for part in gurobipy.gurobi.version())

    def _licence(self, probe: bool) -> Licence:
        """What licence files and the environment tell, or what a start of Gurobi shows."""
        if probe:
            return _probe()
        found = _licence_found()
        return RESTRICTED if found is None else Licence("full", detail=f"{found}; not tried")

    def size(self, form: StandardForm) -> tuple[int, int]:
        """Gurobi has rows with one side, so those with two count twice."""
        rows, columns = super().size(form)
        two_sided = _is_range(form.row_lower, form.row_upper).sum()
        return rows + int(two_sided) + _two_sided_indicators(form), columns

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        return GurobiSession(self, state, options)


def _licence_found() -> str | None:
    """The file or variable that holds a licence, in Gurobi's own order, or None."""
    for name in ("GRB_WLSACCESSID", "GRB_COMPUTE_SERVER", "GRB_TOKENSERVER", "GRB_CSCLIENTLOG"):
        if os.environ.get(name):
            return f"environment variable {name}"
    named = os.environ.get("GRB_LICENSE_FILE")
    if named:
        return named
    folders = [Path.home(), *Path("/opt").glob("gurobi*"), *Path("/Library").glob("gurobi*")]
    for folder in folders:
        if (folder / "gurobi.lic").is_file():
            return str(folder / "gurobi.lic")
    return None


def _probe() -> Licence:
    """Start Gurobi on a model just beyond the restricted licence."""
    import gurobipy

    try:
        with (
            environment.borrowed() as own,
            gurobipy.Model(env=own) as model,
        ):
            model.addMVar(2001)
            model.optimize()
    except gurobipy.GurobiError as error:
        if error.errno == TOO_LARGE:
            return Licence("restricted", 2000, 2000, "found out by starting it")
        return Licence("unknown", detail=f"Gurobi does not start or solve: {error}")
    return Licence("full", detail="found out by starting it")


def _is_range(lower: FloatArray, upper: FloatArray) -> Any:
    return np.isfinite(lower) & np.isfinite(upper) & (lower != upper)


def _two_sided_indicators(form: StandardForm) -> int:
    return sum(bool(_is_range(np.array(row.lower), np.array(row.upper))) for row in form.indicators)
