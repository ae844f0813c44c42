"""Formulas of VNN-LIB: Boolean combinations of linear inequalities, in rational arithmetic."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from leo_opt.errors import FileFormatError
from leo_opt.formats.s_expressions import Expression, show

VARIABLE = re.compile(r"([XY])_(0|[1-9]\d*)")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?")
_LONGEST_NUMBER = 4000
_MOST_CASES = 100_000

Variable = tuple[str, int]
"""("X", i) or ("Y", j)."""


@dataclass(frozen=True)
class Inequality:
    """sum of factor * variable <= bound, exactly as the file states it.

    Parameters
    ----------
    terms
        Pairs of variable and factor, by variable; no factor is 0.
    bound
        The right-hand side.
    """

    terms: tuple[tuple[Variable, Fraction], ...]
    bound: Fraction


Conjunction = tuple[Inequality, ...]
"""Inequalities that hold together; a formula is a list of these, one of which holds."""


def expect(expression: Expression, length: int) -> None:
    """An operator must have the right number of operands."""
    if len(expression) != length:
        raise FileFormatError(
            f"{show(expression)} has {len(expression) - 1} operands; {length - 1} are expected"
        )


def to_cases(formula: Expression) -> list[Conjunction]:
    """The cases of a formula, each a conjunction of inequalities."""
    head = formula[0] if isinstance(formula, tuple) and formula else None
    if head == "and":
        return combine([to_cases(part) for part in formula[1:]])
    if head == "or":
        if len(formula) == 1:
            raise FileFormatError("(or) without operands never holds")
        return [case for part in formula[1:] for case in to_cases(part)]
    if not isinstance(head, str) or head not in _RELATIONS:
        raise FileFormatError(
            f"{show(formula)} is no formula; known are and, or, {', '.join(_RELATIONS)}"
        )
    expect(formula, 3)
    left, right = _linear(formula[1]), _linear(formula[2])
    return [tuple(_inequality(left, right, sign) for sign in _RELATIONS[head])]


_RELATIONS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"<=": (1,), ">=": (-1,), "=": (1, -1)}
)
"""Signs with which left - right <= 0 has to hold."""


def combine(formulas: list[list[Conjunction]]) -> list[Conjunction]:
    """The cases of a conjunction of formulas."""
    certain = tuple(
        itertools.chain.from_iterable(cases[0] for cases in formulas if len(cases) == 1)
    )
    choices = [cases for cases in formulas if len(cases) > 1]
    if math.prod(map(len, choices)) > _MOST_CASES:
        raise FileFormatError(
            f"the formula has more than {_MOST_CASES} cases; split the property into several files"
        )
    return [
        certain + tuple(itertools.chain.from_iterable(chosen))
        for chosen in itertools.product(*choices)
    ]


_Linear = tuple[dict[Variable, Fraction], Fraction]
"""Factors of the variables, and a constant."""


def _inequality(left: _Linear, right: _Linear, sign: int) -> Inequality:
    """sign * (left - right) <= 0."""
    factors = dict(left[0])
    for variable, factor in right[0].items():
        factors[variable] = factors.get(variable, Fraction(0)) - factor
    terms = tuple(sorted((v, sign * factor) for v, factor in factors.items() if factor))
    return Inequality(terms, sign * (right[1] - left[1]))


def _linear(term: Expression) -> _Linear:
    """A linear term: numbers and variables under +, -, * and /."""
    if isinstance(term, str):
        return _symbol(term)
    operands = [_linear(part) for part in term[1:]]
    operator = term[0] if term else None
    if not isinstance(operator, str) or operator not in _OPERATORS or not operands:
        raise FileFormatError(f"{show(term)} is no term; known are {', '.join(_OPERATORS)}")
    if len(operands) == 1 and operator == "-":
        return _scaled(operands[0], Fraction(-1))
    total = operands[0]
    for operand in operands[1:]:
        combined = _OPERATORS[operator](total, operand)
        if combined is None:
            raise FileFormatError(f"{show(term)} is not linear")
        total = combined
    return total


def _symbol(text: str) -> _Linear:
    """A number or a variable."""
    match = VARIABLE.fullmatch(text)
    if match is not None:
        return {(match[1], int(match[2])): Fraction(1)}, Fraction(0)
    if _NUMBER.fullmatch(text) is None or len(text) > _LONGEST_NUMBER:
        raise FileFormatError(
            f"{show(text)} is neither a number nor an input X_0 ... or an output Y_0 ..."
        )
    return {}, Fraction(text)


def _scaled(term: _Linear, factor: Fraction) -> _Linear:
    """A multiple of a linear term."""
    return {variable: factor * c for variable, c in term[0].items()}, factor * term[1]


def _sum(left: _Linear, right: _Linear) -> _Linear:
    """left + right."""
    factors = dict(left[0])
    for variable, factor in right[0].items():
        factors[variable] = factors.get(variable, Fraction(0)) + factor
    return factors, left[1] + right[1]


def _product(left: _Linear, right: _Linear) -> _Linear | None:
    """left * right, where one of them is a number."""
    if left[0] and right[0]:
        return None
    return _scaled(left, right[1]) if left[0] else _scaled(right, left[1])


def _quotient(left: _Linear, right: _Linear) -> _Linear | None:
    """left / right, where the latter is a number other than 0."""
    return None if right[0] or right[1] == 0 else _scaled(left, 1 / right[1])


_OPERATORS: Mapping[str, Callable[[_Linear, _Linear], _Linear | None]] = MappingProxyType(
    {
        "+": _sum,
        "-": lambda left, right: _sum(left, _scaled(right, Fraction(-1))),
        "*": _product,
        "/": _quotient,
    }
)
"""Operators of linear terms; None where the result is not linear."""
