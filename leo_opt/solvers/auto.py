"""The first solver of a literal order that is installed and takes the model, as `auto`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from leo_opt.errors import SolverError, SolverNotAvailableError
from leo_opt.solvers.base import Solver
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState

ORDER = ("gurobi", "cplex", "scip", "highs")
"""Which is tried first. The first two are the fastest on the models of this package."""

_log = logging.getLogger("leo_opt.solvers")


class Auto(Solver):
    """Chooses a solver for each model; `Session.solver` and `Answer.solver` say which.

    Parameters
    ----------
    find
        From a name to a solver.
    order
        Names, in the order of preference.
    """

    name = "auto"
    package = "highspy"
    install = "pip install highspy"

    def __init__(self, find: Callable[[str], Solver], order: Sequence[str] = ORDER) -> None:
        self._find = find
        self._order = tuple(order)
        installed = [solver for solver in map(find, self._order) if solver.available()]
        # What all of them offer is what can be relied on.
        self.features = frozenset(Feature).intersection(*(s.features for s in installed))

    def _available(self) -> bool:
        """Whether any solver of the order is installed."""
        return any(self._find(name).available() for name in self._order)

    def _version(self) -> str:
        """The order of preference; each answer has the version of its own solver."""
        return " > ".join(self._order)

    def _licence(self, probe: bool) -> Licence:  # noqa: ARG002
        """That of the solver it takes."""
        return Licence("unknown", detail="depends on the solver taken")

    def open(self, form: StandardForm, options: SolverOptions | None = None) -> Session:
        """Open a session of the first solver of the order that takes the model.

        Raises
        ------
        SolverError
            If none does, with the reason of each.
        """
        reasons = []
        for name in self._order:
            solver = self._find(name)
            try:
                session = solver.open(form, options)
            except (SolverError, SolverNotAvailableError) as error:
                reasons.append(str(error))
                _log.info("auto: not %s: %s", name, error)
                continue
            _log.info("auto: %s %s takes the model", name, solver.version())
            return session
        raise SolverError(f"no solver takes the model: {'; '.join(reasons)}")

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        """Never called, as `open` hands the model on."""
        raise NotImplementedError
