"""`indicator`: rows that hold in one phase only, for solvers that know such rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.big_m import add_post_above_pre
from leo_opt.formulations.guards import add_guard


class Indicator(Formulation):
    """Indicator rows instead of big-M rows.

    Mathematics
    -----------
    With pre in [l, u], post in [0, u] and active z in {0, 1}::

        post >= pre
        z = 1  =>  post <= pre
        z = 0  =>  post <= 0

    Needs
    -----
    Indicator rows. For Pyomo's own solver interfaces apply `TransformationFactory("gdp.bigm")` or
    "gdp.hull" first: several of them leave disjuncts out without a word, so that the block holds
    a row `disjuncts_are_read` that they refuse.

    Adds
    ----
    A disjunction `phase` of two disjuncts `if_active`, `if_inactive` and the row
    `post_above_pre` a unit; `is_active` is the binary variable of `if_active`, and that of
    `if_inactive` is one more.

    Exact or relaxation
    -------------------
    Exact. Its linear relaxation without the indicator rows leaves post in [max(0, pre), u]; how
    much of the rest a solver finds in presolve is up to the solver.

    References
    ----------
    V. Tjeng, K. Xiao, R. Tedrake, Evaluating Robustness of Neural Networks with Mixed Integer
    Programming, ICLR 2019, write the same unit with big-M rows. P. Bonami, A. Lodi, A. Tramontani,
    S. Wiese, On mathematical programming with indicator constraints, Math. Program. 151, 2015.
    """

    name = "indicator"
    rows_per_unit, columns_per_unit = 4, 3
    needs = frozenset({"indicator"})

    def add_binaries(self, block: Any, addresses: Sequence[tuple[int, int]]) -> Any:
        """The binary variables of the disjuncts, under the name `is_active`."""
        block.if_active = Disjunct(addresses)
        block.if_inactive = Disjunct(addresses)
        data = {a: block.if_active[a].binary_indicator_var for a in addresses}
        block.is_active = pyo.Reference(data, ctype=pyo.Var)
        return block.is_active

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        add_post_above_pre(block, units)
        block.phase = Disjunction([unit.address for unit in units])
        for unit in units:
            active, inactive = block.if_active[unit.address], block.if_inactive[unit.address]
            active.post_below_pre = pyo.Constraint(expr=unit.post <= unit.pre)
            inactive.post_at_zero = pyo.Constraint(expr=unit.post <= 0.0)
            block.phase[unit.address] = [active, inactive]
        add_guard(block, block.if_active)

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.fill_units`."""
        for unit in units:
            other = block.if_inactive[unit.address].binary_indicator_var
            other.set_value(1 - unit.active.value)
