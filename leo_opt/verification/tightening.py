"""Hidden intervals tightened by branch and bound with facets, certified.

All that decides a case lies on the intervals of the hidden layers: big-M constants, facets and
planes shrink with them. Layer by layer every end on which an open case may hang gets some linear
programs, more of them where the layer has few such ends, and each layer starts from what was
proved of the layers before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.arithmetic import TINY
from leo_opt.bounds import Bounds, Propagation
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import tightening
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Searches, search_jobs
from leo_opt.decisions.run import Run
from leo_opt.network import FloatArray
from leo_opt.verification.queries import Query

_BATCH = 2
"""Ends that share one warm session; fixed, so that nothing depends on the workers."""
_RELAXATION_BATCH = 16
"""The same where each end gets one linear program."""
_SHARE = 0.9
"""Of the influence of a layer: that of the units that get more than one linear program."""
_GENEROSITY = 3.0
"""Times the fair share of the time: what one end may take, as most need less than their share."""


def tighten(run: Run, query: Query, lps: int, deadline: Deadline) -> Query:
    """The query with tighter certified intervals.

    Parameters
    ----------
    query
        With finite bounds.
    lps
        Linear programs for the ends of one layer and each open case, so that this costs about as
        much as the searches it is to spare; 0 for one linear program an end.
    """
    network, known = query.network, query.bounds
    hidden = [k for k in network.phased_layers if k > 0]
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    steps = Propagation(network, query.domain)
    for index in range(len(network.layers)):
        low, high = steps.bound(index, lower, upper, deadline)
        lower.append(np.maximum(low, known.lower[index]))
        upper.append(np.minimum(high, known.upper[index]))
        if index not in hidden or deadline.passed:
            continue
        bounds = Bounds(query.domain, tuple(lower), tuple(upper))
        left = sum(later >= index for later in hidden)
        ends = _ends_that_matter(query, bounds, whole=lps == 0)
        for finding in _search(run, query, bounds, ends, lps, deadline.part(1.0 / left)):
            run.charge(finding)
            if finding.bound is not None:
                _enter(finding.direction, finding.bound, lower[index], upper[index])
    return query.on(Bounds(query.domain, tuple(lower), tuple(upper)))


def _enter(direction: Direction, bound: float, lower: FloatArray, upper: FloatArray) -> None:
    """Record that sign * pre <= bound."""
    unit = direction.unit
    if direction.sign > 0:
        upper[unit] = min(upper[unit], bound)
    else:
        lower[unit] = max(lower[unit], -bound)


def _ends_that_matter(query: Query, bounds: Bounds, whole: bool) -> list[Direction]:
    """Ends of the last layer of `bounds` on which an open case may hang.

    Unless the whole layer is asked for, units are left out which together have little influence.
    """
    layer = len(bounds.lower) - 1
    weight = _influence(query, bounds)
    order = np.argsort(-weight, kind="stable")
    share = weight[order].cumsum()
    if not whole and share[-1] > 0.0:
        count = int(np.searchsorted(share, _SHARE * share[-1])) + 1
        order = order[:count]
    chosen = np.sort(order[weight[order] > 0.0])
    return [Direction(layer, int(unit), sign) for unit in chosen for sign in (-1, +1)]


def _influence(query: Query, bounds: Bounds) -> FloatArray:
    """How far relaxing each unit of the last layer of `bounds` may move an open slack, (n_out,).

    That is the height of its triangle times what later layers make of it at most, each with
    the slope of its upper line. What a slack reads only ever from above does not hang on it.
    """
    layers, layer = query.network.layers, len(bounds.lower) - 1
    rows = np.vstack([conjunct.weight for conjunct in query.conjuncts])
    moved: FloatArray = np.abs(rows)
    for index in range(len(layers) - 1, layer, -1):
        low, high = query.bounds.lower[index], query.bounds.upper[index]
        if layers[index].has_phases:
            chord = np.clip(high / np.maximum(high - low, TINY), 0.0, 1.0)
            moved = moved * np.where(layers[index].phased, chord, 1.0)
        if index == len(layers) - 1 and not layers[index].has_phases:
            moved = np.maximum(-(rows @ layers[index].weight), 0.0)
        else:
            moved = moved @ abs(layers[index].weight)
    low, high = bounds.lower[layer], bounds.upper[layer]
    crosses = (low < 0.0) & (high > 0.0) & layers[layer].phased
    height = np.where(crosses, -low * (high / np.maximum(high - low, TINY)), 0.0)
    influence: FloatArray = (moved * height).max(axis=0)
    return influence


def _search(
    run: Run,
    query: Query,
    bounds: Bounds,
    ends: Sequence[Direction],
    lps: int,
    deadline: Deadline,
) -> list[Finding]:
    """One round: linear programs for ends of a layer, in the order of the ends."""
    if not ends:
        return []
    effort = tightening(len(ends), lps * len(query.conjuncts))
    batch = _BATCH if effort.rounds else _RELAXATION_BATCH
    seconds = deadline.part(min(1.0, _GENEROSITY * run.settings.workers / len(ends))).remaining
    asked = Searches("tighten", batch, effort, deadline.at, seconds)
    jobs = search_jobs(query.network, bounds, asked, ends)
    found = [finding for some in run.findings(jobs) for finding in some]
    return sorted(found, key=lambda finding: finding.direction)
