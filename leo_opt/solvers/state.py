"""The bounds and rows in force in a session, in the solver's units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from leo_opt.arrays import BoolArray, FloatArray, IntArray
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers.questions import Rows
from leo_opt.solvers.scaling import Scales
from leo_opt.solvers.standard_form import StandardForm, as_rows, check_bounds, relax_small_entries


class RowHandle:
    """Rows that were added to a session, to be given to `Session.remove`."""


class ModelState:
    """The model of a session as its solver holds it; what it is given is in the caller's units.

    Parameters
    ----------
    form
        In the solver's units.
    smallest_entry
        The solver's, see `Solver`.
    touched : (n,) boolean array
        Columns that lost a small coefficient: their bounds must not become wider than the
        model's, since their rows were widened by what the model's bounds allow.
    units
        The solver's; None is the caller's own.
    """

    def __init__(
        self,
        form: StandardForm,
        smallest_entry: float,
        touched: BoolArray,
        units: Scales | None = None,
    ) -> None:
        self.form = form
        self.units = Scales(np.zeros(form.columns, dtype=np.int64)) if units is None else units
        self.lower = form.column_lower.copy()
        self.upper = form.column_upper.copy()
        self._smallest_entry = smallest_entry
        self._touched = touched.copy()
        self._added: list[tuple[RowHandle, Rows]] = []

    def set_bounds(
        self, columns: ArrayLike, lower: ArrayLike, upper: ArrayLike
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Note new bounds, and give them back as arrays of one length in the solver's units.

        Raises
        ------
        InvalidInputError
            If they are crossed, of no column or twice of one, or wider than the model's where they
            must not be.
        """
        where = self.columns(columns)
        low = _spread(lower, where.size, "lower bounds")
        high = _spread(upper, where.size, "upper bounds")
        names = self.form.column_names
        check_bounds(low, high, lambda k: names[where[k]])
        low, high = self.units.values(low, where), self.units.values(high, where)
        wider = (low < self.form.column_lower[where]) | (high > self.form.column_upper[where])
        refused = wider & self._touched[where]
        if refused.any():
            raise InvalidInputError(
                f"bounds of column {names[where[refused][0]]} cannot be widened: it has a "
                "coefficient that the solver would drop; scale the model"
            )
        self.lower[where], self.upper[where] = low, high
        return where, low, high

    def columns(self, columns: ArrayLike) -> IntArray:
        """Indices of distinct columns as an array.

        Solvers that are given another index write where they should not.

        Raises
        ------
        InvalidInputError
            If one is no column, or stands twice.
        """
        given = np.atleast_1d(np.asarray(columns))
        if given.size and given.dtype.kind not in "iu":
            raise InvalidInputError(
                f"columns are {given.dtype} numbers; give indices (of a mask, np.flatnonzero)"
            )
        where = given.astype(np.int64)
        wrong = where[(where < 0) | (where >= self.form.columns)]
        if wrong.size:
            raise InvalidInputError(
                f"there is no column {wrong[0]}; the model has the columns 0 to "
                f"{self.form.columns - 1}"
            )
        if np.unique(where).size < where.size:
            raise InvalidInputError("a column is given twice; give each once")
        return where

    def prepare_rows(self, rows: Rows) -> Rows:
        """Rows as a backend takes them: compressed, checked, in its units, without small entries.

        Raises
        ------
        InvalidInputError
            If the shapes do not fit or a number makes no sense.
        SolverError
            If the solver would drop an entry at a column that is unbounded, or wider than in the
            model.
        """
        return self._without_small_entries(self._scaled_rows(rows))

    def violated_rows(self, rows: Rows, point: FloatArray, tolerance: float) -> Rows | None:
        """Those of the rows that a point of the solver violates, as a backend takes them.

        Raises
        ------
        InvalidInputError, SolverError
            As `prepare_rows`.
        """
        violated = violated_rows(self._scaled_rows(rows), point, tolerance)
        return None if violated is None else self._without_small_entries(violated)

    def _without_small_entries(self, rows: Rows) -> Rows:
        matrix, lower, upper = rows.matrix, rows.lower, rows.upper
        if not (np.abs(matrix.data) <= self._smallest_entry).any():
            return rows
        kept, lower, upper, touched = relax_small_entries(
            matrix, lower, upper, self._smallest_entry, self.form
        )
        # The rows were widened by what the model's own bounds allow.
        wider = (self.lower < self.form.column_lower) | (self.upper > self.form.column_upper)
        if (wider & touched).any():
            raise SolverError(
                f"column {self.form.column_names[np.flatnonzero(wider & touched)[0]]} has wider "
                "bounds than the model's, and in an added row a coefficient that the solver would "
                "drop; scale the row"
            )
        self._touched |= touched
        return Rows(kept, lower, upper)

    def _scaled_rows(self, rows: Rows) -> Rows:
        """Checked rows in compressed rows and the solver's units, with a number for each side."""
        dense = isinstance(rows.matrix, (np.ndarray, list))
        matrix = as_rows(np.atleast_2d(rows.matrix) if dense else rows.matrix, self.form.columns)
        lower = _spread(rows.lower, matrix.shape[0], "lower sides")
        upper = _spread(rows.upper, matrix.shape[0], "upper sides")
        check_bounds(lower, upper, lambda k: f"added row {k}")
        return self.units.rows(Rows(matrix, lower, upper))

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

    @property
    def row_count(self) -> int:
        """Number of the form's rows and the added ones."""
        return self.form.rows + sum(rows.lower.size for _, rows in self._added)

    def rows(self) -> tuple[Any, FloatArray, FloatArray]:
        """Matrix, lower and upper sides of the form's rows and then the added ones."""
        if not self._added:
            return self.form.matrix, self.form.row_lower, self.form.row_upper
        blocks = [rows for _, rows in self._added]
        matrix = sparse.vstack([self.form.matrix, *(rows.matrix for rows in blocks)], format="csr")
        lower = np.concatenate([self.form.row_lower, *(rows.lower for rows in blocks)])
        upper = np.concatenate([self.form.row_upper, *(rows.upper for rows in blocks)])
        return matrix, lower, upper

    def current(self) -> StandardForm:
        """The model with the bounds and rows in force."""
        matrix, lower, upper = self.rows()
        return replace(
            self.form,
            matrix=matrix,
            row_lower=lower,
            row_upper=upper,
            row_names=(
                *self.form.row_names,
                *(f"added{k}" for k in range(lower.size - self.form.rows)),
            ),
            column_lower=self.lower,
            column_upper=self.upper,
        )


def _spread(values: ArrayLike, size: int, name: str) -> FloatArray:
    """An array of `size` numbers from as many or from one."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (1,), (size,)):
        raise InvalidInputError(f"{name} have shape {array.shape}; one number or {size} are needed")
    return np.array(np.broadcast_to(array, (size,)))


def violated_rows(rows: Rows, point: FloatArray, tolerance: float) -> Rows | None:
    """Rows in units in which a solver can tell that a point (n,) violates them; None without any.

    Their largest coefficients are brought to about 1 by powers of two. What the point then violates
    by no more than the tolerance is satisfied to the solver, and would be asked for again for ever.
    """
    matrix = rows.matrix
    largest = np.asarray(abs(matrix).max(axis=1).todense(), dtype=np.float64).ravel()
    exponent = np.where(largest > 0.0, -np.frexp(largest)[1], 0)
    data = np.ldexp(matrix.data, np.repeat(exponent, np.diff(matrix.indptr)))
    scaled = sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    lower, upper = np.ldexp(rows.lower, exponent), np.ldexp(rows.upper, exponent)
    activity = scaled @ point
    allowed = tolerance * np.maximum(1.0, np.abs(activity))
    kept = np.flatnonzero((activity < lower - allowed) | (activity > upper + allowed))
    return Rows(scaled[kept], lower[kept], upper[kept]) if kept.size else None
