"""The bound of a difference made smaller by branch and bound on phases, where many inputs vary.

The networks side by side, with the differences of their outputs as a last layer, are a network
like others, so that the searches of `leo_opt.decisions` do here: linear programs tighten hidden
intervals first, then each end of each output's difference gets a tree of its own, the one that is
furthest out first. The linear program chooses the slopes of all lines at once, the best there are,
and every bound is computed anew from its duals, true in floating point. What it does not know are
the lines of differences: where networks are close, bounds of the joint chain are the better ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.bounds import Bounds, Interval, Propagation
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import RELAXATION, Effort
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Searches, run_job, search_jobs
from leo_opt.difference.alignment import side_by_side
from leo_opt.difference.bounding import Aligned, LayerIntervals
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Layer, Network

_EFFORT = Effort(lps=1_000_000, rounds=6, least_gain=0.05, settles=False)
"""Until time is up."""
_HIDDEN_SHARE = 0.3
"""Of the time: for hidden intervals."""
_FIRST_SHARE = 1 / 3
"""Of the time that is left: for the end that is furthest out, as the largest bound counts most."""
_BATCH = 16
"""Ends of hidden intervals that share a warm session."""
_ENOUGH = 1e-3
"""Share by which a bound may exceed what is reached; then it needs no search."""


def search(
    aligned: Aligned,
    domain: Box,
    known: tuple[Interval, LayerIntervals, LayerIntervals],
    reached: FloatArray,
    deadline: Deadline,
) -> tuple[Interval, list[Interval], list[Interval]]:
    """Bounds of second(x) - first(x) when time is up, and intervals of both networks' layers.

    Parameters are those of `leo_opt.difference.refinement.refine`.
    """
    (low, high), first, second = known
    network = _difference_network(aligned)
    given = [_beside(mine, theirs) for mine, theirs in zip(first, second, strict=True)]
    lower, upper = _tighten(network, domain, [*given, (low, high)], deadline.part(_HIDDEN_SHARE))
    low, high = lower[-1].copy(), upper[-1].copy()
    last, bounds = len(network.layers) - 1, Bounds(domain, tuple(lower), tuple(upper))
    ends = [Direction(last, unit, sign) for unit in range(low.size) for sign in (-1, +1)]
    ends.sort(key=lambda end: -_end(end, low, high))
    ends = [end for end in ends if _end(end, low, high) > (1.0 + _ENOUGH) * reached[end.unit]]
    for place, end in enumerate(ends):
        if deadline.passed:
            break
        share = max(_FIRST_SHARE, 1.0 / (len(ends) - place))
        seconds = deadline.part(share).remaining
        asked = Searches("refine", 1, _EFFORT, deadline.at, seconds)
        _enter(_run(network, bounds, asked, [end]), low, high)
    sizes = [layer.n_out for layer in aligned.first.layers]
    parts = [
        ((below[:size], above[:size]), (below[size:], above[size:]))
        for size, below, above in zip(sizes, lower, upper, strict=False)
    ]
    return (low, high), [mine for mine, _ in parts], [theirs for _, theirs in parts]


def _difference_network(aligned: Aligned) -> Network:
    """second(x) - first(x) as one network."""
    each = np.eye(aligned.first.output_size)
    last = Layer(np.hstack([-each, each]), np.zeros(len(each)), "linear")
    return Network((*side_by_side(aligned).layers, last))


def _beside(mine: Interval, theirs: Interval) -> Interval:
    return np.concatenate([mine[0], theirs[0]]), np.concatenate([mine[1], theirs[1]])


def _tighten(
    network: Network, domain: Box, known: Sequence[Interval], deadline: Deadline
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Lower and upper ends of all layers: one linear program for each that may change phase."""
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    steps = Propagation(network, domain)
    hidden = [k for k in network.phased_layers if k > 0]
    for index, (below, above) in enumerate(known):
        found = steps.bound(index, lower, upper)
        low, high = np.maximum(found[0], below), np.minimum(found[1], above)
        lower.append(low)
        upper.append(high)
        crosses = np.flatnonzero((low < 0.0) & (high > 0.0) & network.layers[index].phased)
        if index not in hidden or not crosses.size or deadline.passed:
            continue
        ends = [Direction(index, unit, sign) for unit in crosses.tolist() for sign in (-1, +1)]
        until = deadline.part(1.0 / sum(later >= index for later in hidden))
        bounds = Bounds(domain, tuple(lower), tuple(upper))
        lower[index], upper[index] = low.copy(), high.copy()
        asked = Searches("refine", _BATCH, RELAXATION, until.at)
        _enter(_run(network, bounds, asked, ends), lower[index], upper[index])
    return lower, upper


def _run(
    network: Network, bounds: Bounds, asked: Searches, ends: Sequence[Direction]
) -> list[Finding]:
    """What searches say of ends of one layer, one after the other."""
    jobs = search_jobs(network, bounds, asked, ends)
    return [finding for job in jobs for finding in run_job(job)]


def _end(direction: Direction, low: FloatArray, high: FloatArray) -> float:
    """How far out an end is."""
    return float(high[direction.unit] if direction.sign > 0 else -low[direction.unit])


def _enter(findings: Sequence[Finding], low: FloatArray, high: FloatArray) -> None:
    """Move ends to what is proved of them."""
    for finding in findings:
        unit, bound = finding.direction.unit, finding.bound
        if bound is not None and finding.direction.sign > 0:
            high[unit] = min(high[unit], bound)
        elif bound is not None:
            low[unit] = max(low[unit], -bound)
