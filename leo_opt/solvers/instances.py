"""Sessions of solvers that keep a MILP and its linear relaxation apart.

Branch and bound would throw away the basis of the relaxation, and the relaxation the state of
branch and bound, so each kind of question has a solver object of its own, made when first needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress

from leo_opt.solvers.base import Solver
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Question, Rows, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import FloatArray, IntArray
from leo_opt.solvers.state import ModelState


class Instance(ABC):
    """One solver object with the model as it is now, for one kind of question.

    The methods do what those of `Session` with an underscore do.
    """

    @property
    @abstractmethod
    def tolerances(self) -> Mapping[str, float]:
        """Names and values of the solver's tolerances in force."""

    @abstractmethod
    def solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question."""

    @abstractmethod
    def set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""

    @abstractmethod
    def add_rows(self, rows: Rows) -> None:
        """Append rows."""

    @abstractmethod
    def remove_rows(self, first: int, count: int) -> None:
        """Delete rows; later ones move up."""

    @abstractmethod
    def forget(self) -> None:
        """Drop basis and solution."""

    @abstractmethod
    def close(self) -> None:
        """Give memory and licence back."""


class PairSession(Session):
    """A session on up to two instances: one for MILPs, one for linear relaxations.

    Parameters
    ----------
    make
        Makes an instance of the model as `state` has it; True for the relaxation.
    """

    def __init__(
        self,
        solver: Solver,
        state: ModelState,
        options: SolverOptions,
        make: Callable[[bool], Instance],
    ) -> None:
        super().__init__(solver, state, options)
        self._make = make
        self._main = not state.form.discrete
        self._instances = {self._main: make(self._main)}

    def _instance(self, relaxation: bool) -> Instance:
        if relaxation not in self._instances:
            self._instances[relaxation] = self._make(relaxation)
        return self._instances[relaxation]

    @property
    def tolerances(self) -> Mapping[str, float]:
        """The solver's own names, with the values in force."""
        return self._instance(self._main).tolerances

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        instance = self._instance(question.relaxation)
        try:
            return instance.solve(question, guard)
        except BaseException:
            # Nobody knows what is left of it; the next question has another one.
            del self._instances[question.relaxation]
            with suppress(Exception):
                instance.close()
            raise

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        for instance in self._instances.values():
            instance.set_bounds(columns, lower, upper)

    def _add_rows(self, rows: Rows) -> None:
        for instance in self._instances.values():
            instance.add_rows(rows)

    def _remove_rows(self, first: int, count: int) -> None:
        for instance in self._instances.values():
            instance.remove_rows(first, count)

    def forget(self) -> None:
        """Drop what earlier questions left behind."""
        for instance in self._instances.values():
            instance.forget()

    def _close(self) -> None:
        for instance in self._instances.values():
            instance.close()
        self._instances.clear()
