"""Which intervals are tightened by linear programs and branch and bound, and with which effort.

All that decides a direction lies on the intervals of the layers before it: big-M constants, facets
and planes shrink with them. So layer by layer every end on which something open may hang gets some
linear programs, more of them where a layer has few such ends.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import TINY
from leo_opt.bounds import Bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import RELAXATION, Effort
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.jobs import Searches
from leo_opt.network import FloatArray, Network
from leo_opt.weights import Weight

FEW_UNITS = 8
"""Units of a layer that are worth many linear programs each."""
RELAXATION_BATCH = 16
"""Ends that share one warm session where each gets one linear program; fixed, as the next is, so
that nothing depends on the workers."""
_BATCH = 2
"""The same where each gets several."""
_LEAST_LPS = 6
"""Linear programs for one end of an interval, where it gets more than one."""
_GENEROSITY = 3.0
"""Times the fair share of the time: what one end may take, as most need less than their share."""


def tightening(ends: int, lps: int, deadline: Deadline, workers: int) -> Searches:
    """Searches for some ends of intervals of one layer.

    Parameters
    ----------
    lps
        Linear programs for all of them; 0 for one each.
    """
    effort, batch = RELAXATION, RELAXATION_BATCH
    if lps:
        most = max(_LEAST_LPS, lps // ends)
        effort = Effort(most, rounds=_LEAST_LPS - 1, least_gain=0.03, settles=False)
        batch = _BATCH if ends > FEW_UNITS else 1
    seconds = deadline.part(min(1.0, _GENEROSITY * workers / ends)).remaining
    return Searches("tighten", batch, effort, deadline.at, seconds)


def ends_that_matter(
    network: Network,
    bounds: Bounds,
    index: int,
    sums: Mapping[int, Weight],
    *,
    share: float = 1.0,
    held: bool = False,
) -> list[Direction]:
    """Ends of intervals of a layer on which upper bounds of later sums may hang.

    Parameters
    ----------
    bounds
        Of the layers in front of all the sums, finite up to the layer itself.
    sums
        By the index of a layer the weights (m, n_in) of sums of what it reads.
    share
        Of the influence of the whole layer: that of the units that are taken, largest first.
    held
        Whether to take stably active units as well, where few units can be active. Of them later
        programs know all that one program says, so that they are for searches only.
    """
    low, high = bounds.lower[index], bounds.upper[index]
    crossing = (low < 0.0) & (high > 0.0) & network.layers[index].phased
    raised, lowered = _influence(network, bounds, index, sums)
    # An upper line moves by at most the height of its triangle. A lower one hangs on no end.
    with np.errstate(over="ignore", invalid="ignore"):
        height = -low * (high / np.maximum(high - low, TINY))
        weight = np.where(crossing & (raised > 0.0), raised * height, 0.0)
    order = np.argsort(-weight, kind="stable")
    covered = weight[order].cumsum()
    enough = int(np.searchsorted(covered, share * covered[-1])) + 1 if share < 1.0 else order.size
    chosen = np.zeros(order.size, dtype=bool)
    chosen[order[:enough]] = True
    chosen &= weight > 0.0
    if held and np.count_nonzero(high > 0.0) <= FEW_UNITS:
        chosen |= high > 0.0
    matters = {-1: np.where(crossing, raised, lowered) > 0.0, +1: raised > 0.0}
    return [
        Direction(index, int(unit), sign)
        for unit in np.flatnonzero(chosen)
        for sign in (-1, +1)
        if matters[sign][unit]
    ]


def _influence(
    network: Network, bounds: Bounds, index: int, sums: Mapping[int, Weight]
) -> tuple[FloatArray, FloatArray]:
    """What raising and what lowering each value of a layer adds to later sums at most, (n_out,).

    Each unit in between counts with the slope of its upper line.
    """
    raised = lowered = np.zeros(1)
    # What overflows may be anything, and so counts.
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(max(sums), index, -1):
            rise = fall = np.zeros(network.layers[k].n_in)
            if k < max(sums):
                layer, low, high = network.layers[k], bounds.lower[k], bounds.upper[k]
                chord = np.clip(high / np.maximum(high - low, TINY), 0.0, 1.0)
                slope = np.where(layer.phased & np.isfinite(high - low), chord, 1.0)
                up, down = weights.positive_part(layer.weight), -weights.negative_part(layer.weight)
                rise = (slope * raised) @ up + (slope * lowered) @ down
                fall = (slope * raised) @ down + (slope * lowered) @ up
            if k in sums:
                rise = rise + weights.positive_part(sums[k]).sum(axis=0)
                fall = fall - weights.negative_part(sums[k]).sum(axis=0)
            raised, lowered = (
                np.nan_to_num(side, nan=np.inf, posinf=np.inf) for side in (rise, fall)
            )
    return raised, lowered
