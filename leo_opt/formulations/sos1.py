"""`sos1`: special ordered sets instead of big-M rows, for solvers that know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyomo.environ as pyo

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.complement import add_complements, fill_complements
from leo_opt.formulations.rows import add_rows, add_variables, linear


class SOS1(Formulation):
    """At most one of post-activation and complement is positive.

    Mathematics
    -----------
    With pre in [l, u], post in [0, u], a complement c in [0, -l], active z in {0, 1} and its
    opposite z'::

        pre = post - c
        z + z' = 1
        at most one of c and z is positive
        at most one of post and z' is positive

    The two sets together say that at most one of post and c is positive, and tie z to it.

    Needs
    -----
    Special ordered sets of type 1.

    Adds
    ----
    Two variables `complement`, `is_inactive`, two rows `difference`, `one_phase`, and two sets
    `complement_or_active`, `post_or_inactive` a unit.

    Exact or relaxation
    -------------------
    Exact. Its linear relaxation without the sets leaves post in [max(0, pre), u].

    References
    ----------
    E. M. L. Beale, J. A. Tomlin, Special facilities in a general mathematical programming system
    for non-convex problems using ordered sets of variables, OR 69, 1970. R. Bunel, I. Turkaslan,
    P. Torr, P. Kohli, M. P. Mudigonda, A Unified View of Piecewise Linear Neural Network
    Verification, NeurIPS 2018.
    """

    name = "sos1"
    rows_per_unit, columns_per_unit = 4, 4
    needs = frozenset({"sos1"})

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        complement = add_complements(block, units)
        addresses = [unit.address for unit in units]
        opposite = add_variables(
            block, "is_inactive", dict.fromkeys(addresses, 0.0), dict.fromkeys(addresses, 1.0)
        )
        rows = {
            u.address: (1.0, linear([1.0, 1.0], [u.active, opposite[u.address]]), 1.0)
            for u in units
        }
        add_rows(block, "one_phase", rows)
        first = {u.address: [complement[u.address], u.active] for u in units}
        second = {u.address: [u.post, opposite[u.address]] for u in units}
        _add_sets(block, "complement_or_active", first)
        _add_sets(block, "post_or_inactive", second)

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.fill_units`."""
        fill_complements(block, units)
        for unit in units:
            block.is_inactive[unit.address].set_value(1.0 - unit.active.value)


def _add_sets(block: Any, name: str, sets: dict[tuple[int, int], list[Any]]) -> None:
    """Add special ordered sets of type 1."""
    if not sets:
        return

    def members(_: Any, *address: int) -> list[Any]:
        layer, unit = address
        return sets[layer, unit]

    block.add_component(name, pyo.SOSConstraint(list(sets), rule=members, sos=1))
