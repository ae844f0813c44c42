"""`triangle`: the linear relaxation of one unit by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.big_m import add_post_above_pre
from leo_opt.formulations.rows import add_rows, at_most


class Triangle(Formulation):
    """The convex hull of post = max(0, pre) on an interval.

    Mathematics
    -----------
    With pre in [l, u], l < 0 < u::

        post >= pre
        (u - l) post <= u (pre - l)
        post >= 0

    Needs
    -----
    Nothing; it is a linear program.

    Adds
    ----
    Two rows a unit: `post_above_pre`, `post_below_chord`. No binary variables.

    Exact or relaxation
    -------------------
    Relaxation; equal to the linear relaxation of `big-m`, projected.

    References
    ----------
    R. Ehlers, Formal Verification of Piece-Wise Linear Feed-Forward Neural Networks, ATVA 2017.
    """

    name = "triangle"
    rows_per_unit, columns_per_unit = 2, 1
    exact = False

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        add_post_above_pre(block, units)
        rows = {
            unit.address: at_most(
                [(unit.upper - unit.lower, unit.post), (-unit.upper, unit.pre)],
                -unit.upper * unit.lower,
            )
            for unit in units
        }
        add_rows(block, "post_below_chord", rows)
