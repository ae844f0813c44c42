"""A model as the lines that MPS and LP files have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from leo_opt.errors import InvalidInputError
from leo_opt.model_files.names import safe_names
from leo_opt.solvers import StandardForm

CONSTANT = "constant_one"
"""Column fixed at 1 that carries the constant of the objective: readers disagree on the sign of a
right-hand side of an MPS objective row, and some take no constant in LP files."""

_INFINITE = 1e20
"""From here on readers take numbers for infinity."""


@dataclass(frozen=True)
class SheetRow:
    """One row with one side.

    Parameters
    ----------
    columns, coefficients
        Its entries.
    sense
        "<=", ">=" or "=".
    condition
        Column of a binary and the value at which the row holds; None where it always does.
    """

    name: str
    columns: Sequence[int]
    coefficients: Sequence[float]
    sense: str
    right: float
    condition: tuple[int, int] | None = None


@dataclass(frozen=True)
class SpecialSet:
    """A special ordered set of type 1 or 2: columns and weights."""

    name: str
    kind: int
    members: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Column:
    """A variable; `lower` and `upper` may be infinite."""

    name: str
    lower: float
    upper: float
    integer: bool

    @property
    def binary(self) -> bool:
        """Whether it is integral between 0 and 1."""
        return self.integer and self.lower == 0.0 and self.upper == 1.0


@dataclass(frozen=True)
class Sheet:
    """A model to be minimised, in the words of files.

    Parameters
    ----------
    objective_name
        Begins with `minus_` where a maximum was asked for: CBC ignores the sense in MPS files and
        GLPK refuses it, so that every file is a minimisation.
    objective
        Coefficient by column.
    identity
        SHA-256 of everything else, by which a sidecar knows its file.
    """

    columns: Sequence[Column]
    lines: Sequence[SheetRow]
    sets: Sequence[SpecialSet]
    objective_name: str
    objective: Mapping[int, float]
    identity: str = ""

    @classmethod
    def of(
        cls, form: StandardForm, set_names: Sequence[str] = (), objective_name: str = "objective"
    ) -> Sheet:
        """The sheet of a compiled model.

        Parameters
        ----------
        set_names
            Pyomo's names of the special ordered sets, in order.

        Raises
        ------
        InvalidInputError
            If a number is so large that readers take it for infinity.
        """
        _check_size(form)
        columns = _columns(form)
        objective = dict(enumerate(((-1.0 if form.maximize else 1.0) * form.objective).tolist()))
        objective = {k: c for k, c in objective.items() if c != 0.0}
        if form.constant != 0.0:
            objective[len(columns)] = -form.constant if form.maximize else form.constant
            columns.append(Column(CONSTANT, 1.0, 1.0, False))
        if form.maximize:
            objective_name = f"minus_{objective_name}"
        (objective_name,) = safe_names([objective_name])
        lines = list(_lines(form, objective_name))
        sets = _sets(form, set_names, {line.name for line in lines})
        _add_unused(columns, lines, objective)
        sheet = cls(columns, lines, sets, objective_name, MappingProxyType(objective))
        digest = hashlib.sha256(repr((columns, lines, sets, sorted(objective.items()))).encode())
        return cls(
            sheet.columns, lines, sets, objective_name, sheet.objective, digest.hexdigest()[:16]
        )

    @property
    def needs(self) -> frozenset[str]:
        """What a reader must know beyond rows and integer columns: "sos1", "sos2", "indicator"."""
        conditional = any(line.condition is not None for line in self.lines)
        return frozenset(
            {f"sos{group.kind}" for group in self.sets} | ({"indicator"} if conditional else set())
        )

    @property
    def nonzeros(self) -> int:
        """Number of entries of the rows."""
        return sum(len(line.columns) for line in self.lines)

    @property
    def binaries(self) -> int:
        """Number of integral columns between 0 and 1."""
        return sum(column.binary for column in self.columns)


def _columns(form: StandardForm) -> list[Column]:
    """Columns with the bounds that hold, those of fixed ones included."""
    lower, upper = form.column_lower.copy(), form.column_upper.copy()
    lower[form.fixed_columns] = upper[form.fixed_columns] = form.fixed_values
    names = safe_names(form.column_names, [CONSTANT])
    return [
        Column(*column)
        for column in zip(names, lower.tolist(), upper.tolist(), form.integer.tolist(), strict=True)
    ]


def _lines(form: StandardForm, objective_name: str) -> Iterator[SheetRow]:
    """Rows, then indicator rows; a row with two sides is two lines, which loses no digit."""
    names = [*form.row_names, *(row.name for row in form.indicators)]
    safe = safe_names(names, [objective_name])
    matrix = form.matrix
    starts, entries = matrix.indptr.tolist(), matrix.data.tolist()
    where = matrix.indices.tolist()
    for k in range(form.rows):
        part = slice(starts[k], starts[k + 1])
        yield from _sides(
            SheetRow(safe[k], where[part], entries[part], "=", 0.0),
            float(form.row_lower[k]),
            float(form.row_upper[k]),
        )
    for k, row in enumerate(form.indicators):
        line = SheetRow(
            safe[form.rows + k],
            row.columns.tolist(),
            row.coefficients.tolist(),
            "=",
            0.0,
            (row.binary, int(row.active_value)),
        )
        yield from _sides(line, row.lower, row.upper)


def _sides(line: SheetRow, lower: float, upper: float) -> Iterator[SheetRow]:
    """A line for each finite side of a row."""
    if lower == upper:
        yield _with_side(line, "", "=", upper)
        return
    both = np.isfinite(lower) and np.isfinite(upper)
    if np.isfinite(lower):
        yield _with_side(line, "__lower" if both else "", ">=", lower)
    if np.isfinite(upper):
        yield _with_side(line, "__upper" if both else "", "<=", upper)


def _with_side(line: SheetRow, suffix: str, sense: str, right: float) -> SheetRow:
    return SheetRow(
        line.name + suffix, line.columns, line.coefficients, sense, right + 0.0, line.condition
    )


def _sets(form: StandardForm, names: Sequence[str], taken: Iterable[str]) -> list[SpecialSet]:
    safe = safe_names(names or [f"set[{k}]" for k in range(len(form.sos))], taken)
    return [
        SpecialSet(
            name,
            group.kind,
            list(zip(group.columns.tolist(), group.weights.tolist(), strict=True)),
        )
        for name, group in zip(safe, form.sos, strict=True)
    ]


def _add_unused(
    columns: Sequence[Column], lines: Sequence[SheetRow], objective: dict[int, float]
) -> None:
    """Give columns of no row an entry 0 in the objective: not every reader knows others.

    An empty objective gets one, too.
    """
    if not objective:
        objective[0] = 0.0
    used = {column for line in lines for column in line.columns} | set(objective)
    for column in range(len(columns)):
        if column not in used:
            objective[column] = 0.0


def _check_size(form: StandardForm) -> None:
    """Refuse finite numbers that readers take for infinity."""
    arrays = {
        "a coefficient": form.matrix.data,
        "a bound of a row": np.concatenate([form.row_lower, form.row_upper]),
        "a bound of a column": np.concatenate([form.column_lower, form.column_upper]),
        "the objective": np.append(form.objective, form.constant),
    }
    for what, values in arrays.items():
        large = np.isfinite(values) & (np.abs(values) >= _INFINITE)
        if large.any():
            raise InvalidInputError(
                f"{what} is {values[large][0]:g}, which readers of model files take for infinity; "
                "scale the model, or shrink the domain"
            )
