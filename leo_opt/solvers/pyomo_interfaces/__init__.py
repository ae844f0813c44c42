"""Any other solver that Pyomo knows, as `pyomo:NAME`.

The arrays become a Pyomo model once, and each question writes it out for the solver. Pyomo's
interfaces differ in what they call a bound (GLPK's reports the incumbent as both bounds), so a
bound is passed on only from those that are known to report a true one; the others yield
witnesses only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leo_opt.errors import SolverNotAvailableError
from leo_opt.solvers.base import Solver
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.pyomo_interfaces.options import ENGINES, settings_of
from leo_opt.solvers.pyomo_interfaces.session import PyomoSession
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.state import ModelState

_TRUE_BOUND = frozenset({"appsi_highs", "gurobi_direct"})
"""Pyomo interfaces whose upper bound of a maximisation is a dual bound, as was checked."""

_CHECKED = frozenset({"gurobi", "highs", "scip"})
"""Solvers that this package knows, too, by the same names of options: there they are tried, since
Pyomo hands on what it is given, and some interfaces are silent about it."""


class PyomoSolver(Solver):
    """A solver behind one of Pyomo's interfaces.

    Parameters
    ----------
    interface
        A name that `pyomo.environ.SolverFactory` takes, such as "cbc" or "glpk".
    find
        From the name of a solver of this package to the solver.
    """

    smallest_entry = 1e-9

    def __init__(self, interface: str, find: Callable[[str], Solver]) -> None:
        self.interface = self.package = interface
        self.name = f"pyomo:{interface}"
        self.install = f"install {interface} as its own pages say; see `pyomo help --solvers`"
        engine = ENGINES.get(interface, "")
        self._engine = engine if engine in _CHECKED else ""
        self._find = find
        self.checks_options = bool(self._engine)
        bounds = {Feature.DUAL_BOUND} if interface in _TRUE_BOUND else set()
        self.features = frozenset(bounds)

    def _available(self) -> bool:
        """Whether Pyomo finds the solver."""
        return bool(self.factory().available(exception_flag=False))

    def _version(self) -> str:
        """What the interface tells, or ""."""
        version = self.factory().version()
        return "" if version is None else ".".join(str(part) for part in version).removesuffix(".0")

    def _licence(self, probe: bool) -> Licence:  # noqa: ARG002
        """Not known."""
        return Licence("unknown", detail="Pyomo does not tell")

    def factory(self) -> Any:
        """A new interface object.

        Raises
        ------
        SolverNotAvailableError
            If Pyomo does not know the name.
        """
        import pyomo.environ  # noqa: F401  (registers the interfaces)
        from pyomo.common.log import LoggingIntercept
        from pyomo.opt import UnknownSolver
        from pyomo.opt.base.solvers import SolverFactory

        # Pyomo logs a traceback about a name that it does not know.
        with LoggingIntercept(module="pyomo"):
            factory = SolverFactory(self.interface)
        if isinstance(factory, UnknownSolver):
            raise SolverNotAvailableError(
                f"Pyomo knows no solver {self.interface!r}; see `pyomo help --solvers`"
            )
        return factory

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        settings = settings_of(self.interface, options)
        if options.extra and self._engine:
            self._find(self._engine).check_options(SolverOptions(extra=options.extra))
        return PyomoSession(self, state, options, self.factory, settings)
