"""Deletion of units that nothing reads."""

from __future__ import annotations

from leo_opt import weights
from leo_opt.rewrites.constant import absorb
from leo_opt.rewrites.draft import Draft


def delete_dead(draft: Draft, index: int) -> Draft:
    """Delete the units of a hidden layer that the next layer multiplies by zeros.

    The law: such a unit, whatever its phase, moves nothing. No number changes; the deviation is
    0. Applied to the last layer first, this deletes all units from which no path of weights leads
    to an output.
    """
    mask = ~weights.columns_read(draft.network.layers[index + 1].weight)
    return absorb(draft, index, mask, "dead", values={}, drifts=mask & False)
