"""Hidden intervals tightened by branch and bound with facets, certified.

All that decides a case lies on the intervals of the hidden layers: big-M constants, facets and
planes shrink with them. Layer by layer every end on which an open case may hang gets some linear
programs, more of them where the layer has few such ends, and each layer starts from what was
proved of the layers before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leo_opt.bounds import Bounds, bound_layer
from leo_opt.network import FloatArray
from leo_opt.parallel import JobFailure, Workers
from leo_opt.strategies.branching import Effort, tightening
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.jobs import SearchJob, run_search
from leo_opt.strategies.ledger import Direction
from leo_opt.strategies.relaxation import build_relaxation
from leo_opt.strategies.scope import find_scopes
from leo_opt.strategies.settings import Deadline
from leo_opt.verification.questions import Question

_BATCH = 2
"""Ends that share one warm session; fixed, so that nothing depends on the workers."""
_GENEROSITY = 3.0
"""Times the fair share of the time: what one end may take, as most need less than their share."""


def tighten(
    question: Question, factor: int, deadline: Deadline, workers: Workers, count: int = 1
) -> tuple[Question, int]:
    """The question with tighter certified intervals, and the linear programs that took.

    Parameters
    ----------
    question
        With finite bounds.
    factor
        Times the usual effort.
    count
        Number of jobs that run at once.
    """
    network, known = question.network, question.bounds
    hidden = [k for k in network.phased_layers if k > 0]
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    lps = 0
    for index in range(len(network.layers)):
        low, high = bound_layer(network, question.domain, index, lower, upper)
        lower.append(np.maximum(low, known.lower[index]))
        upper.append(np.minimum(high, known.upper[index]))
        if index not in hidden or deadline.passed:
            continue
        bounds = Bounds(question.domain, tuple(lower), tuple(upper))
        left = sum(later >= index for later in hidden)
        ends = _ends_that_matter(question, bounds)
        for finding in _search(
            question, bounds, ends, factor, deadline.part(1.0 / left), workers, count
        ):
            lps += finding.lps
            if finding.bound is not None:
                _enter(finding.direction, finding.bound, lower[index], upper[index])
    return question.on(Bounds(question.domain, tuple(lower), tuple(upper))), lps


def _enter(direction: Direction, bound: float, lower: FloatArray, upper: FloatArray) -> None:
    """Record that sign * pre <= bound."""
    unit = direction.unit
    if direction.sign > 0:
        upper[unit] = min(upper[unit], bound)
    else:
        lower[unit] = max(lower[unit], -bound)


def _ends_that_matter(question: Question, bounds: Bounds) -> list[Direction]:
    """Ends of the last layer of `bounds` on which an open case may hang.

    What later layers read from a unit only ever from below hangs on neither end, as the lower side
    of a rectifier does not; of the last hidden layer it is known how it is read.
    """
    layer = len(bounds.lower) - 1
    low, high = bounds.lower[layer], bounds.upper[layer]
    matters = (low < 0.0) & (high > 0.0)
    layers = question.network.layers
    if layer == len(layers) - 2 and not layers[-1].has_phases:
        rows = np.vstack([conjunct.weight for conjunct in question.conjuncts])
        # A case is refuted where its slack is bounded from below, so that a unit is asked
        # about only where some slack falls with it.
        matters &= (rows @ layers[-1].weight < 0.0).any(axis=0)
    return [
        Direction(layer, int(unit), sign) for unit in np.flatnonzero(matters) for sign in (-1, 1)
    ]


def _search(
    question: Question,
    bounds: Bounds,
    ends: Sequence[Direction],
    factor: int,
    deadline: Deadline,
    workers: Workers,
    count: int,
) -> list[Finding]:
    """One round: linear programs for ends of a layer, in the order of the ends."""
    if not ends:
        return []
    effort = tightening(len(ends), factor)
    seconds = deadline.part(min(1.0, _GENEROSITY * count / len(ends))).remaining
    jobs = _make_jobs(question, bounds, ends, effort, deadline.at, seconds)
    found: list[Finding] = []
    for done in workers.run(run_search, jobs):
        if not isinstance(done.outcome, JobFailure):
            found += done.outcome
    return sorted(found, key=lambda finding: finding.direction)


def _make_jobs(
    question: Question,
    bounds: Bounds,
    ends: Sequence[Direction],
    effort: Effort,
    ends_at: float | None,
    seconds: float | None,
) -> list[SearchJob]:
    """A job for every few ends."""
    network, domain, layer = question.network, question.domain, ends[0].layer
    jobs = []
    for scope, mine in find_scopes(network, domain, bounds, ends):
        relaxation = build_relaxation(scope.network, scope.domain, layer, scope.bounds)
        for start in range(0, len(mine), _BATCH):
            asked = tuple(mine[start : start + _BATCH])
            jobs.append(SearchJob(scope, relaxation, asked, "tighten", effort, ends_at, seconds))
    return jobs
