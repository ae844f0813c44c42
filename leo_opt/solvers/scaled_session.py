"""A session whose solver holds some columns in other units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from leo_opt.errors import LeoOptError
from leo_opt.solvers.column_scaling import scale_matrix
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Question, Rows, Separator, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import FloatArray, IntArray, StandardForm
from leo_opt.solvers.state import ModelState, RowHandle


class ScaledSession(Session):
    """Hands everything on to a session on scaled columns, and its answers back in natural units.

    Parameters
    ----------
    inner
        Session on `scale_columns(form, exponent)`.
    form
        The model in natural units.
    exponent : (n,) integer array
    """

    def __init__(
        self, inner: Session, form: StandardForm, exponent: IntArray, options: SolverOptions
    ) -> None:
        untouched = np.zeros(form.columns, dtype=np.bool_)
        super().__init__(inner.solver, ModelState(form, 0.0, untouched), options)
        self._inner = inner
        self._exponent = exponent
        self._handles: list[tuple[RowHandle, int]] = []

    def _scaled(self, point: FloatArray) -> FloatArray:
        return np.asarray(np.ldexp(point, self._exponent), dtype=np.float64)

    def _natural(self, point: FloatArray) -> FloatArray:
        return np.asarray(np.ldexp(point, -self._exponent), dtype=np.float64)

    def _guards(self, question: Question) -> bool:
        return self._inner._guards(question)

    @property
    def tolerances(self) -> Mapping[str, float]:
        """Those of the solver, of columns in its units."""
        return self._inner.tolerances

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        confirm = question.confirm
        handed = replace(
            question,
            objective=self._natural(question.objective),
            confirm=None if confirm is None else lambda point: confirm(self._natural(point)),
            separate=self._separator(question.separate),
            lazy=self._separator(question.lazy),
            start=None if question.start is None else self._scaled(question.start),
        )
        answer = self._inner._solve_scaled(handed, guard)
        point = answer.point
        return replace(answer, point=None if point is None else self._natural(point))

    def _separator(self, separator: Separator | None) -> Separator | None:
        """A separator of scaled points and rows."""
        if separator is None:
            return None

        def separate(point: FloatArray) -> Rows | None:
            rows = separator(self._natural(point))
            return None if rows is None else self._inner._violated(self._rows(rows), point)

        return separate

    def _violated(self, rows: Rows, point: FloatArray) -> Rows | None:  # noqa: ARG002
        """Rows as they are: what is violated is seen in the solver's units."""
        return rows

    def _rows(self, rows: Rows) -> Rows:
        return Rows(scale_matrix(rows.matrix, self._exponent), rows.lower, rows.upper)

    @contextmanager
    def _changing(self, act: str) -> Iterator[None]:  # noqa: ARG002
        """The session inside knows whether its own model is what it should be."""
        yield

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        exponent = self._exponent[columns]
        try:
            self._inner.set_bounds(columns, np.ldexp(lower, exponent), np.ldexp(upper, exponent))
        except LeoOptError:
            before = self._inner.state
            self.state.lower[columns] = np.ldexp(before.lower[columns], -exponent)
            self.state.upper[columns] = np.ldexp(before.upper[columns], -exponent)
            raise

    def _add_rows(self, rows: Rows) -> None:
        scaled = self._rows(rows)
        handle = self._inner.add_rows(scaled.matrix, scaled.lower, scaled.upper)
        self._handles.append((handle, rows.lower.size))

    def _remove_rows(self, first: int, count: int) -> None:
        # Rows go as they came: all that one call added.
        at = self.form.rows
        for position, (handle, size) in enumerate(self._handles):
            if at == first:
                self._inner.remove(handle)
                del self._handles[position]
                return
            at += size
        raise AssertionError(f"no rows start at {first}; {count} were to go")

    def forget(self) -> None:
        """Drop what earlier questions left behind."""
        self._inner.forget()

    def _close(self) -> None:
        self._inner.close()
