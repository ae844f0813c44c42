"""`ideal`: the hull without further variables, by rows that are separated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from leo_opt.formulations.base import Cut, Formulation, Unit, UnitRow
from leo_opt.formulations.big_m import add_bound_rows, add_post_above_pre
from leo_opt.formulations.facets import lowest_rows
from leo_opt.network import FloatArray

_LEAST_VIOLATION = 1e-6
"""In scaled units, where pre and post have ranges of about 1."""


class Ideal(Formulation):
    """Big-M rows and an exponential family of rows, of which only violated ones are added.

    Mathematics
    -----------
    With pre = w x + b, active z in {0, 1}, x in a box, and for each weight the end L_i of its
    input's interval where w_i x_i is least and the end U_i where it is most: for every subset I
    of the inputs::

        post <= sum over I of w_i (x_i - L_i (1 - z)) + (b + sum outside I of w_i U_i) z
        post >= pre, post >= 0

    and for bounds l <= pre <= u, which may be tighter than the box implies::

        post <= pre - l (1 - z)
        post <= u z

    At a point the most violated row has I = {i : w_i x_i < w_i (L_i (1 - z) + U_i z)}, so that
    separation takes linear time.

    Needs
    -----
    Nothing but binary variables. The model as written is `big-m`: `leo_opt.separation` adds the
    violated rows, in rounds at the root for any solver or as user cuts where a solver takes them.

    Adds
    ----
    The three rows of `big-m`; then one row a unit in each round of separation.

    Exact or relaxation
    -------------------
    Exact. With all rows separated its linear relaxation is that of `convex-hull`, projected.

    References
    ----------
    R. Anderson, J. Huchette, W. Ma, C. Tjandraatmadja, J. P. Vielma, Strong mixed-integer
    programming formulations for trained neural networks, Math. Program. 183, 2020, section 3.
    """

    name = "ideal"
    rows_per_unit, columns_per_unit = 3, 2

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        add_post_above_pre(block, units)
        add_bound_rows(block, units)

    def violated_rows(
        self, row: UnitRow, inputs: FloatArray, post: float, active: float
    ) -> Sequence[Cut]:
        """The most violated row at a point, if any is; see `Formulation.violated_rows`."""
        w, z = row.coefficients, min(max(active, 0.0), 1.0)
        box, point = (row.inputs_lower, row.inputs_upper), np.array([z])
        lowest = lowest_rows(w[None, :], np.array([row.constant]), box, inputs, point)
        inside, base, slope = lowest.chosen[0], float(lowest.base[0]), float(lowest.slope[0])
        limit = float(lowest.limit[0]) + row.slack
        if post <= limit + _LEAST_VIOLATION:
            return ()
        if 2 * np.count_nonzero(inside) <= np.count_nonzero(w):
            entries, of_pre, upper = np.where(inside, -w, 0.0), 0.0, row.slack - base
        else:
            # The sum over I is pre less the constant and the rest, which has fewer entries.
            entries, of_pre = np.where(inside, 0.0, w), -1.0
            upper = 2.0 * row.slack - base - row.constant
        return (Cut(inputs=entries, pre=of_pre, post=1.0, active=-slope, upper=upper),)
