"""Hidden intervals tightened by branch and bound with facets, certified.

Layer by layer, each of which starts from what was proved of the layers before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.bounds import Bounds, Propagation
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import search_jobs
from leo_opt.decisions.run import Run
from leo_opt.decisions.tightening import ends_that_matter, tightening
from leo_opt.network import FloatArray
from leo_opt.verification.queries import Query
from leo_opt.weights import Weight

_SHARE = 0.9
"""Of the influence of a layer: that of the units that get more than one linear program."""


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
    sums, share = _sums(query), _SHARE if lps else 1.0
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    steps = Propagation(network, query.domain)
    for index in range(len(network.layers)):
        low, high = steps.bound(index, lower, upper, deadline)
        lower.append(np.maximum(low, known.lower[index]))
        upper.append(np.minimum(high, known.upper[index]))
        if index not in hidden or deadline.passed:
            continue
        later = index + 1
        ends = ends_that_matter(
            query.slack_network,
            _join(query, lower + list(known.lower[later:]), upper + list(known.upper[later:])),
            index,
            sums,
            share=share,
        )
        left = deadline.part(1.0 / sum(other >= index for other in hidden))
        for finding in _search(run, query, _join(query, lower, upper), ends, lps, left):
            run.charge(finding)
            if finding.bound is not None:
                _enter(finding.direction, finding.bound, lower[index], upper[index])
    return query.on(_join(query, lower, upper))


def _join(query: Query, lower: list[FloatArray], upper: list[FloatArray]) -> Bounds:
    return Bounds(query.domain, tuple(lower), tuple(upper))


def _sums(query: Query) -> dict[int, Weight]:
    """The slacks, from above, as `ends_that_matter` takes them."""
    *layers, slacks = query.slack_network.layers
    if layers[-1].has_phases:
        return {len(layers): -slacks.weight}
    # Through a linear layer they are sums again, in which much may cancel.
    return {len(layers) - 1: -slacks.weight @ layers[-1].weight}


def _enter(direction: Direction, bound: float, lower: FloatArray, upper: FloatArray) -> None:
    """Record that sign * pre <= bound."""
    unit = direction.unit
    if direction.sign > 0:
        upper[unit] = min(upper[unit], bound)
    else:
        lower[unit] = max(lower[unit], -bound)


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
    asked = tightening(len(ends), lps * len(query.conjuncts), deadline, run.settings.workers)
    jobs = search_jobs(query.network, bounds, asked, ends)
    found = [finding for some in run.findings(jobs) for finding in some]
    return sorted(found, key=lambda finding: finding.direction)
