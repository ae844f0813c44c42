"""`complement`: post-activation minus its complement, as LEO and ISA print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leo_opt.formulations.base import Formulation, Unit
from leo_opt.formulations.big_m import add_post_below_upper
from leo_opt.formulations.rows import add_rows, add_variables, at_most, linear


class Complement(Formulation):
    """The pre-activation as the difference of two complementary nonnegative variables.

    Mathematics
    -----------
    With pre in [l, u], l < 0 < u, active z in {0, 1} and a complement c = max(0, -pre)::

        pre = post - c
        post <= u z
        c <= -l (1 - z)
        post, c >= 0

    Needs
    -----
    Nothing but binary variables.

    Adds
    ----
    One variable `complement` and three rows a unit: `difference`, `post_below_upper`,
    `complement_below_lower`.

    Exact or relaxation
    -------------------
    Exact; its linear relaxation is that of `big-m`.

    References
    ----------
    T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
    arXiv 2001.00218. T. Serra, X. Yu, A. Kumar, S. Ramalingam, Scaling Up Exact Neural Network
    Compression by ReLU Stability, NeurIPS 2021, arXiv 2102.07804.
    """

    name = "complement"
    rows_per_unit, columns_per_unit = 3, 3

    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.add_units`."""
        complement = add_complements(block, units)
        add_post_below_upper(block, units)
        rows = {
            unit.address: at_most(
                [(1.0, complement[unit.address]), (-unit.lower, unit.active)], -unit.lower
            )
            for unit in units
        }
        add_rows(block, "complement_below_lower", rows)

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:
        """See `Formulation.fill_units`."""
        fill_complements(block, units)


def fill_complements(block: Any, units: Sequence[Unit]) -> None:
    """Set `complement` to post less pre."""
    for unit in units:
        block.complement[unit.address].set_value(unit.post.value - unit.pre.value)


def add_complements(block: Any, units: Sequence[Unit]) -> Mapping[Any, Any]:
    """Add the variables `complement` in [0, -l] and the rows pre = post - complement."""
    complement: Mapping[Any, Any] = add_variables(
        block,
        "complement",
        {unit.address: 0.0 for unit in units},
        {unit.address: -unit.lower for unit in units},
    )
    rows = {
        unit.address: (
            0.0,
            linear([1.0, -1.0, 1.0], [unit.pre, unit.post, complement[unit.address]]),
            0.0,
        )
        for unit in units
    }
    add_rows(block, "difference", rows)
    return complement
