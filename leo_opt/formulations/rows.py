"""Rows and variables of Pyomo, added without rules and without tiny coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression

from leo_opt.network import FloatArray

SMALLEST_COEFFICIENT = 1e-9
"""Solvers drop entries of this size without a word. Rows of this package leave them out by hand
and widen the row by what they could have contributed, so that the network stays feasible."""

Row = tuple[float | None, Any, float | None]
"""Lower side, linear expression, upper side, as Pyomo takes a constraint."""


def linear(coefficients: Sequence[float], variables: Sequence[Any], constant: float = 0.0) -> Any:
    """A linear expression from lists, without Pyomo's cost of adding term by term."""
    return LinearExpression(
        constant=constant, linear_coefs=list(coefficients), linear_vars=list(variables)
    )


def nonzero(coefficients: FloatArray, variables: Sequence[Any]) -> tuple[list[float], list[Any]]:
    """The coefficients (n,) that are not zero, and their variables."""
    return coefficients[coefficients != 0.0].tolist(), [*compress(variables, coefficients.tolist())]


def between(terms: Sequence[tuple[float, Any]], lower: float | None, upper: float | None) -> Row:
    """The row lower <= sum(coefficient * variable) <= upper, in bounded variables.

    Terms too small for a solver are left out, and the row is widened by what they could have
    contributed, so that it stays valid.
    """
    kept, least, most = [], 0.0, 0.0
    for coefficient, variable in terms:
        if abs(coefficient) > SMALLEST_COEFFICIENT:
            kept.append((coefficient, variable))
        elif coefficient != 0.0:
            ends = coefficient * variable.lb, coefficient * variable.ub
            least, most = least + min(ends), most + max(ends)
    return (
        None if lower is None else lower - most,
        linear([c for c, _ in kept], [v for _, v in kept]),
        None if upper is None else upper - least,
    )


def at_most(terms: Sequence[tuple[float, Any]], upper: float) -> Row:
    """The row sum(coefficient * variable) <= upper; see `between`."""
    return between(terms, None, upper)


def add_rows(block: Any, name: str, rows: Mapping[Any, Row], constraint: Any = None) -> None:
    """Add an indexed constraint, by default a plain one; without any row, add nothing."""
    if not rows:
        return
    constraint = pyo.Constraint(list(rows)) if constraint is None else constraint
    block.add_component(name, constraint)
    for index, (lower, expression, upper) in rows.items():
        equal = lower == upper
        constraint[index] = (expression, upper) if equal else (lower, expression, upper)


def add_variables(
    block: Any,
    name: str,
    lower: Mapping[Any, float],
    upper: Mapping[Any, float],
    within: Any = pyo.Reals,
) -> Any:
    """Add an indexed variable with a finite lower and upper bound at each index."""
    variable = pyo.Var(list(lower), within=within)
    block.add_component(name, variable)
    for index, low in lower.items():
        data = variable[index]
        data.setlb(low)
        data.setub(upper[index])
    return variable


def add_expressions(block: Any, name: str, expressions: Mapping[Any, Any]) -> Any:
    """Add an indexed named expression."""
    component = pyo.Expression(list(expressions))
    block.add_component(name, component)
    for index, expression in expressions.items():
        component[index].set_value(expression)
    return component
