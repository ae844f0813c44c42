"""`big-m`: the smallest exact formulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.rows import add_rows, at_most


class BigM(Formulation):
    """Big-M rows with the tightest constants that the bounds allow.

    Mathematics
    -----------
    With pre in [l, u], l < 0 < u, and active z in {0, 1}::

        post >= pre
        post <= pre - l (1 - z)
        post <= u z
        post >= 0

    Needs
    -----
    Nothing but binary variables.

    Adds
    ----
    Three rows a unit: `post_above_pre`, `post_below_pre`, `post_below_upper`.

    Exact or relaxation
    -------------------
    Exact. Its linear relaxation, projected on (pre, post), is the triangle.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
    arXiv 2001.00218.
    """

    name = "big-m"
    rows_per_unit, columns_per_unit = 3, 2

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        add_post_above_pre(block, units)
        add_bound_rows(block, units)


def add_post_above_pre(block: Any, units: Sequence[Unit]) -> None:
    """Add the rows post >= pre."""
    rows = {unit.address: at_most([(1.0, unit.pre), (-1.0, unit.post)], 0.0) for unit in units}
    add_rows(block, "post_above_pre", rows)


def add_post_below_upper(block: Any, units: Sequence[Unit]) -> None:
    """Add the rows post <= u z."""
    rows = {
        unit.address: at_most([(1.0, unit.post), (-unit.upper, unit.active)], 0.0) for unit in units
    }
    add_rows(block, "post_below_upper", rows)


def add_bound_rows(block: Any, units: Sequence[Unit]) -> None:
    """Add what the bounds of pre say about each phase: post <= pre - l (1 - z), post <= u z."""
    rows = {
        unit.address: at_most(
            [(1.0, unit.post), (-1.0, unit.pre), (-unit.lower, unit.active)], -unit.lower
        )
        for unit in units
    }
    add_rows(block, "post_below_pre", rows)
    add_post_below_upper(block, units)
