"""A Pyomo model as arrays: compiled once, picklable, asked many questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from leo_opt.errors import SolverError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StandardForm:
    """row_lower <= matrix @ x <= row_upper, column_lower <= x <= column_upper, x[integer] integer.

    Parameters
    ----------
    matrix : (rows, columns) CSR matrix
    row_lower, row_upper : (rows,) arrays
        Infinite where a row has no such side.
    column_lower, column_upper : (columns,) arrays
    integer : (columns,) boolean array
    objective : (columns,) array
        The model's own objective, or zeros.
    constant
        Its constant.
    maximize
        Its sense.
    column_names, row_names
        Pyomo's names.
    """

    matrix: sparse.csr_matrix
    row_lower: FloatArray
    row_upper: FloatArray
    column_lower: FloatArray
    column_upper: FloatArray
    integer: NDArray[np.bool_]
    objective: FloatArray
    constant: float
    maximize: bool
    column_names: tuple[str, ...]
    row_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A standard form, and which Pyomo variable stands in which column; stays in its process."""

    form: StandardForm
    columns: Any

    def column_of(self, variable: Any) -> int:
        """Column of a Pyomo variable of the compiled model.

        Raises
        ------
        KeyError
            If the variable is not of that model.
        """
        return int(self.columns[variable])


def compile_model(model: Any) -> Compiled:
    """Compile an active Pyomo block with linear constraints.

    Every variable of the block has a column, also those that stand in no row; variables that are
    fixed are free in the compiled form. The model is left as it was.

    Raises
    ------
    SolverError
        If the model is not linear, or has components that the compiler refuses.
    """
    import pyomo.environ as pyo
    from pyomo.common.collections import ComponentMap
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    variables = list(model.component_data_objects(pyo.Var, descend_into=True, active=True))
    fixed = [(variable, variable.value) for variable in variables if variable.fixed]
    for variable, _ in fixed:
        variable.unfix()
    try:
        info = LinearStandardFormCompiler().write(
            model, mixed_form=True, set_sense=None, column_order=variables
        )
    except (ValueError, RuntimeError) as error:
        raise SolverError(f"the model cannot be compiled: {error}") from error
    finally:
        for variable, value in fixed:
            variable.fix(value)
    columns = ComponentMap((variable, k) for k, variable in enumerate(info.columns))
    missing = [variable for variable in variables if variable not in columns]
    for variable in missing:
        columns[variable] = len(columns)
    ordered = [*info.columns, *missing]
    lower, upper = (
        np.array([missing_as(bound, inf) for bound in side], dtype=np.float64)
        for side, inf in (
            ([v.lb for v in ordered], -np.inf),
            ([v.ub for v in ordered], np.inf),
        )
    )
    matrix, row_lower, row_upper, names = _rows(info, len(ordered))
    objective = np.zeros(len(ordered))
    if info.objectives:
        objective[: len(info.columns)] = info.c.toarray()[0]
    form = StandardForm(
        matrix=matrix,
        row_lower=row_lower,
        row_upper=row_upper,
        column_lower=lower,
        column_upper=upper,
        integer=np.array([not v.is_continuous() for v in ordered], dtype=bool),
        objective=objective,
        constant=float(info.c_offset[0]) if info.objectives else 0.0,
        maximize=bool(info.objectives) and info.objectives[0].sense == pyo.maximize,
        column_names=tuple(v.name for v in ordered),
        row_names=names,
    )
    return Compiled(form, columns)


def missing_as(bound: float | None, infinity: float) -> float:
    """A bound of Pyomo, where None stands for no bound."""
    return infinity if bound is None else float(bound)


def _rows(
    info: Any, width: int
) -> tuple[sparse.csr_matrix, FloatArray, FloatArray, tuple[str, ...]]:
    """Rows with both sides; the compiler writes a range as two rows with the same entries."""
    keep, lower, upper, names = [], [], [], []
    last = None
    for index, (entry, side) in enumerate(zip(info.rows, info.rhs, strict=True)):
        constraint, kind = entry
        if kind == -1 and constraint is last:
            lower[-1] = side
            continue
        last = constraint
        keep.append(index)
        names.append(constraint.name)
        lower.append(side if kind <= 0 else -np.inf)
        upper.append(side if kind >= 0 else np.inf)
    matrix = sparse.csr_matrix(info.A)[keep]
    matrix.resize(len(keep), width)
    return matrix, np.array(lower, dtype=float), np.array(upper, dtype=float), tuple(names)
