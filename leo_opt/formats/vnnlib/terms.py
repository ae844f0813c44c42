"""Terms of SMT-LIB: linear functions of inputs and outputs, in rational arithmetic."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from leo_opt.errors import FileFormatError
from leo_opt.formats.vnnlib.s_expressions import Expression, show
from leo_opt.inequalities import Variable

VARIABLE = re.compile(r"([XY])_(0|[1-9]\d{0,8})", re.ASCII)
"""Meanings that inputs and outputs can have."""
_NUMBER = re.compile(r"([-+]?)(?=\.?\d)(\d*)\.?(\d*)(?:[eE]([-+]?\d{1,4}))?", re.ASCII)
_NAME = re.compile(r"[A-Za-z~!@$%^&*_+=<>.?/-][0-9A-Za-z~!@$%^&*_+=<>.?/-]*")
_RESERVED = frozenset(
    {"and", "or", "not", "=>", "xor", "ite", "let", "distinct", "true", "false"}
    | {"<=", ">=", "<", ">", "=", "+", "-", "*", "/"}
)
_MOST_DIGITS = 3900
"""Of a numerator or a denominator: products of products would fill the memory."""
_MOST_BITS = 13_000
"""Of the same number of digits."""

Linear = tuple[Mapping[Variable, Fraction], Fraction]
"""Factors of the variables, and a constant."""


@dataclass(frozen=True, eq=False)
class Definition:
    """What a name of `let` or `define-fun` stands for, evaluated once where it is used.

    Parameters
    ----------
    expression
        A term or a formula.
    scope
        The names that it may use.
    known
        Values that were asked for: None is the key of the term, and whether it is affirmed that of
        the formula.
    """

    expression: Expression
    scope: Meanings
    known: dict[bool | None, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Meanings:
    """What the symbols of an expression mean.

    Parameters
    ----------
    variables
        Declared inputs and outputs by name.
    definitions
        Other names. They hide variables.
    """

    variables: Mapping[str, Variable]
    definitions: Mapping[str, Definition]

    def define(self, expressions: Mapping[str, Expression]) -> Meanings:
        """This scope with more names, which may use those of this scope only."""
        new = {name: Definition(what, self) for name, what in expressions.items()}
        return Meanings(self.variables, {**self.definitions, **new})


def expect(expression: Expression, length: int) -> None:
    """An operator must have the right number of operands.

    Raises
    ------
    FileFormatError
        If it has another.
    """
    if len(expression) != length:
        raise FileFormatError(
            f"{show(expression)} has {len(expression) - 1} operands; {length - 1} are expected"
        )


def bind(expression: Expression, scope: Meanings) -> tuple[Expression, Meanings]:
    """What stands inside (let ((name value) ...) inside), and its scope.

    Raises
    ------
    FileFormatError
        If the binding has another form.
    """
    expect(expression, 3)
    values: dict[str, Expression] = {}
    for pair in expression[1]:
        if isinstance(pair, str) or len(pair) != 2 or not isinstance(pair[0], str):
            raise FileFormatError(f"{show(expression)} has bindings that are no (name value)")
        check_name(pair[0])
        if pair[0] in values:
            raise FileFormatError(f"{show(expression)} binds {pair[0]} twice")
        values[pair[0]] = pair[1]
    return expression[2], scope.define(values)


def check_name(name: str) -> None:
    """Refuse names that `let` and `define-fun` must not give a meaning.

    Raises
    ------
    FileFormatError
        If it is no name, or has a meaning already.
    """
    if _NAME.fullmatch(name) is None or name in _RESERVED or _NUMBER.fullmatch(name) is not None:
        raise FileFormatError(f"{show(name)} cannot be defined: it is no name, or has a meaning")


def linear(term: Expression, scope: Meanings) -> Linear:
    """A linear term: numbers and variables under +, -, * and /.

    Raises
    ------
    FileFormatError
        If it is something else.
    """
    if isinstance(term, str):
        return _symbol(term, scope)
    if term and term[0] == "let":
        return linear(*bind(term, scope))
    operands = [linear(part, scope) for part in term[1:]]
    operator = term[0] if term else None
    if not isinstance(operator, str) or operator not in _OPERATORS or not operands:
        raise FileFormatError(f"{show(term)} is no term; known are {', '.join(_OPERATORS)}, let")
    if len(operands) == 1 and operator == "-":
        return _scaled(operands[0], Fraction(-1))
    if len(operands) == 1:
        raise FileFormatError(f"{show(term)} has 1 operand; 2 or more are expected")
    total = operands[0]
    for operand in operands[1:]:
        combined = _OPERATORS[operator](total, operand)
        if combined is None:
            raise FileFormatError(f"{show(term)} is not linear")
        total = combined
    check_length(total[1], *total[0].values())
    return total


def check_length(*values: Fraction) -> None:
    """Refuse numbers that are too long to calculate with.

    Raises
    ------
    FileFormatError
        If there is one.
    """
    for value in values:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
            raise FileFormatError(
                f"a number has more than {_MOST_DIGITS} digits; write it with fewer"
            )


def _symbol(text: str, scope: Meanings) -> Linear:
    """A number, a variable, or another name."""
    definition = scope.definitions.get(text)
    if definition is not None:
        if None not in definition.known:
            definition.known[None] = linear(definition.expression, definition.scope)
        named: Linear = definition.known[None]
        return named
    variable = scope.variables.get(text)
    return ({}, number(text)) if variable is None else ({variable: Fraction(1)}, Fraction(0))


def number(text: str, sign: int = 1) -> Fraction:
    """`sign` times a number of a file, exactly.

    Raises
    ------
    FileFormatError
        If the text is none.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        if VARIABLE.fullmatch(text) is not None:
            raise FileFormatError(f"{text} is used and not declared before")
        raise FileFormatError(f"{show(text)} is neither a number nor a name that was declared")
    minus, whole, part, power = match.groups()
    digits = whole + part if part else whole
    exponent = int(power) if power else 0
    if len(digits) + abs(exponent) > _MOST_DIGITS:
        raise FileFormatError(
            f"{show(text)} has more than {_MOST_DIGITS} digits; write it with fewer"
        )
    if part:
        exponent -= len(part)
    value = -sign * int(digits) if minus == "-" else sign * int(digits)
    return Fraction(value, 10**-exponent) if exponent < 0 else Fraction(value * 10**exponent)


def _scaled(term: Linear, factor: Fraction) -> Linear:
    """A multiple of a linear term."""
    return {variable: factor * c for variable, c in term[0].items()}, factor * term[1]


def difference(left: Linear, right: Linear) -> Linear:
    """left - right."""
    return _sum(left, _scaled(right, Fraction(-1)))


def _sum(left: Linear, right: Linear) -> Linear:
    """left + right."""
    factors = dict(left[0])
    for variable, factor in right[0].items():
        factors[variable] = factors.get(variable, Fraction(0)) + factor
    return {v: factor for v, factor in factors.items() if factor}, left[1] + right[1]


def _product(left: Linear, right: Linear) -> Linear | None:
    """left * right, where one of them is a number."""
    if left[0] and right[0]:
        return None
    product = _scaled(left, right[1]) if left[0] else _scaled(right, left[1])
    return {v: factor for v, factor in product[0].items() if factor}, product[1]


def _quotient(left: Linear, right: Linear) -> Linear | None:
    """left / right, where the latter is a number other than 0."""
    return None if right[0] or right[1] == 0 else _scaled(left, 1 / right[1])


_OPERATORS: Mapping[str, Callable[[Linear, Linear], Linear | None]] = MappingProxyType(
    {"+": _sum, "-": difference, "*": _product, "/": _quotient}
)
"""Operators of linear terms; None where the result is not linear."""
