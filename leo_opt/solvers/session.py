"""A model loaded in a solver: questions in, answers out.

What is common to all solvers happens here: checks of what is asked, minimisation, the bounds and
rows in force, and doubts about what came back.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.closing import Closing
from leo_opt.errors import SolverError
from leo_opt.lazily import lazy
from leo_opt.solvers.arguments import read_array, read_constant, read_limit, read_stop
from leo_opt.solvers.attempts import attempt
from leo_opt.solvers.border import ForeignError, border
from leo_opt.solvers.doubts import blur_of, doubt
from leo_opt.solvers.identity import SolverIdentity
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import (
    Answer,
    Feature,
    Question,
    Rows,
    Separator,
    SolverOptions,
    Termination,
)
from leo_opt.solvers.scaling import scale_objective
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.state import ModelState, RowHandle

_TOLERANCE = 1e-6
"""Violation of a row, with coefficients of about 1, that solvers allow by default."""


class Session(Closing):
    """One model loaded in one solver: many questions, one process, one thread.

    Use it as a context manager, or call `close`.

    Attributes
    ----------
    solver
        The solver behind it; with `solver="auto"` the one that was chosen.
    form
        The model as the solver holds it, in its units; `current` has it in the caller's.
    state
        Bounds and rows in force, in the solver's units.
    relaxation
        Whether the solver's object is, or need only be, the linear relaxation.
    """

    def __init__(
        self,
        solver: SolverIdentity,
        state: ModelState,
        options: SolverOptions,
        relaxation: bool = False,
    ) -> None:
        self.solver = solver
        self.state = state
        self.form = state.form
        self.options = options
        self.relaxation = relaxation or not state.form.discrete
        self._other: Session | None = None
        self._lost = False
        self._process = os.getpid()
        self._closed = False
        self._failed = ""
        # A session on the relaxation of another one's model speaks through that one.
        self._version = "" if relaxation else solver.version()
        try:
            self._load()
        except BaseException:
            with suppress(Exception):
                self._close()
            raise

    # What a backend writes.

    def _load(self) -> None:
        """Make the solver's object from `self.state`; a backend without one has nothing to do.

        Called when the session opens, and again after a solve that threw: nobody knows what is
        left of the object then.
        """

    def _relaxed(self) -> Session | None:
        """A session with `relaxation=True` for the linear relaxations of a MILP, or None.

        Branch and bound would throw away the basis of the relaxation, and the relaxation the state
        of branch and bound; so most backends keep an object for each kind of question. It is made
        when first needed, on the same state. None says that this session answers both kinds.
        """
        return None

    def _guards(self, question: Question) -> bool:  # noqa: ARG002
        """Whether Ctrl-C has to wait until the solver has stopped.

        It must where Python functions run inside the solver's C code, through which no exception
        may travel.
        """
        return True

    @property
    @abstractmethod
    def tolerances(self) -> Mapping[str, float]:
        """Names and values of the solver's tolerances in force."""

    @abstractmethod
    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer a question; incumbent_objective, seconds, tolerances and solver are filled in.

        `guard.hit` becomes True at Ctrl-C: then the solve should end soon.
        """

    @abstractmethod
    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""

    @abstractmethod
    def _add_rows(self, rows: Rows) -> None:
        """Append rows, whose matrix is in compressed rows."""

    @abstractmethod
    def _remove_rows(self, first: int, count: int) -> None:
        """Delete `count` rows from row `first` on; later rows move up."""

    @abstractmethod
    def _close(self) -> None:
        """Give memory and licence back; called once, perhaps after a `_load` that failed."""

    def _forget(self) -> None:
        """Drop what earlier questions left behind, such as the basis."""

    # What everybody uses.

    def maximize(
        self,
        objective: ArrayLike,
        *,
        constant: float = 0.0,
        relaxation: bool = False,
        stop_above: float | None = None,
        stop_below: float | None = None,
        confirm: Callable[[FloatArray], bool] | None = None,
        separate: Separator | None = None,
        lazy: Separator | None = None,
        start: ArrayLike | None = None,
        time_limit: float | None = None,
        node_limit: int | None = None,
    ) -> Answer:
        """Maximise objective @ x + constant.

        Parameters
        ----------
        objective : (n,) array
        relaxation
            Leave out integrality, SOS sets and indicators; the answer carries duals or a ray,
            and the solve starts from the basis of the one before.
        stop_above
            Stop at an incumbent whose objective is greater. With `confirm`, which is given the
            incumbent's point, only where that returns True. A solver that cannot stop goes on to
            the end, and one that cannot ask is asked again without the stop.
        stop_below
            Stop as soon as the dual bound is less.
        separate, lazy
            Functions from a point to `Rows` that it violates, or None: user cuts, which only
            tighten, and lazy rows, which every incumbent must satisfy.
        start : (n,) array or None
            A point to start from; NaN where unknown.
        time_limit, node_limit
            Seconds and nodes for this question, instead of those of the session's options.

        Raises
        ------
        InvalidInputError
            If an array has the wrong size, or a number is not finite.
        SolverError
            If the session is closed or belongs to another process, or the solver lacks what the
            question needs.
        KeyboardInterrupt
            After Ctrl-C, once the solver has stopped; the session can be used on.
        """
        nodes = read_limit(node_limit, self.options.node_limit, "node_limit")
        question = Question(
            objective=self._array(objective, "objective"),
            constant=read_constant(constant),
            relaxation=relaxation or not self.form.discrete,
            stop_above=read_stop(stop_above, "stop_above"),
            stop_below=read_stop(stop_below, "stop_below"),
            confirm=confirm,
            separate=self._prepared(separate),
            lazy=self._prepared(lazy),
            start=None if start is None else self._array(start, "start", missing=True),
            time_limit=read_limit(time_limit, self.options.time_limit, "time_limit"),
            node_limit=None if nodes is None else int(nodes),
        )
        return self._ask(question)

    def minimize(
        self,
        objective: ArrayLike,
        *,
        constant: float = 0.0,
        relaxation: bool = False,
        stop_above: float | None = None,
        stop_below: float | None = None,
        confirm: Callable[[FloatArray], bool] | None = None,
        separate: Separator | None = None,
        lazy: Separator | None = None,
        start: ArrayLike | None = None,
        time_limit: float | None = None,
        node_limit: int | None = None,
    ) -> Answer:
        """Minimise objective @ x + constant; see `maximize`.

        Here an incumbent stops the solve where its objective is less than `stop_below`, and the
        dual bound where it is greater than `stop_above`.
        """
        return self.maximize(
            -self._array(objective, "objective"),
            constant=-constant,
            relaxation=relaxation,
            stop_above=None if stop_below is None else -stop_below,
            stop_below=None if stop_above is None else -stop_above,
            confirm=confirm,
            separate=separate,
            lazy=lazy,
            start=start,
            time_limit=time_limit,
            node_limit=node_limit,
        ).negated()

    def solve(self) -> Answer:
        """Answer the model's own objective, in its own sense."""
        ask = self.maximize if self.form.maximize else self.minimize
        objective = self.state.units.values(self.form.objective)
        return ask(objective, constant=self.form.constant)

    def set_bounds(self, columns: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> None:
        """Change column bounds for the questions to come.

        Parameters
        ----------
        columns : (k,) integer array
        lower, upper : (k,) arrays or floats

        Raises
        ------
        InvalidInputError
            If there is no such column, one is given twice, bounds are crossed, or they are wider
            than the model's own where a coefficient was too small for the solver.
        """
        self._check_open()
        where, low, high = self.state.set_bounds(columns, lower, upper)
        if where.size:
            with self._changing("change bounds"):
                for part in self._parts():
                    part._set_bounds(where, low, high)

    def fix(self, columns: ArrayLike, values: ArrayLike) -> None:
        """Fix columns at values for the questions to come."""
        self.set_bounds(columns, values, values)

    def free(self, columns: ArrayLike | None = None) -> None:
        """Give columns (all by default) the bounds of the model again."""
        where = self.state.columns(np.arange(self.form.columns) if columns is None else columns)
        lower, upper = self.form.column_lower[where], self.form.column_upper[where]
        back = self.state.units.back
        self.set_bounds(where, back.values(lower, where), back.values(upper, where))

    def add_rows(self, matrix: Any, lower: ArrayLike, upper: ArrayLike) -> RowHandle:
        """Append rows lower <= matrix @ x <= upper for the questions to come.

        Parameters
        ----------
        matrix : (k, n) sparse or dense array
        lower, upper : (k,) arrays

        Returns
        -------
        RowHandle
            What `remove` takes.
        """
        self._check_open()
        rows = self.state.prepare_rows(Rows(matrix, np.asarray(lower), np.asarray(upper)))
        if rows.lower.size:
            with self._changing("add rows"):
                for part in self._parts():
                    part._add_rows(rows)
        return self.state.note_rows(rows)

    def remove(self, handle: RowHandle) -> None:
        """Delete rows that `add_rows` added.

        Raises
        ------
        InvalidInputError
            If the rows are not in the session.
        """
        self._check_open()
        first, count = self.state.drop_rows(handle)
        if count:
            with self._changing("remove rows"):
                for part in self._parts():
                    part._remove_rows(first, count)

    def forget(self) -> None:
        """Drop what earlier questions left behind, such as the basis.

        After it the same question has the same answer as in a new session.
        """
        self._check_open()
        with self._changing("forget"):
            for part in self._parts():
                part._forget()

    def current(self) -> StandardForm:
        """The model with the bounds and rows in force, in the caller's units."""
        return self.state.units.back.form(self.state.current())

    def close(self) -> None:
        """Give the solver's memory and licence back; may be called twice."""
        if not self._closed:
            self._closed = True
            # A child process of a fork must not free what its parent holds.
            if os.getpid() == self._process:
                for part in self._parts():
                    # What fails here must not hide what was answered before.
                    with suppress(ForeignError), border(self.solver.name, "close a session"):
                        part._close()

    # How a question is answered.

    def _parts(self) -> list[Session]:
        """The sessions that hold the model: that of the relaxation before the one it belongs to."""
        return [self] if self._other is None else [self._other, self]

    def _part(self, relaxation: bool) -> Session:
        """The session that answers a kind of question."""
        if relaxation and not self.relaxation and self._other is None:
            self._other = self._relaxed()
        return self._other if relaxation and self._other is not None else self

    def _try(self, question: Question, guard: InterruptGuard) -> Answer:
        try:
            return self._solve(question, guard)
        except BaseException:
            self._lost = True
            raise

    def _ask(self, question: Question) -> Answer:
        self._check_open()
        lacks = question.needs - self.solver.features
        if lacks:
            raise SolverError(
                f"the question needs {', '.join(sorted(lacks))}, which {self.solver.name} lacks"
            )
        question = self.state.units.question(question)
        blur = blur_of(question, self.state, self.options)
        asked = question
        if question.stop_below is not None:
            asked = replace(question, stop_below=question.stop_below - blur)
        answer = replace(
            attempt(self._answer, asked, self.solver.features, self._guards(asked)),
            tolerances=self.tolerances_in_force,
            solver=f"{self.solver.name} {self._version}",
        )
        solved = question.relaxation and answer.termination_condition == Termination.OPTIMAL
        has_bounds = solved or Feature.DUAL_BOUND in self.solver.features
        answer = doubt(answer, question, self.state, has_bounds, blur)
        point = answer.point
        back = self.state.units.back
        return answer if point is None else replace(answer, point=back.values(point))

    def _answer(self, question: Question, guard: InterruptGuard) -> Answer:
        """Ask with an objective of a size that the solver can tell from its tolerances."""
        self._check_whole()
        scaled, back = scale_objective(question)
        try:
            with border(self.solver.name, "answer"):
                return back(self._part(question.relaxation)._try(scaled, guard))
        except ForeignError as error:
            return Answer(Termination.ERROR, message=str(error))

    @lazy
    def tolerances_in_force(self) -> Mapping[str, float]:
        """The tolerances, read once: options do not change in a session."""
        with border(self.solver.name, "tell its tolerances"):
            return MappingProxyType(dict(self.tolerances))

    @contextmanager
    def _changing(self, act: str) -> Iterator[None]:
        """A change of the solver's model; where it fails, nobody knows what the model is now."""
        self._check_whole()
        try:
            with border(self.solver.name, act):
                yield
        except BaseException:
            self._failed = act
            raise

    def _check_whole(self) -> None:
        if self._failed:
            raise SolverError(
                f"the session could not {self._failed}, and its model is not known any more; open "
                "another one"
            )

    def _prepared(self, separator: Separator | None) -> Separator | None:
        """A separator as backends take it: from their points to rows that these violate."""
        if separator is None:
            return None
        state, tolerance = self.state, self.options.feasibility_tolerance or _TOLERANCE

        def separate(point: FloatArray) -> Rows | None:
            rows = separator(state.units.back.values(point))
            return None if rows is None else state.violated_rows(rows, point, tolerance)

        return separate

    def _check_open(self) -> None:
        if self._closed:
            raise SolverError("the session is closed; open another one")
        if os.getpid() != self._process:
            raise SolverError(
                "the session belongs to another process; send the form and open a session there"
            )
        for part in self._parts():
            if part._lost:
                with border(self.solver.name, "load the model again"):
                    part._load()
                part._lost = False

    def _array(self, values: ArrayLike, name: str, missing: bool = False) -> FloatArray:
        return read_array(values, self.form.columns, name, missing)
