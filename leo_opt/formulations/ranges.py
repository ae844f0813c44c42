"""What a block is given as inputs: numbers, variables and expressions, and where they can lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo

from leo_opt.domain import Box, Domain
from leo_opt.errors import InvalidInputError
from leo_opt.polytope import domain_from

_ROUNDING = 2.0**-40
"""A range may reach beyond a domain by this share: both were rounded outward on the way."""


def read_inputs(inputs: Any, size: int) -> list[Any] | None:
    """The user's inputs as a list of numbers, Pyomo variables and expressions; None stays None.

    Parameters
    ----------
    inputs
        An indexed Pyomo component, a mapping from 0 .. size-1, or an iterable.

    Raises
    ------
    InvalidInputError
        If there are more or fewer than `size`, or one is neither.
    """
    if inputs is None:
        return None
    if isinstance(inputs, Mapping):
        missing = sorted(set(range(size)) - set(inputs))
        if missing:
            raise InvalidInputError(
                f"inputs has no key {missing[0]}; a mapping must have the keys 0 to {size - 1}"
            )
        inputs = [inputs[k] for k in range(size)]
    elif isinstance(inputs, pyo.Component):
        inputs = inputs.values()
    elif not isinstance(inputs, Iterable):
        raise InvalidInputError(
            f"inputs is a {type(inputs).__name__}; give a list of {size} variables or expressions"
        )
    entries = [_read_entry(k, entry) for k, entry in enumerate(inputs)]
    if len(entries) != size:
        raise InvalidInputError(f"{len(entries)} inputs were given and the network takes {size}")
    return entries


def _read_entry(k: int, entry: Any) -> Any:
    """A float where the entry can never change, else the variable or expression it stands for."""
    if isinstance(entry, pyo.Component) and entry.is_indexed():
        raise InvalidInputError(f"input {k} is all of {entry.name}; give its members one by one")
    try:
        while not _is_plain(entry) and entry.is_named_expression_type():
            entry = entry.expr
        constant = _is_plain(entry) or entry.is_constant()
        fixed = constant or entry.is_fixed()
        value = pyo.value(entry, exception=False) if fixed else None
        number = None if value is None else float(value)
    except RuntimeError as error:
        raise InvalidInputError(
            f"input {k} is a {type(entry).__name__} of no model; put it into one first"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"input {k} is {entry!r}; give a number, a variable or an expression"
        ) from error
    if not fixed or (number is not None and not constant):
        return entry
    if number is None:
        raise InvalidInputError(f"input {k} is {entry}, which has no value; give it one")
    if not math.isfinite(number):
        raise InvalidInputError(f"input {k} is {number}; give a finite number")
    return number


def _is_plain(entry: Any) -> bool:
    return isinstance(entry, int | float | np.number | Fraction)


def is_number(entry: Any) -> bool:
    """Whether an entry that was read is a number."""
    return isinstance(entry, float)


def is_variable(entry: Any) -> bool:
    """Whether an entry that was read is a Pyomo variable."""
    return not is_number(entry) and bool(entry.is_variable_type())


def range_of(entry: Any) -> tuple[float, float]:
    """An interval that holds an entry, by the bounds of its variables; infinite where unknown.

    A fixed variable without two bounds is what it is fixed at; so is a parameter.
    """
    if is_number(entry):
        return entry, entry
    if is_variable(entry):
        low = -math.inf if entry.lb is None else float(entry.lb)
        high = math.inf if entry.ub is None else float(entry.ub)
        if entry.fixed and math.isinf(high - low) and entry.value is not None:
            return float(entry.value), float(entry.value)
        return low, high
    if entry.is_fixed():
        return (float(pyo.value(entry)),) * 2
    return _range_of_sum(entry)


def _range_of_sum(expression: Any) -> tuple[float, float]:
    """The interval of an affine expression, summed exactly and rounded outward."""
    from pyomo.repn import generate_standard_repn

    repn = generate_standard_repn(expression)
    if not repn.is_linear():
        return -math.inf, math.inf
    ends = [Fraction(repn.constant), Fraction(repn.constant)]
    for coefficient, variable in zip(repn.linear_coefs, repn.linear_vars, strict=True):
        low, high = range_of(variable)
        if math.isinf(low) or math.isinf(high):
            return -math.inf, math.inf
        products = sorted(
            (Fraction(coefficient) * Fraction(low), Fraction(coefficient) * Fraction(high))
        )
        ends = [end + product for end, product in zip(ends, products, strict=True)]
    low, high = float(ends[0]), float(ends[1])
    return (
        low if low <= ends[0] else math.nextafter(low, -math.inf),
        high if high >= ends[1] else math.nextafter(high, math.inf),
    )


def domain_of(inputs: list[Any]) -> Box:
    """The box of the ranges of the user's inputs.

    Raises
    ------
    InvalidInputError
        If the range of one is not known.
    """
    ranges = [range_of(entry) for entry in inputs]
    for k, (entry, (low, high)) in enumerate(zip(inputs, ranges, strict=True)):
        if math.isfinite(low) and math.isfinite(high):
            continue
        if is_variable(entry):
            raise InvalidInputError(
                f"input {k} is {entry.name} with bounds ({entry.lb}, {entry.ub}); "
                "give it two finite bounds, or give a domain with restrict=True"
            )
        raise InvalidInputError(
            f"input {k} is the expression {entry}, whose range is not known; give its variables "
            "bounds, or give a domain with restrict=True"
        )
    return Box(np.array([low for low, _ in ranges]), np.array([high for _, high in ranges]))


def with_numbers(inputs: list[Any], domain: Domain) -> Domain:
    """The domain without what inputs that are numbers leave out.

    Raises
    ------
    InvalidInputError
        If a number lies outside.
    """
    low, high, *rows = domain.arrays
    lower, upper = low.copy(), high.copy()
    for k, entry in enumerate(inputs):
        if not is_number(entry):
            continue
        if not lower[k] <= entry <= upper[k]:
            raise InvalidInputError(
                f"input {k} is {entry}, outside of [{lower[k]}, {upper[k]}] of the domain; "
                "widen the domain"
            )
        lower[k] = upper[k] = entry
    return domain_from(lower, upper, *rows)


def check_reach(inputs: list[Any], domain: Domain) -> None:
    """Refuse inputs that may leave the domain: the network is rewritten for the domain only.

    Raises
    ------
    InvalidInputError
        With the first such input.
    """
    if len(domain.rows[1]):
        raise InvalidInputError(
            "inputs of another model may leave the rows of the polytope; pass restrict=True, which "
            "has the block keep them"
        )
    box = domain.box
    for k, entry in enumerate(inputs):
        low, high = range_of(entry)
        slack = 0.0
        if is_variable(entry) and entry.fixed and entry.value is not None:
            low = high = float(entry.value)
        elif not is_variable(entry) and math.isfinite(high - low):
            slack = _ROUNDING * max(abs(low), abs(high))
        if low < box.lower[k] - slack or high > box.upper[k] + slack:
            what = f"{entry.name} with" if is_variable(entry) else f"the expression {entry} with"
            raise InvalidInputError(
                f"input {k} is {what} bounds [{low}, {high}], which reach beyond "
                f"[{box.lower[k]}, {box.upper[k]}] of the domain; tighten the bounds, "
                "widen the domain, or pass restrict=True"
            )
