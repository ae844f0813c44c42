"""Random SMT-LIB formulas as texts, and their truth at a point, by an evaluator of its own.

It shares no code with `leo_opt.formats`: it reads the text itself and calculates in rationals.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

NUMBERS = ("0", "1", "-1", "0.1", "0.25", "-0.3", "2.5e-1", "(/ 1 3)", "(- 0.1)", "1e0", ".5")

TRUTHS = {"true": True, "false": False}


def read(text: str) -> Any:
    """The only expression of a text without comments, as nested lists."""
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()
    stack: list[list[Any]] = [[]]
    for token in tokens:
        if token == "(":
            stack.append([])
        elif token == ")":
            stack[-2].append(stack.pop())
        else:
            stack[-1].append(token)
    [[only]] = stack
    return only


def value(term: Any, names: Mapping[str, Any]) -> Any:
    """The value of a term or formula: a Fraction or a bool."""
    if isinstance(term, str):
        return names[term] if term in names else Fraction(term)
    head, *parts = term
    if head == "let":
        inner = {name: value(what, names) for name, what in parts[0]}
        return value(parts[1], {**names, **inner})
    values = [value(part, names) for part in parts]
    return OPERATORS[head](*values)


def _chain(holds: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return lambda *values: all(holds(a, b) for a, b in itertools.pairwise(values))


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "not": operator.not_,
    "=>": lambda *values: not all(values[:-1]) or values[-1],
    "<=": _chain(operator.le),
    "<": _chain(operator.lt),
    ">=": _chain(operator.ge),
    ">": _chain(operator.gt),
    "=": _chain(operator.eq),
    "distinct": lambda *values: len(set(values)) == len(values),
    "+": lambda *values: sum(values, Fraction(0)),
    "-": lambda first, *others: first - sum(others) if others else -first,
    "*": operator.mul,
    "/": operator.truediv,
}


def random_formula(generator: np.random.Generator, depth: int = 3) -> str:
    """A formula over X_0, X_1, Y_0 and Y_1."""

    def some(*options: str) -> str:
        return options[generator.integers(len(options))]

    if depth == 0 or generator.random() < 0.25:
        return _random_comparison(generator)
    parts = [random_formula(generator, depth - 1) for _ in range(generator.integers(1, 4))]
    shape = some("and", "or", "and", "or", "not", "=>", "let", "true")
    if shape == "not":
        return f"(not {parts[0]})"
    if shape == "=>":
        return f"(=> {' '.join([*parts, _random_comparison(generator)])})"
    if shape == "let":
        number = some(*NUMBERS)
        used = f"(and p (or {parts[-1]} (not p) (<= q Y_0)))"
        return f"(let ((p {parts[0]}) (q {number})) (let ((q (+ q 1))) {used}))"
    if shape == "true":
        return f"({some('and', 'or')} {some('true', 'false')} {parts[0]})"
    return f"({shape} {' '.join(parts)})"


def _random_comparison(generator: np.random.Generator) -> str:
    def some(*options: str) -> str:
        return options[generator.integers(len(options))]

    head = some("<=", "<", ">=", ">", "=", "distinct")
    number, other = some(*NUMBERS), some(*NUMBERS)
    name = some("X_0", "X_1")
    terms = {
        0: (name, number),
        1: (number, name),
        2: (f"(* 3 {name})", f"(+ {number} {name} (- {other}))"),
        3: ("Y_0", number),
        4: (f"(+ Y_0 (* {number} Y_1))", f"(- Y_1 {other} Y_1)"),
        5: (number, other),
        6: (number, name, other),
        7: ("Y_0", "Y_1", number),
        8: ("X_0", f"(- {number} X_1)"),
        9: (f"(+ X_1 {number})", "Y_0"),
    }
    return f"({head} {' '.join(terms[int(generator.integers(len(terms)))])})"
