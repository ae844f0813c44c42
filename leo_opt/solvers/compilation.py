"""From a Pyomo model to a `StandardForm`, by Pyomo's own standard-form compiler.

That compiler drops variables that stand in no row, folds fixed ones into the right-hand side,
splits a row with two sides into two, and refuses SOS sets and disjuncts. Here every variable of
the model has a column, fixed ones too, a row is one row, and SOS sets and the rows of disjuncts
are collected beside the matrix. The user's model is as before when the function returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.solvers.extras import Extras, plain, unfixed
from leo_opt.solvers.pyomo_rows import LinearRow
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.storage.locks import PYOMO

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, eq=False)
class Compiled:
    """A `StandardForm` and where the variables of the Pyomo model stand in it.

    Parameters
    ----------
    form
        The arrays; unlike this object, picklable.
    variables
        The Pyomo variable of each column, in order.
    """

    form: StandardForm
    variables: tuple[Any, ...]
    _columns: dict[int, int]

    def column_of(self, variable: Any) -> int:
        """Index of the column of a Pyomo variable.

        Raises
        ------
        InvalidInputError
            If the variable is not one of the compiled model.
        """
        column = self._columns.get(id(variable))
        if column is None:
            raise InvalidInputError(
                f"{variable} is no variable of the compiled model; compile the model that holds it"
            )
        return column

    def columns_of(self, variables: Iterable[Any]) -> IntArray:
        """Indices of the columns of several Pyomo variables."""
        return np.array([self.column_of(variable) for variable in variables], dtype=np.int64)

    def linear(self, expression: Any) -> tuple[FloatArray, float]:
        """A linear Pyomo expression as coefficients over the columns (n,) and a constant.

        Fixed variables count as variables, as they do in the form.

        Raises
        ------
        InvalidInputError
            If it is not linear or names a variable of another model.
        """
        from pyomo.core.expr import identify_variables
        from pyomo.repn import generate_standard_repn

        with unfixed(identify_variables(expression, include_fixed=True)):
            repn = generate_standard_repn(expression)
        if not repn.is_linear():
            raise InvalidInputError(
                f"{expression} is not linear; fixed variables stay variables here, so a fixed "
                "factor has to be a number"
            )
        coefficients = np.zeros(self.form.columns)
        for variable, coefficient in zip(repn.linear_vars, repn.linear_coefs, strict=True):
            coefficients[self.column_of(variable)] += coefficient
        return coefficients, float(repn.constant)


@PYOMO
def compile_model(model: Any) -> Compiled:
    """Compile a Pyomo model or block once, for any number of questions.

    Parameters
    ----------
    model
        A `ConcreteModel` or block with linear constraints, at most one active objective, SOS
        sets, disjuncts (what stands in them holds where the indicator is true), disjunctions
        (where they stand in a disjunct: of as many as its indicator says) and simple logical
        constraints.

    Raises
    ------
    InvalidInputError
        If something active in it is not linear, is of no known kind, or is false whatever the
        variables are.
    """
    from pyomo.common.gc_manager import PauseGC

    # The garbage collector would walk the whole model again and again.
    with PauseGC():
        return _compile(model)


def _compile(model: Any) -> Compiled:
    from pyomo.common.errors import InfeasibleConstraintException, PyomoException
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    extras = Extras.of(model)
    variables = list(_all_variables(model))
    with plain(extras, variables):
        try:
            info = LinearStandardFormCompiler().write(
                model, mixed_form=True, set_sense=None, column_order=variables
            )
            # A constraint may be there to be seen only by who does not read disjuncts.
            rows = [LinearRow.of(row, binary) for row, binary in extras.constraints if row.active]
        except InfeasibleConstraintException as error:
            raise InvalidInputError(f"{error}: correct or deactivate it") from error
        except PyomoException as error:
            raise InvalidInputError(
                f"{error} Fixed variables stay variables here: replace a fixed factor by a number"
            ) from error
        except ValueError as error:
            raise InvalidInputError(f"the model cannot be compiled: {error}") from error
    # A block may use variables that live elsewhere.
    known = {id(variable) for variable in variables}
    for variable in (*info.columns, *extras.members, *(v for row in rows for v in row.variables)):
        if id(variable) not in known:
            known.add(id(variable))
            variables.append(variable)
    columns = {id(variable): column for column, variable in enumerate(variables)}
    form = _assemble(info, extras, rows, variables, columns)
    return Compiled(form, tuple(variables), columns)


def _all_variables(model: Any) -> Iterator[Any]:
    from pyomo.environ import Block, Var
    from pyomo.gdp import Disjunct

    yield from model.component_data_objects(Var, descend_into=(Block, Disjunct))


def _assemble(
    info: Any,
    extras: Extras,
    rows: list[LinearRow],
    variables: list[Any],
    columns: dict[int, int],
) -> StandardForm:
    """The arrays of a compiled model."""
    matrix, row_lower, row_upper, row_names = _join_sides(info)
    place = np.array([columns[id(variable)] for variable in info.columns], dtype=np.int64)
    matrix = _spread(matrix, place, len(variables))
    always = [row for row in (*extras.rows, *rows) if row.binary is None]
    if always:
        matrix = sparse.vstack([matrix, _matrix_of(always, columns)], format="csr")
        row_lower = np.append(row_lower, [row.lower for row in always])
        row_upper = np.append(row_upper, [row.upper for row in always])
        row_names = [*row_names, *(row.name for row in always)]
    conditional = [row for row in (*extras.rows, *rows) if row.binary is not None]
    objective, constant, maximize = _own_objective(info, place, len(variables))
    bounds = [variable.bounds for variable in variables]
    fixed = [k for k, variable in enumerate(variables) if variable.fixed]
    return StandardForm(
        matrix=matrix,
        row_lower=row_lower,
        row_upper=row_upper,
        column_lower=np.array([-np.inf if low is None else low for low, _ in bounds], dtype=float),
        column_upper=np.array([np.inf if up is None else up for _, up in bounds], dtype=float),
        integer=_integrality(variables),
        column_names=tuple(_names(variables)),
        row_names=tuple(row_names),
        objective=objective,
        constant=constant,
        maximize=maximize,
        fixed_columns=np.array(fixed, dtype=np.int64),
        fixed_values=np.array([_fixed_value(variables[k]) for k in fixed], dtype=float),
        sos=tuple(group.over(columns) for group in extras.sets),
        indicators=tuple(row.indicator(columns) for row in conditional if row.variables),
    )


def _matrix_of(rows: list[LinearRow], columns: dict[int, int]) -> Any:
    """Rows over the columns, entries of one variable added up."""
    place = [columns[id(variable)] for row in rows for variable in row.variables]
    number = np.repeat(np.arange(len(rows)), [len(row.variables) for row in rows])
    entries = np.array([c for row in rows for c in row.coefficients])
    return sparse.coo_array((entries, (number, place)), shape=(len(rows), len(columns))).tocsr()


def _join_sides(info: Any) -> tuple[Any, FloatArray, FloatArray, list[str]]:
    """One row for each constraint, where the compiler writes one for each of its sides."""
    count = len(info.rows)
    sides = np.fromiter((entry.bound_type for entry in info.rows), dtype=np.int8, count=count)
    rhs = np.asarray(info.rhs, dtype=np.float64)
    lower = np.where(sides <= 0, rhs, -np.inf)
    upper = np.where(sides >= 0, rhs, np.inf)
    # A constraint with two sides is written as its upper side (1) and then its lower side (-1).
    second = np.zeros(count, dtype=np.bool_)
    for k in np.flatnonzero((sides[1:] == -1) & (sides[:-1] == 1)) + 1:
        second[k] = info.rows[k].constraint is info.rows[k - 1].constraint
    where = np.flatnonzero(second)
    lower[where - 1] = lower[where]
    names = _names(
        [entry.constraint for entry, gone in zip(info.rows, second, strict=True) if not gone]
    )
    matrix = info.A.tocsr()
    return (matrix[~second] if second.any() else matrix), lower[~second], upper[~second], names


def _names(components: list[Any]) -> list[str]:
    """Full names; `component.name` would put the same parents together again for each of them."""
    from pyomo.core.base.component_namer import index_repr

    parents: dict[int, str] = {}
    names = []
    for component in components:
        parent = component.parent_component()
        if id(parent) not in parents:
            parents[id(parent)] = parent.name
        suffix = "" if parent is component else index_repr(component.index())
        names.append(parents[id(parent)] + suffix)
    return names


def _spread(matrix: Any, place: IntArray, columns: int) -> Any:
    """The same rows with column k moved to place[k]."""
    return sparse.csr_array(
        (matrix.data, place[matrix.indices], matrix.indptr), shape=(matrix.shape[0], columns)
    )


def _own_objective(info: Any, place: IntArray, columns: int) -> tuple[FloatArray, float, bool]:
    """Coefficients, constant and sense of the model's own objective."""
    if len(info.objectives) > 1:
        names = ", ".join(objective.name for objective in info.objectives)
        raise InvalidInputError(f"the model has the objectives {names}; deactivate all but one")
    objective = np.zeros(columns)
    if not info.objectives:
        return objective, 0.0, False
    objective[place] = info.c.toarray()[0]
    return objective, float(info.c_offset[0]), info.objectives[0].sense == -1


def _integrality(variables: list[Any]) -> Any:
    """Which variables are integral; anything between integral and continuous is refused."""
    integer = np.array([not variable.is_continuous() for variable in variables], dtype=np.bool_)
    for k in np.flatnonzero(integer):
        if not variables[k].is_integer():
            raise InvalidInputError(
                f"variable {variables[k].name} has the domain {variables[k].domain}; only real, "
                "integer and binary ones are taken"
            )
    return integer


def _fixed_value(variable: Any) -> float:
    if variable.value is None:
        raise InvalidInputError(f"variable {variable.name} is fixed without a value; give it one")
    return float(variable.value)
