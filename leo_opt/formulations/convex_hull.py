"""`convex-hull`: Balas's extended formulation of a unit, with a copy of every input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.big_m import add_bound_rows, add_post_above_pre
from leo_opt.formulations.rows import Row, add_rows, add_variables, at_most, between


class ConvexHull(Formulation):
    """The hull of a unit's two phases over the box of what it reads.

    Mathematics
    -----------
    With pre = w x + b, x in [L, U], active z in {0, 1}, and a copy y of x that is x where the
    unit is active and 0 where it is not::

        post = w y + b z
        L z <= y <= U z
        L (1 - z) <= x - y <= U (1 - z)
        post >= pre, post >= 0

    and for bounds l <= pre <= u, which may be tighter than the box implies::

        post <= pre - l (1 - z)
        post <= u z

    Needs
    -----
    Nothing but binary variables.

    Adds
    ----
    For each nonzero weight one variable `input_if_active` and up to four rows
    (`input_above_lower`, `input_below_upper`, `rest_above_lower`, `rest_below_upper`); for each
    unit the dense row `post_if_active` and the three rows of `big-m`.

    Exact or relaxation
    -------------------
    Exact. Its linear relaxation is the tightest that a unit by itself can have, but its size
    makes it slow beyond some hundred inputs a unit.

    References
    ----------
    E. Balas, Disjunctive programming: Properties of the convex hull of feasible points, Discrete
    Appl. Math. 89, 1998. R. Anderson, J. Huchette, W. Ma, C. Tjandraatmadja, J. P. Vielma, Strong
    mixed-integer programming formulations for trained neural networks, Math. Program. 183, 2020,
    section 2.2.
    """

    name = "convex-hull"
    bytes_per_weight = 5000.0
    rows_per_unit, columns_per_unit = 3, 2

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        where = {
            (*unit.address, i): (unit, i)
            for unit in units
            for i in np.flatnonzero(unit.row.coefficients).tolist()
        }
        ends = {
            index: (float(unit.row.inputs_lower[i]), float(unit.row.inputs_upper[i]))
            for index, (unit, i) in where.items()
        }
        copies = add_variables(
            block,
            "input_if_active",
            {index: min(low, 0.0) for index, (low, _) in ends.items()},
            {index: max(high, 0.0) for index, (_, high) in ends.items()},
        )
        add_rows(block, "post_if_active", {u.address: _post_row(u, copies) for u in units})
        tables: dict[str, dict[Any, Row]] = {name: {} for name in _ROWS}
        for index, (unit, i) in where.items():
            low, high = ends[index]
            x, y, z = unit.inputs[i], copies[index], unit.active
            if low != 0.0:  # Otherwise the bound of the copy says it.
                tables["input_above_lower"][index] = at_most([(-1.0, y), (low, z)], 0.0)
            if high != 0.0:
                tables["input_below_upper"][index] = at_most([(1.0, y), (-high, z)], 0.0)
            rest = [(1.0, x), (-1.0, y)]
            tables["rest_above_lower"][index] = at_most([(-1.0, x), (1.0, y), (-low, z)], -low)
            tables["rest_below_upper"][index] = at_most([*rest, (high, z)], high)
        for name, rows in tables.items():
            add_rows(block, name, rows)
        add_post_above_pre(block, units)
        add_bound_rows(block, units)

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.fill_units`."""
        for unit in units:
            for i in np.flatnonzero(unit.row.coefficients).tolist():
                copy = block.input_if_active[(*unit.address, i)]
                copy.set_value(unit.inputs[i].value * unit.active.value)


_ROWS = ("input_above_lower", "input_below_upper", "rest_above_lower", "rest_below_upper")


def _post_row(unit: Unit, copies: Any) -> Row:
    """The row post = w y + b z, to within the slack of the unit's own row."""
    row = unit.row
    nonzero = np.flatnonzero(row.coefficients).tolist()
    terms = [(1.0, unit.post), (-row.constant, unit.active)]
    terms += [(-float(row.coefficients[i]), copies[(*unit.address, i)]) for i in nonzero]
    return between(terms, -row.slack, row.slack)
