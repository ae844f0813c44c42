"""The inputs of a block: its own variables, or the user's variables and expressions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.columns import Columns, Scaling
from leo_opt.formulations.rows import (
    SMALLEST_COEFFICIENT,
    Row,
    add_expressions,
    add_rows,
    add_variables,
)

_USUAL_WIDTH = (0.125, 8.0)
_USUAL_REACH = 16.0
"""Inputs of such a width and magnitude stand in the rows of the first layer as they are."""

_LARGEST_FACTOR = 30
"""Rows that tie an input to its scaled variable are multiplied by at most 2**30."""


def read_inputs(inputs: Any, size: int) -> list[Any] | None:
    """The user's inputs as a list of Pyomo variables and expressions; None stays None.

    Parameters
    ----------
    inputs
        An indexed Pyomo component, a mapping from 0 .. size-1, or an iterable.

    Raises
    ------
    InvalidInputError
        If there are more or fewer than `size`.
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
    entries = [_unwrap(entry) for entry in inputs]
    if len(entries) != size:
        raise InvalidInputError(f"{len(entries)} inputs were given and the network takes {size}")
    return entries


def _unwrap(entry: Any) -> Any:
    """The variable that a named expression stands for, where it is one."""
    while not isinstance(entry, int | float | np.number) and entry.is_named_expression_type():
        entry = entry.expr
    return entry


def _is_variable(entry: Any) -> bool:
    return not isinstance(entry, int | float | np.number) and bool(entry.is_variable_type())


def domain_of(inputs: list[Any]) -> Box:
    """The box of the bounds of the user's variables.

    Raises
    ------
    InvalidInputError
        If one is an expression, or lacks a bound.
    """
    lower, upper = [], []
    for k, entry in enumerate(inputs):
        if not _is_variable(entry):
            raise InvalidInputError(
                f"input {k} is the expression {entry}, whose range is not known; give a domain"
            )
        if entry.lb is None or entry.ub is None:
            raise InvalidInputError(
                f"input {k} is {entry.name} with bounds ({entry.lb}, {entry.ub}); "
                "give it two finite bounds, or give a domain with restrict=True"
            )
        lower.append(float(entry.lb))
        upper.append(float(entry.ub))
    return Box(np.array(lower), np.array(upper))


def check_reach(inputs: list[Any], domain: Box) -> None:
    """Refuse variables that may leave the domain: the network is rewritten for the domain only.

    Raises
    ------
    InvalidInputError
        With the first such variable.
    """
    for k, entry in enumerate(inputs):
        if not _is_variable(entry):
            continue
        low = -math.inf if entry.lb is None else entry.lb
        high = math.inf if entry.ub is None else entry.ub
        if low < domain.lower[k] or high > domain.upper[k]:
            raise InvalidInputError(
                f"input {k} is {entry.name} with bounds [{low}, {high}], which reach beyond "
                f"[{domain.lower[k]}, {domain.upper[k]}] of the domain; tighten the bounds, "
                "widen the domain, or pass restrict=True"
            )


def add_inputs(block: Any, inputs: list[Any] | None, domain: Box) -> Columns:
    """Add `inputs` to a block, and what keeps them in the domain.

    Parameters
    ----------
    inputs
        The user's variables and expressions, or None for the block's own variables.

    Returns
    -------
    Columns
        What the first layer reads: the inputs themselves; or, where their width or magnitude is
        far from 1 or they are expressions, the variables `scaled_inputs`, tied to them by the rows
        `input_scaling`.
    """
    usual = _is_usual(domain)
    varies = domain.lower < domain.upper
    ends = list(zip(domain.lower.tolist(), domain.upper.tolist(), strict=True))
    if inputs is None:
        low, high = ({k: end[side] for k, end in enumerate(ends)} for side in (0, 1))
        entries = list(add_variables(block, "inputs", low, high).values())
    else:
        entries = inputs
        add_expressions(block, "inputs", dict(enumerate(entries)))
        usual = usual & np.array([_is_variable(entry) for entry in entries])
        _add_domain_rows(block, entries, ends, usual | ~varies)
    scaling = _scaling_of(domain, usual & varies, ~usual & varies)
    scaled = _select(scaling, ~usual[scaling.kept])
    own = _add_scaled_inputs(block, scaled)
    rows = {
        k: _scaling_row(entries[k], own[k], float(scaling.shift[k]), exponent)
        for k, exponent in zip(scaled.kept.tolist(), scaled.exponent.tolist(), strict=True)
    }
    add_rows(block, "input_scaling", rows)
    variables = [own[k] if k in rows else entries[k] for k in scaling.kept.tolist()]
    return Columns(scaling, variables)


def _is_usual(domain: Box) -> NDArray[np.bool_]:
    """Which inputs have a range that needs no scaling."""
    width = domain.upper - domain.lower
    reach = np.maximum(np.abs(domain.lower), np.abs(domain.upper))
    return (width >= _USUAL_WIDTH[0]) & (width <= _USUAL_WIDTH[1]) & (reach <= _USUAL_REACH)


def _add_domain_rows(
    block: Any, entries: list[Any], ends: list[tuple[float, float]], held: NDArray[np.bool_]
) -> None:
    """Add rows that keep the user's inputs in the domain.

    A variable's own bounds may be changed by whoever owns it; these rows stay.
    """
    rows = {k: (ends[k][0], entries[k], ends[k][1]) for k in np.flatnonzero(held).tolist()}
    add_rows(block, "input_domain", rows)


def _scaling_of(domain: Box, direct: NDArray[np.bool_], scaled: NDArray[np.bool_]) -> Scaling:
    """How inputs are held: directly, centred and scaled, or as constants."""
    centre = np.where(scaled, domain.centre, 0.0)
    shift = np.where(direct | scaled, centre, domain.lower)
    radius = np.maximum(domain.upper - centre, centre - domain.lower)
    _, binary = np.frexp(np.where(scaled, radius, 1.0))
    exponent = np.where(scaled, 1 - binary.astype(np.int64), 0)
    # Rounded outward, so that the box of the variables holds all of the domain.
    lower = np.nextafter(np.ldexp(domain.lower - centre, exponent), -np.inf)
    upper = np.nextafter(np.ldexp(domain.upper - centre, exponent), np.inf)
    lower, upper = np.where(direct, domain.lower, lower), np.where(direct, domain.upper, upper)
    kept = np.flatnonzero(direct | scaled)
    return Scaling(shift, kept, exponent[kept], lower[kept], upper[kept])


def _select(scaling: Scaling, which: NDArray[np.bool_]) -> Scaling:
    """A scaling with only some of the variables."""
    kept, exponent = scaling.kept[which], scaling.exponent[which]
    return Scaling(scaling.shift, kept, exponent, scaling.lower[which], scaling.upper[which])


def _add_scaled_inputs(block: Any, scaling: Scaling) -> dict[int, Any]:
    """Add the variables `scaled_inputs`; without any, add nothing."""
    kept = scaling.kept.tolist()
    if not kept:
        return {}
    lower, upper = scaling.lower.tolist(), scaling.upper.tolist()
    own = add_variables(
        block,
        "scaled_inputs",
        dict(zip(kept, lower, strict=True)),
        dict(zip(kept, upper, strict=True)),
    )
    return dict(own.items())


def _scaling_row(entry: Any, variable: Any, centre: float, exponent: int) -> Row:
    """The row entry = centre + 2**-exponent variable, times a power of two."""
    factor = min(max(exponent, -_LARGEST_FACTOR), _LARGEST_FACTOR)
    weight, outer = math.ldexp(1.0, factor - exponent), math.ldexp(1.0, factor)
    right = outer * centre
    if weight <= SMALLEST_COEFFICIENT:
        # Such a narrow input may be anywhere in its interval: |variable| is at most 2.
        return right - 2.0 * weight, outer * entry, right + 2.0 * weight
    return right, outer * entry - weight * variable, right
