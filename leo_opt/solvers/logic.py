"""Logical constraints of Pyomo as rows over the binary variables of their literals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leo_opt.solvers.components import refuse


@dataclass(frozen=True)
class CountRow:
    """lower <= number of true literals <= upper, of literals (is it positive, binary variable)."""

    literals: tuple[tuple[bool, Any], ...]
    lower: float
    upper: float


def read_logic(constraint: Any) -> list[CountRow]:
    """The rows that say what a logical constraint says.

    Read are literals, conjunctions, clauses and implications of literals, equivalences and
    exclusive ors of two, and counts (at least, at most, exactly).

    Raises
    ------
    InvalidInputError
        If the expression is of another shape, or a Boolean variable has no binary one.
    """
    rows = _rows(constraint.expr)
    if rows is None:
        raise refuse(constraint, f"says {constraint.expr}, which is not read as it is")
    return rows


def _rows(expression: Any) -> list[CountRow] | None:
    """Rows of an expression, None where it is of no shape that is read."""
    from pyomo.core.expr import AndExpression

    if isinstance(expression, AndExpression):
        parts = [_rows(argument) for argument in expression.args]
        return None if None in parts else [row for part in parts if part for row in part]
    read = _shapes().get(type(expression))
    if read is not None:
        return read(expression.args)
    clause = _clause(expression)
    return None if clause is None else [clause]


def _shapes() -> Mapping[type, Callable[[Sequence[Any]], list[CountRow] | None]]:
    """How expressions that count are read, by their class."""
    from pyomo.core import expr

    endless = float("inf")
    return {
        expr.AtLeastExpression: lambda a: _count(a[1:], a[0], endless, at=a[0]),
        expr.AtMostExpression: lambda a: _count(a[1:], -endless, a[0], at=a[0]),
        expr.ExactlyExpression: lambda a: _count(a[1:], a[0], a[0], at=a[0]),
        expr.XorExpression: lambda a: _count(a, 1, 1),
        expr.EquivalenceExpression: _equivalence,
    }


def _count(literals: Sequence[Any], lower: Any, upper: Any, at: Any = 1) -> list[CountRow] | None:
    read = [_literal(literal) for literal in literals]
    if not isinstance(at, int) or None in read:
        return None
    return [CountRow(tuple(literal for literal in read if literal), float(lower), float(upper))]


def _equivalence(arguments: Sequence[Any]) -> list[CountRow] | None:
    """One literal equals another: exactly one of the first and the second's opposite is true."""
    first, second = (_literal(argument) for argument in arguments)
    if first is None or second is None:
        return None
    return [CountRow((first, (not second[0], second[1])), 1.0, 1.0)]


def _clause(expression: Any) -> CountRow | None:
    """At least one literal is true."""
    literals = _clause_literals(expression)
    return None if literals is None else CountRow(tuple(literals), 1.0, float("inf"))


def _clause_literals(expression: Any) -> list[tuple[bool, Any]] | None:
    from pyomo.core.expr import AndExpression, ImplicationExpression, OrExpression

    if isinstance(expression, OrExpression):
        parts = [_clause_literals(argument) for argument in expression.args]
        return None if None in parts else [literal for part in parts if part for literal in part]
    if isinstance(expression, ImplicationExpression):
        premise, conclusion = expression.args
        premises = premise.args if isinstance(premise, AndExpression) else [premise]
        read = [_literal(argument) for argument in premises]
        rest = _clause_literals(conclusion)
        if None in read or rest is None:
            return None
        return [*((not literal[0], literal[1]) for literal in read if literal), *rest]
    literal = _literal(expression)
    return None if literal is None else [literal]


def _literal(expression: Any) -> tuple[bool, Any] | None:
    """Whether a literal is positive, and its binary variable; None of anything else."""
    from pyomo.core.base.boolean_var import BooleanVarData
    from pyomo.core.expr import NotExpression

    if isinstance(expression, NotExpression):
        literal = _literal(expression.args[0])
        return None if literal is None else (not literal[0], literal[1])
    if not isinstance(expression, BooleanVarData):
        return None
    binary = expression.get_associated_binary()
    if binary is None or expression.fixed != binary.fixed:
        return None
    return True, binary
