"""Formulas of VNN-LIB: Boolean combinations of linear inequalities, as a list of cases.

A formula is turned into its disjunctive normal form. A negation is pushed down on the way: not
(a and b) is (not a) or (not b), and not (l <= r) is l > r. What is constant is left out, so that
the formula that never holds has no case, and the one that always holds a single empty one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from leo_opt.errors import FileFormatError
from leo_opt.formats.vnnlib.s_expressions import Expression, show
from leo_opt.formats.vnnlib.terms import (
    Linear,
    Meanings,
    bind,
    check_length,
    difference,
    expect,
    linear,
    number,
)
from leo_opt.inequalities import Inequality, Variable

_MOST_CASES = 100_000
_MOST_INEQUALITIES = 20_000_000
"""Of all cases together."""


Conjunction = tuple[Inequality, ...]
"""Inequalities that hold together."""

Cases = list[Conjunction]
"""A formula: one of these holds."""

_TRUE: Conjunction = ()


def to_cases(formula: Expression, scope: Meanings, positive: bool = True) -> Cases:
    """The cases of a formula, or of its negation.

    Raises
    ------
    FileFormatError
        If it is no formula, or has too many cases.
    """
    if isinstance(formula, str):
        return _named(formula, scope, positive)
    head = formula[0] if formula else None
    if not isinstance(head, str) or head not in _CONNECTIVES:
        raise FileFormatError(f"{show(formula)} is no formula; known are {', '.join(_CONNECTIVES)}")
    return _CONNECTIVES[head](formula, scope, positive)


def _named(name: str, scope: Meanings, positive: bool) -> Cases:
    """The formula that a name stands for."""
    definition = scope.definitions.get(name)
    if definition is None:
        if name not in _CONSTANTS:
            raise FileFormatError(
                f"{show(name)} is no formula; known are {', '.join(_CONNECTIVES)}"
            )
        return [_TRUE] if _CONSTANTS[name] is positive else []
    if positive not in definition.known:
        definition.known[positive] = to_cases(definition.expression, definition.scope, positive)
    cases: Cases = definition.known[positive]
    return cases


_CONSTANTS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})


def combine(formulas: Sequence[Cases]) -> Cases:
    """The cases of a conjunction of formulas.

    Raises
    ------
    FileFormatError
        If there are too many.
    """
    if len(formulas) == 1:
        return formulas[0]
    certain = tuple(
        itertools.chain.from_iterable(cases[0] for cases in formulas if len(cases) == 1)
    )
    choices = [cases for cases in formulas if len(cases) != 1]
    if not choices:
        return [certain]
    count = math.prod(map(len, choices))
    lengths = [Fraction(sum(map(len, cases)), max(1, len(cases))) for cases in choices]
    _check_size(count, count * (len(certain) + sum(lengths)))
    return [
        certain + tuple(itertools.chain.from_iterable(chosen))
        for chosen in itertools.product(*choices)
    ]


def _unite(formulas: Iterable[Cases]) -> Cases:
    """The cases of a disjunction of formulas."""
    united: Cases = []
    for cases in formulas:
        if _TRUE in cases:
            return [_TRUE]
        united += cases
    _check_size(len(united), sum(map(len, united)))
    return united


def _check_size(cases: int, inequalities: Fraction | int) -> None:
    """Refuse formulas that would fill the memory."""
    for count, most, name in (
        (cases, _MOST_CASES, "cases"),
        (inequalities, _MOST_INEQUALITIES, "inequalities in its cases"),
    ):
        if count > most:
            raise FileFormatError(
                f"the formula has more than {most} {name}; split the property into several files"
            )


def _join(together: bool) -> Callable[[Expression, Meanings, bool], Cases]:
    """`and`, or `or`; each is the negation of the other."""

    def join(formula: Expression, scope: Meanings, positive: bool) -> Cases:
        parts = (to_cases(part, scope, positive) for part in formula[1:])
        return combine(list(parts)) if positive is together else _unite(parts)

    return join


def _not(formula: Expression, scope: Meanings, positive: bool) -> Cases:
    expect(formula, 2)
    return to_cases(formula[1], scope, not positive)


def _implies(formula: Expression, scope: Meanings, positive: bool) -> Cases:
    """(=> a b c) is a => (b => c): one of the first fails, or the last holds."""
    if len(formula) < 3:
        raise FileFormatError(f"{show(formula)} has fewer than 2 operands")
    premises, conclusion = formula[1:-1], formula[-1]
    parts = [to_cases(part, scope, not positive) for part in premises]
    parts.append(to_cases(conclusion, scope, positive))
    return _unite(parts) if positive else combine(parts)


def _let(formula: Expression, scope: Meanings, positive: bool) -> Cases:
    return to_cases(*bind(formula, scope), positive)


_COMPARISONS: Mapping[str, tuple[tuple[int, bool], ...]] = MappingProxyType(
    {
        "<=": ((1, False),),
        ">=": ((-1, False),),
        "<": ((1, True),),
        ">": ((-1, True),),
        "=": ((1, False), (-1, False)),
    }
)
"""Signs with which left - right <= 0 has to hold, and whether strictly."""


def _compare(formula: Expression, scope: Meanings, positive: bool) -> Cases:
    """A comparison of two terms, or a chain of them."""
    if len(formula) < 3:
        expect(formula, 3)
    sides = _COMPARISONS[str(formula[0])]
    if len(formula) == 3 and len(sides) == 1:
        [(sign, strict)] = sides
        if not positive:
            sign, strict = -sign, not strict
        left, right = formula[1], formula[2]
        if isinstance(left, str) and isinstance(right, str) and not scope.definitions:
            quick = _quick(left, right, scope.variables, sign, strict)
            if quick is not None:
                return quick
        return _half_space(difference(linear(left, scope), linear(right, scope)), sign, strict)
    return _compare_pairs(
        itertools.pairwise(linear(part, scope) for part in formula[1:]), sides, positive
    )


def _distinct(formula: Expression, scope: Meanings, positive: bool) -> Cases:
    """Every two of some terms differ."""
    if len(formula) < 3:
        expect(formula, 3)
    terms = [linear(part, scope) for part in formula[1:]]
    pairs = list(itertools.combinations(terms, 2))
    different = [_compare_pairs([pair], _COMPARISONS["="], not positive) for pair in pairs]
    return combine(different) if positive else _unite(different)


def _compare_pairs(
    pairs: Iterable[tuple[Linear, Linear]], sides: tuple[tuple[int, bool], ...], positive: bool
) -> Cases:
    """All half-spaces of all pairs, or the complement of one of them."""
    parts = [
        _half_space(difference(left, right), sign, strict)
        if positive
        else _half_space(difference(left, right), -sign, not strict)
        for left, right in pairs
        for sign, strict in sides
    ]
    return combine(parts) if positive else _unite(parts)


def _quick(
    left: str, right: str, variables: Mapping[str, Variable], sign: int, strict: bool
) -> Cases | None:
    """A comparison of variables with numbers or one another, of which large files are full."""
    variable, other = variables.get(left), variables.get(right)
    if variable is not None and other is not None and variable != other:
        return [_compare_variables(variable, other, sign, strict)]
    if variable is None:
        variable, other, right, sign = other, None, left, -sign
    if variable is None or other is not None:
        return None
    return [(Inequality(_unit_term(variable, sign), number(right, sign), strict),)]


@lru_cache(maxsize=1 << 14)
def _compare_variables(left: Variable, right: Variable, sign: int, strict: bool) -> Conjunction:
    """sign * (left - right) <= 0, or < 0."""
    terms = sorted([(left, Fraction(sign)), (right, Fraction(-sign))])
    return (Inequality(tuple(terms), Fraction(0), strict),)


@lru_cache(maxsize=1 << 14)
def _unit_term(variable: Variable, sign: int) -> tuple[tuple[Variable, Fraction], ...]:
    """A variable or its negative: one value for all inequalities, which are many."""
    return ((variable, Fraction(sign)),)


def _half_space(term: Linear, sign: int, strict: bool) -> Cases:
    """sign * term <= 0, or < 0."""
    factors, constant = term
    if not factors:
        value = sign * constant
        return [_TRUE] if value < 0 or (value == 0 and not strict) else []
    # An input alone has the factor 1 or -1, so that its bound is a number of the box.
    unit = Fraction(1)
    if len(factors) == 1:
        [((kind, _), factor)] = factors.items()
        unit = abs(factor) if kind == "X" else unit
    terms = tuple(sorted((v, sign * factor / unit) for v, factor in factors.items()))
    bound = -sign * constant / unit
    check_length(bound)
    return [(Inequality(terms, bound, strict),)]


_CONNECTIVES: Mapping[str, Callable[[Expression, Meanings, bool], Cases]] = MappingProxyType(
    {
        "and": _join(together=True),
        "or": _join(together=False),
        "not": _not,
        "=>": _implies,
        **dict.fromkeys(_COMPARISONS, _compare),
        "distinct": _distinct,
        "let": _let,
    }
)
"""What can stand in front of a formula."""
