"""Any other solver that Pyomo knows, as `pyomo:NAME`.

The arrays become a Pyomo model once, and each question writes it out for the solver. Pyomo's
interfaces differ in what they call a bound (GLPK's reports the incumbent as both bounds), so a
bound is passed on only from those that are known to report a true one; the others yield
witnesses only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, SolverNotAvailableError
from leo_opt.solvers.base import Solver
from leo_opt.solvers.instances import PairSession
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.pyomo_instance import OPTIONS, PyomoInstance
from leo_opt.solvers.questions import Feature, Question, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState

_TRUE_BOUND = frozenset({"appsi_highs", "gurobi_direct"})
"""Pyomo interfaces whose upper bound of a maximisation is a dual bound, as was checked."""

ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "appsi_highs": "highs",
        "highs": "highs",
        "gurobi_direct": "gurobi",
        "gurobi_persistent": "gurobi",
        "appsi_gurobi": "gurobi",
        "scip_direct": "scip",
    }
)
"""Interfaces to a solver that this package knows, too, and that takes the same options: with it
they are tried, since Pyomo hands on what it is given, and some interfaces are silent about it."""

_OPTIONAL = frozenset({"threads", "seed"})
"""Fields that do no harm where a solver has no such option."""


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
        self._engine = ENGINES.get(interface, "")
        self._find = find
        self.checks_options = bool(self._engine)
        bounds = {Feature.DUAL_BOUND} if interface in _TRUE_BOUND else set()
        self.features = frozenset(bounds)

    def _available(self) -> bool:
        """Whether Pyomo finds the solver."""
        return bool(self._factory().available(exception_flag=False))

    def _version(self) -> str:
        """What the interface tells, or ""."""
        version = self._factory().version()
        return "" if version is None else ".".join(str(part) for part in version).removesuffix(".0")

    def _licence(self, probe: bool) -> Licence:  # noqa: ARG002
        """Not known."""
        return Licence("unknown", detail="Pyomo does not tell")

    def _factory(self) -> Any:
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
        settings = self._settings(options)
        if options.extra and self._engine:
            engine = self._find(self._engine)
            if engine.available():
                engine.open(_smallest_model(), SolverOptions(extra=options.extra)).close()
        return PyomoSession(
            self,
            state,
            options,
            lambda kind: PyomoInstance(
                self._factory(), self.interface, state, settings, options.log_file, kind
            ),
        )

    def _settings(self, options: SolverOptions) -> dict[str, object]:
        """The solver's options for the fields that were given.

        Raises
        ------
        InvalidInputError
            If a field was given and the solver's name for it is not known.
        """
        names, usual = OPTIONS.get(self.interface, {}), SolverOptions()
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
                    f"{self.name} has no known name for {field}; give it by the solver's own name "
                    "in SolverOptions.extra"
                )
        return settings


def _smallest_model() -> StandardForm:
    """0 <= x <= 1, x integral."""
    zero, one = np.zeros(1), np.ones(1)
    return StandardForm(np.ones((1, 1)), zero, one, zero, one, np.array([True]))


class PyomoSession(PairSession):
    """A session that lets Ctrl-C through: its solver is a process, or Pyomo handles it."""

    def _guards(self, question: Question) -> bool:  # noqa: ARG002
        return False
