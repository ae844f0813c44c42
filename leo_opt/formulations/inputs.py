"""The inputs of a block: its own variables, or the user's variables and expressions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from leo_opt.arithmetic import float_above
from leo_opt.arrays import BoolArray
from leo_opt.domain import Box, Domain
from leo_opt.formulations.columns import Columns, Scaling
from leo_opt.formulations.ranges import is_number, is_variable
from leo_opt.formulations.rows import (
    SMALLEST_COEFFICIENT,
    Row,
    add_expressions,
    add_rows,
    add_variables,
    linear,
    nonzero,
)
from leo_opt.formulations.sharing import SharedRows, Source, find_source

_USUAL_WIDTH = (0.125, 8.0)
_USUAL_REACH = 16.0
"""Inputs of such a width and magnitude stand in the rows of the first layer as they are."""

_LARGEST_FACTOR = 30
"""Rows that tie an input to its scaled variable are multiplied by at most 2**30."""


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
    source = None
    if inputs is None:
        low, high = ({k: end[side] for k, end in enumerate(ends)} for side in (0, 1))
        entries = list(add_variables(block, "inputs", low, high).values())
    else:
        entries = inputs
        source = find_source(entries, domain)
        add_expressions(block, "inputs", dict(enumerate(entries)))
        usual = usual & np.array([is_variable(entry) for entry in entries])
        numbers = np.array([is_number(entry) for entry in entries])
        held = np.flatnonzero((usual | ~varies) & ~numbers).tolist()
        # A variable's own bounds may be changed by whoever owns it; these rows stay.
        domain_rows = {k: (ends[k][0], entries[k], ends[k][1]) for k in held}
        _add_input_rows(block, "input_domain", domain_rows, source)
    scaling = _scaling_of(domain, usual & varies, ~usual & varies)
    scaled = _select(scaling, ~usual[scaling.kept])
    own = _add_scaled_inputs(block, scaled, source)
    rows = {
        k: _scaling_row(entries[k], own[k], float(scaling.shift[k]), exponent)
        for k, exponent in zip(scaled.kept.tolist(), scaled.exponent.tolist(), strict=True)
    }
    _add_input_rows(block, "input_scaling", rows, source)
    variables = [own[k] if k in rows else entries[k] for k in scaling.kept.tolist()]
    return Columns(scaling, variables)


def _add_input_rows(block: Any, name: str, rows: dict[int, Row], source: Source | None) -> None:
    """Add rows of inputs; those that another block has are active where the other's are not."""
    twin = None if source is None else source.component(name)
    if source is None or twin is None:
        add_rows(block, name, rows)
        return
    shared = {k: row for k, row in rows.items() if source.places.get(k, -1) in twin}
    add_rows(block, name, {k: row for k, row in rows.items() if k not in shared})
    if shared:
        add_rows(block, f"shared_{name}", shared, SharedRows(list(shared), twin))


def add_joint_rows(block: Any, columns: Columns, domain: Domain) -> None:
    """Add `joint_rows`: rows of a domain, in the columns that the first layer reads."""
    scaling = columns.scaling
    rows: dict[int, Row] = {}
    ends = scaling.lower, scaling.upper
    for k, (row, bound) in enumerate(zip(*domain.rows, strict=True)):
        terms = zip(row.tolist(), scaling.shift.tolist(), strict=True)
        right = Fraction(float(bound)) - sum(Fraction(a) * Fraction(x) for a, x in terms)
        factors = np.ldexp(row[scaling.kept], -scaling.exponent)
        _, power = math.frexp(np.abs(factors).max(initial=0.0))
        factors = np.ldexp(factors, -power)
        tiny = np.abs(factors) <= SMALLEST_COEFFICIENT
        # What is left out of the row may have taken this much of it.
        least = np.minimum(*(factors * end for end in ends))[tiny].tolist()
        right = right / Fraction(2) ** power - sum(map(Fraction, least))
        kept = nonzero(np.where(tiny, 0.0, factors), columns.variables)
        if kept[0]:
            rows[k] = None, linear(*kept), float_above(right)
    add_rows(block, "joint_rows", rows)


def _is_usual(domain: Box) -> BoolArray:
    """Which inputs have a range that needs no scaling."""
    width = domain.upper - domain.lower
    reach = np.maximum(np.abs(domain.lower), np.abs(domain.upper))
    return (width >= _USUAL_WIDTH[0]) & (width <= _USUAL_WIDTH[1]) & (reach <= _USUAL_REACH)


def _scaling_of(domain: Box, direct: BoolArray, scaled: BoolArray) -> Scaling:
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


def _select(scaling: Scaling, which: BoolArray) -> Scaling:
    """A scaling with only some of the variables."""
    kept, exponent = scaling.kept[which], scaling.exponent[which]
    return Scaling(scaling.shift, kept, exponent, scaling.lower[which], scaling.upper[which])


def _add_scaled_inputs(block: Any, scaling: Scaling, source: Source | None) -> dict[int, Any]:
    """Scaled variables of inputs by index: those of another block, else `scaled_inputs`."""
    theirs = None if source is None else source.component("scaled_inputs")
    found = {}
    if source is not None and theirs is not None:
        found = {k: theirs[j] for k, j in source.places.items() if j in theirs}
    ends = zip(scaling.kept.tolist(), scaling.lower.tolist(), scaling.upper.tolist(), strict=True)
    missing = {k: (low, high) for k, low, high in ends if k not in found}
    if missing:
        lower, upper = ({k: end[side] for k, end in missing.items()} for side in (0, 1))
        found |= dict(add_variables(block, "scaled_inputs", lower, upper).items())
    return found


def _scaling_row(entry: Any, variable: Any, centre: float, exponent: int) -> Row:
    """The row entry = centre + 2**-exponent variable, times a power of two."""
    factor = min(max(exponent, -_LARGEST_FACTOR), _LARGEST_FACTOR)
    weight, outer = math.ldexp(1.0, factor - exponent), math.ldexp(1.0, factor)
    right = outer * centre
    if weight <= SMALLEST_COEFFICIENT:
        # Such a narrow input may be anywhere in its interval: |variable| is at most 2.
        return right - 2.0 * weight, outer * entry, right + 2.0 * weight
    return right, outer * entry - weight * variable, right
