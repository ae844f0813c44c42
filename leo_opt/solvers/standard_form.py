"""A model as arrays: the one thing every solver backend reads.

row_lower <= matrix @ x <= row_upper,  column_lower <= x <= column_upper,
x[integer] integral, plus SOS sets and rows that hold only where a binary has a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from leo_opt.arrays import BoolArray, FloatArray, IntArray
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.lazily import lazy

_EMPTY_INDICES: IntArray = np.zeros(0, dtype=np.int64)
_EMPTY_VALUES: FloatArray = np.zeros(0)


@dataclass(frozen=True, eq=False)
class SosSet:
    """At most `kind` (1 or 2) neighbouring members of the set are nonzero.

    Parameters
    ----------
    columns : (k,) integer array
    weights : (k,) array
        Distinct; they order the members.
    """

    kind: int
    columns: IntArray
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class IndicatorRow:
    """Where x[binary] == active_value: lower <= sum coefficients * x[columns] <= upper."""

    binary: int
    active_value: bool
    columns: IntArray
    coefficients: FloatArray
    lower: float
    upper: float
    name: str = ""


@dataclass(frozen=True, eq=False)
class StandardForm:
    """A mixed-integer linear model as arrays; picklable, and without any Pyomo object.

    Parameters
    ----------
    matrix : (m, n) sparse array, kept in compressed rows
    row_lower, row_upper : (m,) arrays
        May be infinite.
    column_lower, column_upper : (n,) arrays
        The variables' own bounds, also of those that are fixed.
    integer : (n,) boolean array
    column_names, row_names
        One name a column and a row; by default x0, x1 ... and r0, r1 ...
    objective : (n,) array
        The model's own objective, zero if it has none; a question may bring another.
    constant
        Constant of that objective.
    maximize
        Sense of that objective.
    fixed_columns, fixed_values : (k,) arrays
        Columns that are fixed when a session opens; `Session.free` gives them their bounds back.
    sos, indicators
        What not every solver takes.

    Raises
    ------
    InvalidInputError
        If shapes do not fit, a coefficient is not finite, or a bound is NaN or crossed.
    """

    matrix: Any
    row_lower: FloatArray
    row_upper: FloatArray
    column_lower: FloatArray
    column_upper: FloatArray
    integer: BoolArray
    column_names: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()
    objective: FloatArray = field(default_factory=lambda: _EMPTY_VALUES)
    constant: float = 0.0
    maximize: bool = False
    fixed_columns: IntArray = field(default_factory=lambda: _EMPTY_INDICES)
    fixed_values: FloatArray = field(default_factory=lambda: _EMPTY_VALUES)
    sos: tuple[SosSet, ...] = ()
    indicators: tuple[IndicatorRow, ...] = ()

    def __post_init__(self) -> None:
        columns = np.size(self.column_lower)
        rows = np.size(self.row_lower)
        objective = self.objective if np.size(self.objective) else np.zeros(columns)
        values: dict[str, Any] = {
            "matrix": as_rows(self.matrix, columns),
            "row_lower": _vector(self.row_lower, rows, "row_lower"),
            "row_upper": _vector(self.row_upper, rows, "row_upper"),
            "column_lower": _vector(self.column_lower, columns, "column_lower"),
            "column_upper": _vector(self.column_upper, columns, "column_upper"),
            "objective": _vector(objective, columns, "objective"),
            "integer": np.array(self.integer, dtype=np.bool_),
            "fixed_columns": np.array(self.fixed_columns, dtype=np.int64),
            "fixed_values": _vector(self.fixed_values, np.size(self.fixed_columns), "fixed_values"),
            "column_names": tuple(self.column_names) or tuple(f"x{k}" for k in range(columns)),
            "row_names": tuple(self.row_names) or tuple(f"r{k}" for k in range(rows)),
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        self._check(rows, columns)

    def _check(self, rows: int, columns: int) -> None:
        """Refuse what no solver could mean."""
        if self.matrix.shape[0] != rows or self.integer.shape != (columns,):
            raise InvalidInputError(
                f"matrix has {self.matrix.shape[0]} rows and integer {self.integer.size} entries; "
                f"row bounds are of {rows} rows and column bounds of {columns} columns"
            )
        if len(self.column_names) != columns or len(self.row_names) != rows:
            raise InvalidInputError(
                f"{len(self.column_names)} column names and {len(self.row_names)} row names are "
                f"given; {columns} and {rows} are needed"
            )
        check_bounds(self.row_lower, self.row_upper, lambda k: self.row_names[k])
        check_bounds(self.column_lower, self.column_upper, lambda k: self.column_names[k])
        if not np.isfinite(self.objective).all() or not np.isfinite(self.fixed_values).all():
            raise InvalidInputError("the objective or a fixed value is not finite; give numbers")

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.row_lower.size)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.column_lower.size)

    @property
    def discrete(self) -> bool:
        """Whether anything keeps the model from being its own linear relaxation."""
        return bool(self.integer.any() or self.sos or self.indicators)

    @lazy
    def _index(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.column_names)}

    def column(self, name: str) -> int:
        """Index of the column of that name.

        Raises
        ------
        InvalidInputError
            If no column has the name.
        """
        if name not in self._index:
            raise InvalidInputError(f"the model has no column {name!r}; see form.column_names")
        return self._index[name]

    def violation(self, point: ArrayLike) -> float:
        """Largest amount by which a point (n,) violates a row, a bound or integrality.

        A forward pass through a network gives a feasible point of its model, so a large number
        here convicts the model, and a small one convicts a solver that says "infeasible".
        """
        x = np.asarray(point, dtype=np.float64)
        activity = self.matrix @ x
        parts = [
            self.row_lower - activity,
            activity - self.row_upper,
            self.column_lower - x,
            x - self.column_upper,
            np.abs(x - np.round(x))[self.integer],
            np.abs(x[self.fixed_columns] - self.fixed_values),
        ]
        for row in self.indicators:
            if (x[row.binary] > 0.5) == row.active_value:
                value = float(row.coefficients @ x[row.columns])
                parts.append(np.array([row.lower - value, value - row.upper]))
        for group in self.sos:
            sizes = np.abs(x[group.columns[np.argsort(group.weights)]])
            windows = np.convolve(sizes, np.ones(group.kind), mode="valid")
            parts.append(np.array([sizes.sum() - windows.max(initial=0.0)]))
        return float(max((part.max(initial=0.0) for part in parts), default=0.0))

    def without_small_entries(self, threshold: float) -> tuple[StandardForm, BoolArray]:
        """This model without matrix entries up to `threshold`, and which columns lost one.

        Solvers drop such entries silently. Here each row is widened by all that the dropped
        entries can contribute, so that every point of this model is one of the result.

        Raises
        ------
        SolverError
            If a small entry stands at a column without finite bounds.
        """
        if not small_entries(self.matrix, threshold).any():
            return self, np.zeros(self.columns, dtype=np.bool_)
        relaxed = relax_small_entries(self.matrix, self.row_lower, self.row_upper, threshold, self)
        matrix, row_lower, row_upper, touched = relaxed
        form = replace(self, matrix=matrix, row_lower=row_lower, row_upper=row_upper)
        return form, touched


def as_rows(matrix: Any, columns: int) -> Any:
    """A canonical compressed-row float64 copy with `columns` columns.

    Raises
    ------
    InvalidInputError
        If the width differs or an entry is not finite.
    """
    rows = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise InvalidInputError(
            f"the matrix has shape {rows.shape}; it needs {columns} columns, one a variable"
        )
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if not np.isfinite(rows.data).all():
        raise InvalidInputError("the matrix holds an entry that is not finite; give numbers")
    return rows


def check_bounds(lower: FloatArray, upper: FloatArray, name: Callable[[int], str]) -> None:
    """Refuse NaN, crossed bounds, and bounds that no number lies between.

    Raises
    ------
    InvalidInputError
        Naming the first such row or column.
    """
    wrong = ~(lower <= upper) | (lower == np.inf) | (upper == -np.inf)
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise InvalidInputError(
            f"{name(k)} has the bounds [{lower[k]}, {upper[k]}]; lower <= upper is needed"
        )


def small_entries(matrix: Any, threshold: float) -> BoolArray:
    """Which stored entries of a compressed-row matrix are at most `threshold` in magnitude."""
    small: BoolArray = np.abs(matrix.data) <= threshold
    return small


def relax_small_entries(
    matrix: Any, lower: FloatArray, upper: FloatArray, threshold: float, form: StandardForm
) -> tuple[Any, FloatArray, FloatArray, BoolArray]:
    """Rows over the columns of `form` without small entries, widened by what these contribute.

    Returns
    -------
    matrix, lower, upper
        The widened rows.
    touched : (n,) boolean array
        Columns that lost an entry; their bounds must never be widened again.

    Raises
    ------
    SolverError
        If a small entry stands at a column without finite bounds.
    """
    small = small_entries(matrix, threshold)
    columns = matrix.indices[small]
    row_of = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[small]
    ends = np.stack([form.column_lower[columns], form.column_upper[columns]])
    if not np.isfinite(ends).all():
        k = int(np.flatnonzero(~np.isfinite(ends).all(axis=0))[0])
        raise SolverError(
            f"row {int(row_of[k])} has the coefficient {matrix.data[small][k]} at column "
            f"{form.column_names[columns[k]]}, which the solver would drop (it keeps more than "
            f"{threshold:g}); scale the column or give it finite bounds"
        )
    products = ends * matrix.data[small]
    # One part in 2**40 covers the rounding of the products and of their sum.
    slack = 2.0**-40 * np.abs(products).max(axis=0)
    least, most = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0])
    np.add.at(least, row_of, products.min(axis=0) - slack)
    np.add.at(most, row_of, products.max(axis=0) + slack)
    kept = matrix.copy()
    kept.data[small] = 0.0
    kept.eliminate_zeros()
    touched = np.zeros(form.columns, dtype=np.bool_)
    touched[columns] = True
    changed = (least != 0.0) | (most != 0.0)
    wider_lower = np.where(changed, np.nextafter(lower - most, -np.inf), lower)
    wider_upper = np.where(changed, np.nextafter(upper - least, np.inf), upper)
    return kept, wider_lower, wider_upper, touched


def _vector(values: ArrayLike, size: int, name: str) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.shape != (size,):
        raise InvalidInputError(f"{name} has shape {array.shape}; ({size},) is needed")
    return array
