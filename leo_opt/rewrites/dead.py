"""Deletion of units that no output depends on."""

from __future__ import annotations

from leo_opt.connectivity import influential_units
from leo_opt.rewrites.constant import absorb
from leo_opt.rewrites.draft import Draft


def delete_dead(draft: Draft, layer: int) -> Draft:
    """Delete the units of a hidden layer from which no path of weights leads to an output.

    The law: such a unit, whatever its phase, is multiplied by zeros. No number changes; the
    deviation is 0.
    """
    mask = ~influential_units(draft.network)[layer]
    return absorb(draft, layer, mask, "dead", values={}, drifts=mask & False)
