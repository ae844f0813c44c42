"""What a solver is: its name, package, version and licence, and what it offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import final

from leo_opt.errors import SolverNotAvailableError
from leo_opt.solvers.border import border
from leo_opt.solvers.licences import Licence
from leo_opt.solvers.questions import Feature
from leo_opt.solvers.standard_form import StandardForm


class SolverIdentity(ABC):
    """A solver by name; see `leo_opt.solvers.base`.

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
