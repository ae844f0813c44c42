"""SCIP through PySCIPOpt: what it is.

References
----------
S. Bolusani et al., The SCIP Optimization Suite 9.0, 2024; https://scipopt.org
"""

from __future__ import annotations

from functools import cache

from leo_opt.solvers.base import Solver
from leo_opt.solvers.licences import OPEN_SOURCE, Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.scip.relaxation import ScipRelaxation
from leo_opt.solvers.scip.session import ScipSession
from leo_opt.solvers.session import Session
from leo_opt.solvers.state import ModelState


class Scip(Solver):
    """The SCIP backend; it uses one thread whatever `SolverOptions.threads` says."""

    name = "scip"
    package = "pyscipopt"
    install = "pip install 'leo-opt[scip]'"
    features = frozenset(Feature)
    smallest_entry = 1e-9

    def _version(self) -> str:
        """Version of the SCIP library."""
        return _library_version()

    def _licence(self, probe: bool) -> Licence:  # noqa: ARG002
        """Apache 2.0."""
        return OPEN_SOURCE

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        kind = ScipSession if state.form.discrete else ScipRelaxation
        return kind(self, state, options)


@cache
def _library_version() -> str:
    """Asked of a model, once, since making one takes its time."""
    from pyscipopt import Model

    model = Model()
    return f"{model.getMajorVersion()}.{model.getMinorVersion()}.{model.getTechVersion()}"
