"""The contract between this package and any MILP solver: all that an author of a backend must know.

A backend is two classes. A `Solver` says what it is and opens sessions; a `Session` is one model
loaded in it, and answers many questions about that model. An author writes the methods with an
underscore, and class attributes; all others are inherited.

`Solver`: `name`, `package`, `install`, `features`, `smallest_entry` and `checks_options`, and

* `_version()` and `_licence(probe)`, which take no licence unless `probe` is True;
* `_open(state, options)`, which returns a session or raises `InvalidInputError` for an option that
  the solver does not know;
* where the usual answer is wrong, `_available()` and `size(form)`.

`Session`: `tolerances` and

* `_solve(question, guard)`: always a maximisation. The answer has a termination word, the dual
  bound, the best point, and, of a linear relaxation, `row_duals` or a `ray`; nodes and iterations
  where they are known. Everything else is filled in. A dual bound is a true one or None.
* `_set_bounds(columns, lower, upper)`, `_add_rows(rows)`, `_remove_rows(first, count)`: changes of
  the model. `self.state` has them already, but for the rows that are being added.
* `_close()`: gives memory and licence back.
* `_load()`: makes the solver's object from `self.state`. A backend that reads the state anew for
  each question has no object, and leaves this and the three changes empty.
* `_relaxed()`: a second session, made with `relaxation=True`, for the linear relaxations of a MILP,
  where the solver had better not mix them; `self.relaxation` then says which of the two it is.
* `_forget()`: drops the basis and all else that an earlier question left behind.
* `_guards(question)`: False where Ctrl-C may pass as it is.

What is promised to a backend: all arrays are float64 or int64 of the right size, checked, matrices
in compressed rows, and columns and objectives in units in which they are of usual size (`scaling`).
It never sees the caller's units: `self.form` and `self.state` are in its own. Matrices hold no
entry up to `smallest_entry`. What a question needs is in `features`. A `Watch` does the work of a
callback, and calls the caller's functions, which must not raise through a solver's C code.

What is asked of it: it prints nothing, and what it throws is no evidence of anything. An exception
of a solve is an answer with the word `error`, after which `_load` is called again; one of a change
is the end of the session, and any other a `SolverError`. Answers are doubted (`doubts`) before
anybody sees them. `leo_opt.testing.check_solver` holds a backend to all this.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from leo_opt.errors import SolverError
from leo_opt.solvers.border import border
from leo_opt.solvers.identity import SolverIdentity
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.scaling import scale
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState


class Solver(SolverIdentity):
    """A solver that opens sessions on models.

    Attributes
    ----------
    name, package, install, features, smallest_entry, checks_options
        See `SolverIdentity`.
    """

    @abstractmethod
    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        """A session on `state.form`, which has no entries up to `smallest_entry`."""

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

    def check_options(self, options: SolverOptions) -> None:
        """Try options on a model of one column, where the solver is installed.

        Raises
        ------
        LeoOptError
            As `open`.
        """
        if self.available():
            zero, one = np.zeros(1), np.ones(1)
            form = StandardForm(np.ones((1, 1)), zero, one, zero, one, np.array([True]))
            self.open(form, options).close()


def needs_of(form: StandardForm) -> frozenset[Feature]:
    """Features that a model needs."""
    kinds = {1: Feature.SOS1, 2: Feature.SOS2}
    needs = {kinds[group.kind] for group in form.sos}
    return frozenset(needs | ({Feature.INDICATOR} if form.indicators else set()))
