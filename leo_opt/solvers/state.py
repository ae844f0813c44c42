"""The bounds and rows in force in a session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.questions import Rows
from leo_opt.solvers.standard_form import (
    BoolArray,
    FloatArray,
    IntArray,
    StandardForm,
    as_rows,
    check_bounds,
    relax_small_entries,
)


class RowHandle:
    """Rows that were added to a session, to be given to `Session.remove`."""


class ModelState:
    """What a session has changed of its form.

    Parameters
    ----------
    smallest_entry
        The solver's, see `Solver`.
    touched : (n,) boolean array
        Columns that lost a small coefficient: their bounds must not become wider than the
        model's, since their rows were widened by what the model's bounds allow.
    """

    def __init__(self, form: StandardForm, smallest_entry: float, touched: BoolArray) -> None:
        self.form = form
        self.lower = form.column_lower.copy()
        self.upper = form.column_upper.copy()
        self._smallest_entry = smallest_entry
        self._touched = touched.copy()
        self._added: list[tuple[RowHandle, Rows]] = []

    def set_bounds(
        self, columns: ArrayLike, lower: ArrayLike, upper: ArrayLike
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Note new bounds, and give them back as arrays of one length.

        Raises
        ------
        InvalidInputError
            If they are crossed, or wider than the model's where they must not be.
        """
        where = np.atleast_1d(np.asarray(columns, dtype=np.int64))
        low = np.array(np.broadcast_to(np.asarray(lower, dtype=np.float64), where.shape))
        high = np.array(np.broadcast_to(np.asarray(upper, dtype=np.float64), where.shape))
        names = self.form.column_names
        check_bounds(low, high, lambda k: names[where[k]])
        wider = (low < self.form.column_lower[where]) | (high > self.form.column_upper[where])
        refused = wider & self._touched[where]
        if refused.any():
            raise InvalidInputError(
                f"bounds of column {names[where[refused][0]]} cannot be widened: it has a "
                "coefficient that the solver would drop; scale the model"
            )
        self.lower[where], self.upper[where] = low, high
        return where, low, high

    def prepare_rows(self, rows: Rows) -> Rows:
        """Rows as a backend takes them: compressed, checked, without small entries.

        Raises
        ------
        InvalidInputError
            If the shapes do not fit or a number makes no sense.
        SolverError
            If the solver would drop an entry at an unbounded column.
        """
        dense = isinstance(rows.matrix, (np.ndarray, list))
        matrix = as_rows(np.atleast_2d(rows.matrix) if dense else rows.matrix, self.form.columns)
        shape = (matrix.shape[0],)
        lower = np.array(np.broadcast_to(np.asarray(rows.lower, dtype=np.float64), shape))
        upper = np.array(np.broadcast_to(np.asarray(rows.upper, dtype=np.float64), shape))
        check_bounds(lower, upper, lambda k: f"added row {k}")
        if not (np.abs(matrix.data) <= self._smallest_entry).any():
            return Rows(matrix, lower, upper)
        kept, lower, upper, touched = relax_small_entries(
            matrix, lower, upper, self._smallest_entry, self.form
        )
        self._touched |= touched
        return Rows(kept, lower, upper)

    def note_rows(self, rows: Rows) -> RowHandle:
        """Note prepared rows as added."""
        handle = RowHandle()
        self._added.append((handle, rows))
        return handle

    def drop_rows(self, handle: RowHandle) -> tuple[int, int]:
        """Note rows as removed; the first of them and their number.

        Raises
        ------
        InvalidInputError
            If they are not in the model.
        """
        first = self.form.rows
        for position, (known, rows) in enumerate(self._added):
            if known is handle:
                del self._added[position]
                return first, rows.lower.size
            first += rows.lower.size
        raise InvalidInputError("these rows are not in the session; remove each handle once")

    def rows(self) -> tuple[Any, FloatArray, FloatArray]:
        """Matrix, lower and upper sides of the form's rows and then the added ones."""
        if not self._added:
            return self.form.matrix, self.form.row_lower, self.form.row_upper
        blocks = [rows for _, rows in self._added]
        matrix = sparse.vstack([self.form.matrix, *(rows.matrix for rows in blocks)], format="csr")
        lower = np.concatenate([self.form.row_lower, *(rows.lower for rows in blocks)])
        upper = np.concatenate([self.form.row_upper, *(rows.upper for rows in blocks)])
        return matrix, lower, upper
