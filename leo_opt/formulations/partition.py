"""`partition`: between big-M and the hull, with copies of a few partial sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt.arguments import (
    Options,
    not_negative,
    option,
    positive,
    read_whole,
    word_of,
)
from leo_opt.arrays import IntArray
from leo_opt.formulations.base import Formulation, Unit, UnitRow
from leo_opt.formulations.big_m import add_bound_rows, add_post_above_pre
from leo_opt.formulations.rows import Row, add_rows, add_variables, at_most, between, linear
from leo_opt.formulations.splits import SPLITS
from leo_opt.network import FloatArray

_SMALLEST_REACH = 2.0**-20

PART_BOUNDS = ("interval", "crown")
"""The ways to bound the sums of parts."""


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a unit's weighted sum, scaled to a range of about 1.

    Parameters
    ----------
    members : (k,) integer array
        Positions in what the unit reads.
    weights : (k,) array
        Times `scale`.
    lower, upper
        Interval of the part, times `scale`.
    """

    members: IntArray
    weights: FloatArray
    scale: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Partition(Options, Formulation):
    """The two phases over the box of partial sums of what the unit reads.

    Mathematics
    -----------
    With pre = w x + b, active z in {0, 1}, and the weights split into parts S_1 .. S_N whose sums
    lie in [L_n, U_n]::

        sum over S_n of w_i x_i = s_n + t_n          s_n if active, t_n if not
        L_n z <= s_n <= U_n z
        L_n (1 - z) <= t_n <= U_n (1 - z)
        pre  = sum_n (s_n + t_n) + b
        post = sum_n s_n + b z
        post >= pre, post >= 0

    and for bounds l <= pre <= u, which may be tighter than those of the parts imply::

        post <= pre - l (1 - z)
        post <= u z

    One part gives `big-m`, a part for each weight gives `convex-hull`.

    Needs
    -----
    Nothing but binary variables.

    Adds
    ----
    For each part two variables `part_if_active`, `part_if_inactive`, the row `part` and up to
    four rows `part_active_above`, `part_active_below`, `part_inactive_above`,
    `part_inactive_below`; for each unit the rows `sum_of_parts`, `post_of_parts` and the three of
    `big-m`. Each weight stands in the model once.

    Exact or relaxation
    -------------------
    Exact. With intervals for the parts its linear relaxation is at least as tight as that of any
    partition that it refines, and never tighter than `convex-hull`.

    References
    ----------
    C. Tsay, J. Kronqvist, A. Thebelt, R. Misener, Partition-based formulations for mixed-integer
    optimization of trained ReLU neural networks, NeurIPS 2021, arXiv 2102.04373.

    Parameters
    ----------
    parts
        Number of parts of each unit, fewer where it has fewer weights.
    split
        A key of `leo_opt.formulations.splits.SPLITS`: "equal-size", "equal-range", "random"
        or "uneven-magnitudes". The weights that it looks at are those over inputs scaled to
        ranges of about 1.
    seed
        For the random split.
    part_bounds
        How the sums of parts are bounded: "interval", over the box of what the unit reads; or
        "crown", which knows that these depend on the same inputs of the network. The model keeps
        its size, and its linear relaxation is tighter: with many parts even than `convex-hull`.

    Raises
    ------
    InvalidInputError
        If there is no such split or way to bound, or `parts` is not positive.
    """

    parts: int = option(2, positive(read_whole))
    split: str = option("equal-size", word_of(SPLITS))
    seed: int = option(0, not_negative(read_whole))
    part_bounds: str = option("interval", word_of(PART_BOUNDS))

    name = "partition"
    bytes_per_weight = 520.0
    rows_per_unit, columns_per_unit = 3, 2
    writes_affine = True

    def split_row(self, row: UnitRow) -> list[Part]:
        """The parts of a unit, without empty ones."""
        nonzero = np.flatnonzero(row.coefficients)
        weights = row.coefficients[nonzero]
        generator = np.random.default_rng([self.seed, row.layer, row.unit])
        count = min(self.parts, nonzero.size)
        sets = SPLITS[self.split](weights, count, generator) if count else []
        return [_scaled_part(row, nonzero[members]) for members in sets if members.size]

    def split_units(self, units: Sequence[Unit]) -> dict[tuple[int, int, int], tuple[Unit, Part]]:
        """The parts of all units by (layer, unit, n), with the bounds that are asked for."""
        where = {
            (*unit.address, n): (unit, part)
            for unit in units
            for n, part in enumerate(self.split_row(unit.row))
        }
        if self.part_bounds == "interval":
            return where
        for layer in sorted({index[0] for index in where}):
            indices = [index for index in where if index[0] == layer]
            chosen = [where[index] for index in indices]
            for index, part in zip(indices, _tighten(layer, chosen), strict=True):
                where[index] = (where[index][0], part)
        return where

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        where = self.split_units(units)
        lower = {index: min(part.lower, 0.0) for index, (_, part) in where.items()}
        upper = {index: max(part.upper, 0.0) for index, (_, part) in where.items()}
        if_active = add_variables(block, "part_if_active", lower, upper)
        if_inactive = add_variables(block, "part_if_inactive", lower, upper)
        tables: dict[str, dict[Any, Row]] = {name: {} for name in _ROWS}
        sums: dict[Any, list[tuple[float, Any]]] = {unit.address: [] for unit in units}
        posts: dict[Any, list[tuple[float, Any]]] = {unit.address: [] for unit in units}
        for index, (unit, part) in where.items():
            s, t, z = if_active[index], if_inactive[index], unit.active
            tables["part"][index] = _definition(unit, part, s, t)
            tables["part_active_above"][index] = at_most([(-1.0, s), (part.lower, z)], 0.0)
            tables["part_active_below"][index] = at_most([(1.0, s), (-part.upper, z)], 0.0)
            tables["part_inactive_above"][index] = at_most(
                [(-1.0, t), (-part.lower, z)], -part.lower
            )
            tables["part_inactive_below"][index] = at_most([(1.0, t), (part.upper, z)], part.upper)
            sums[unit.address] += [(-1.0 / part.scale, s), (-1.0 / part.scale, t)]
            posts[unit.address].append((-1.0 / part.scale, s))
        for unit in units:
            row, address = unit.row, unit.address
            tables["sum_of_parts"][address] = between(
                [(1.0, unit.pre), *sums[address]],
                row.constant - row.slack,
                row.constant + row.slack,
            )
            tables["post_of_parts"][address] = between(
                [(1.0, unit.post), *posts[address], (-row.constant, unit.active)],
                -row.slack,
                row.slack,
            )
        for name, rows in tables.items():
            add_rows(block, name, rows)
        add_post_above_pre(block, units)
        add_bound_rows(block, units)

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.fill_units`."""
        for unit in units:
            for n, part in enumerate(self.split_row(unit.row)):
                read = [unit.inputs[i].value for i in part.members.tolist()]
                value, active = float(part.weights @ np.array(read)), unit.active.value
                block.part_if_active[(*unit.address, n)].set_value(value * active)
                block.part_if_inactive[(*unit.address, n)].set_value(value * (1 - active))


_ROWS = (
    "part",
    "sum_of_parts",
    "post_of_parts",
    "part_active_above",
    "part_active_below",
    "part_inactive_above",
    "part_inactive_below",
)


def _scaled_part(row: UnitRow, members: IntArray) -> Part:
    weights = row.coefficients[members]
    positive, negative = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    low, high = row.inputs_lower[members], row.inputs_upper[members]
    lower = float(positive @ low + negative @ high)
    upper = float(positive @ high + negative @ low)
    # Rounded outward by more than these sums can be off.
    error = 2.0**-52 * members.size * float(np.abs(weights) @ np.maximum(abs(low), abs(high)))
    lower, upper = lower - error, upper + error
    # Parts smaller than this cannot be told from the solver's tolerances anyway.
    reach = max(abs(lower), abs(upper), _SMALLEST_REACH)
    scale = float(np.exp2(-np.rint(np.log2(reach))))
    return Part(members, weights * scale, scale, lower * scale, upper * scale)


def _tighten(index: int, chosen: Sequence[tuple[Unit, Part]]) -> list[Part]:
    """Parts of units of one layer, with intervals that CROWN makes smaller.

    The first layer reads the inputs, which depend on nothing.
    """
    parts = [part for _, part in chosen]
    sums = chosen[0][0].sums
    if index == 0 or sums is None:
        return parts
    coefficients = np.zeros((len(parts), chosen[0][0].row.coefficients.size))
    for k, part in enumerate(parts):
        coefficients[k, part.members] = part.weights
    lower, upper = sums.interval(index, coefficients)
    tightened = []
    for part, low, high in zip(parts, lower.tolist(), upper.tolist(), strict=True):
        ends = max(part.lower, low), min(part.upper, high)
        # Bounds from elsewhere that contradict each other are no knowledge.
        tightened.append(
            replace(part, lower=ends[0], upper=ends[1]) if ends[0] <= ends[1] else part
        )
    return tightened


def _definition(unit: Unit, part: Part, if_active: Any, if_inactive: Any) -> Row:
    """The row part = s + t."""
    members = part.members.tolist()
    return (
        0.0,
        linear(
            [*part.weights.tolist(), -1.0, -1.0],
            [*(unit.inputs[i] for i in members), if_active, if_inactive],
        ),
        0.0,
    )
