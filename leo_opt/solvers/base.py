"""The contract between this package and any MILP solver.

A `Solver` opens a `Session` on a compiled model; a session answers many questions about it. An
answer is a value: infeasible, a limit and an error are answers, and prove nothing. A new solver
is a subclass of each: it writes the methods with an underscore, and whatever they throw becomes a
`SolverError` here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import final

from leo_opt.errors import SolverError, SolverNotAvailableError
from leo_opt.solvers.border import border
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.scaling import scale
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState


class Solver(ABC):
    """A solver by name.

    Attributes
    ----------
    name
        The word that names it.
    package, install
        The Python package it needs, and the command that installs it.
    features
        What it offers.
    smallest_entry
        Matrix entries up to this magnitude would be dropped by the solver without a word; they
        are left out by hand, and their rows widened by what they could have contributed.
    checks_options
        Whether an option in `SolverOptions.extra` that it does not know is refused; what is not
        checked is not said to be in force.
    """

    name: str
    package: str
    install: str
    features: frozenset[Feature]
    smallest_entry: float = 0.0
    checks_options: bool = True

    # What a backend writes.

    def _available(self) -> bool:
        """Whether the package is installed; imports nothing and takes no licence."""
        return find_spec(self.package) is not None

    @abstractmethod
    def _version(self) -> str:
        """The solver's own version; takes no licence."""

    @abstractmethod
    def _licence(self, probe: bool) -> Licence:
        """What the licence allows; `probe` as in `licence`."""

    def size(self, form: StandardForm) -> tuple[int, int]:
        """Rows and columns of a model as the solver's licence counts them."""
        return form.rows + len(form.indicators) + len(form.sos), form.columns

    @abstractmethod
    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        """A session on `state.form`, which has no entries up to `smallest_entry`."""

    # What everybody uses.

    @final
    def available(self) -> bool:
        """Whether the package is installed; imports nothing and takes no licence."""
        with border(self.name, "say whether it is installed"):
            return self._available()

    @final
    def require(self) -> None:
        """Refuse to go on without the solver.

        Raises
        ------
        SolverNotAvailableError
            If its package is not installed, with the command that installs it.
        """
        if not self.available():
            raise SolverNotAvailableError(
                f"solver {self.name} needs {self.package}: {self.install}"
            )

    @final
    def version(self) -> str:
        """The solver's own version; takes no licence."""
        with border(self.name, "tell its version"):
            return self._version()

    @final
    def licence(self, probe: bool = False) -> Licence:
        """What the licence allows, as files and environment tell.

        Parameters
        ----------
        probe
            Start the solver to find out.
        """
        with border(self.name, "tell its licence"):
            return self._licence(probe)

    def open(self, form: StandardForm, options: SolverOptions | None = None) -> Session:
        """Load a compiled model.

        Raises
        ------
        SolverNotAvailableError
            If the solver's package is missing.
        SolverError
            If the model needs a feature that the solver lacks, is too large for its licence, or
            holds an entry that the solver would drop; or if the solver fails.
        InvalidInputError
            If an option is unknown to the solver.
        """
        self.require()
        lacks = needs_of(form) - self.features
        if lacks:
            raise SolverError(
                f"the model needs {', '.join(sorted(lacks))}, which {self.name} lacks; take "
                "another formulation or solver (`leo-opt solvers` shows what each offers)"
            )
        rows, columns = self.size(form)
        self.licence().check(self.name, rows, columns)
        scaled, units = scale(form)
        kept, touched = scaled.without_small_entries(self.smallest_entry)
        state = ModelState(kept, self.smallest_entry, touched, units)
        with border(self.name, "open a session"):
            session = self._open(state, options or SolverOptions())
        if form.fixed_columns.size:
            try:
                session.fix(form.fixed_columns, form.fixed_values)
            except BaseException:
                session.close()
                raise
        return session


def needs_of(form: StandardForm) -> frozenset[Feature]:
    """Features that a model needs."""
    kinds = {1: Feature.SOS1, 2: Feature.SOS2}
    needs = {kinds[group.kind] for group in form.sos}
    return frozenset(needs | ({Feature.INDICATOR} if form.indicators else set()))
