"""CPLEX through its own Python package: what it is and what its licence allows.

References
----------
IBM ILOG CPLEX Optimization Studio, Python API reference manual.
"""

from __future__ import annotations

import os
from importlib import metadata

from leo_opt.solvers.base import Solver
from leo_opt.solvers.cplex.session import TOO_LARGE, CplexSession
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.state import ModelState

_LARGEST = 1000
"""Most rows and most columns of the community edition."""


class Cplex(Solver):
    """The CPLEX backend."""

    name = "cplex"
    package = "cplex"
    install = "pip install 'leo-opt[cplex]'"
    features = frozenset(Feature)
    smallest_entry = 1e-13

    def _version(self) -> str:
        """Version of the CPLEX library."""
        import cplex

        return str(cplex.__version__)

    def _licence(self, probe: bool) -> Licence:
        """What the environment and the kind of installation tell, or a start of CPLEX."""
        if probe:
            return _probe()
        if os.environ.get("CPLEX_STUDIO_KEY"):
            return Licence("full", detail="environment variable CPLEX_STUDIO_KEY; not tried")
        if _comes_from_pypi():
            return Licence(
                "community", _LARGEST, _LARGEST, "the package from PyPI, without CPLEX_STUDIO_KEY"
            )
        return Licence("unknown", detail="installed from a CPLEX Studio; probe it to find out")

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        return CplexSession(self, state, options)


def _comes_from_pypi() -> bool:
    """Whether pip installed a wheel; a CPLEX Studio brings its package without one."""
    try:
        files = metadata.distribution("cplex").files or []
    except metadata.PackageNotFoundError:
        return False
    return any(file.name == "WHEEL" for file in files)


def _probe() -> Licence:
    """Start CPLEX on a model just beyond the community edition."""
    import cplex

    try:
        with cplex.Cplex() as model:
            for silence in (model.set_log_stream, model.set_results_stream):
                silence(None)
            for silence in (model.set_warning_stream, model.set_error_stream):
                silence(None)
            model.variables.add(ub=[1.0] * (_LARGEST + 1))
            model.solve()
    except cplex.exceptions.CplexSolverError as error:
        if error.args[2] == TOO_LARGE:
            return Licence("community", _LARGEST, _LARGEST, "found out by starting it")
        return Licence("unknown", detail=f"CPLEX does not solve: {error.args[0]}")
    except cplex.exceptions.CplexError as error:
        return Licence("unknown", detail=f"CPLEX does not start: {error}")
    return Licence("full", detail="found out by starting it")
