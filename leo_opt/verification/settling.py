"""The stages of a verification: cheap ones for all boxes first, dear ones for what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.splitting import few_inputs, split
from leo_opt.decisions.splitting_state import Record
from leo_opt.network import FloatArray
from leo_opt.verification.attack import attack, check
from leo_opt.verification.making import make_queries
from leo_opt.verification.queries import Query
from leo_opt.verification.run import Verification
from leo_opt.verification.stages import CaseJob, MilpCase, SearchCase, Target, make_target
from leo_opt.verification.tightening import tighten

_WITNESS_SHARE = 0.3
_SPLITTING_SHARE = 0.8
_SEARCH_SHARE = 0.8
"""Shares of the time left that a stage may take before the next one gets its turn."""
_TIGHTEN_SHARE = 0.5
"""Of the time for searches: for intervals from which they start."""
_PASSES = ((16, 0), (60, 60), (250, 250), (1000, 1000))
"""Linear programs for each open case: for its search, and then for each layer of hidden intervals.
From tighter ones the next search is shorter."""
_LAST_SEARCH = 4000
_GENEROSITY = 3.0
"""Times the fair share of the time: what one case may take, as most need less than theirs."""
_LEAST_SECONDS = 0.5


def settle(run: Verification) -> None:
    """All stages, until every case is refuted, one is possible, or time is up."""
    _make_queries(run)
    run.each(_refute_rows)
    if "witness" in run.settings.stages:
        run.each(_attack, run.deadline.part(_WITNESS_SHARE))
    run.drop_unusable()
    for stage, work in (
        ("splitting", _split),
        ("branch-and-bound", _search),
        ("milp", _ask),
    ):
        if stage in run.settings.stages:
            run.each(work)


def _make_queries(run: Verification) -> None:
    """What is asked of each box; cases that time does not reach stay unknown."""
    run.announce("crown")
    for made in make_queries(run.network, run.asked, run.deadline):
        for case in made.refuted:
            run.refute(case, "crown")
        run.queries += made.queries
        run.announce("crown", f"{len(run.queries)} boxes to look at")
        if "witness" in run.settings.stages and _shows_at_centre(run, made.queries):
            return


def _shows_at_centre(run: Verification, queries: Sequence[Query]) -> bool:
    """Whether the centre of a box is a witness, before time goes to further boxes."""
    for query in queries:
        if run.deadline.passed:
            return False
        run.witness = check(query, query.domain.centre[None, :], run.deadline)
        if run.witness is not None:
            return True
    return False


def _refute_rows(run: Verification, query: Query, method: str = "crown") -> Query:
    """Refute the conjuncts one of whose slacks is nowhere negative."""
    if not any(conjunct.rows for conjunct in query.conjuncts):
        return query
    run.announce(method, f"{run.waiting} boxes to look at")
    low, _ = query.slack_bounds(mixed=True, deadline=run.deadline)
    refuted = []
    for position, conjunct in enumerate(query.conjuncts):
        if (low[query.mixed_owners == position] >= 0.0).any():
            run.refute(conjunct.case, method)
            refuted.append(conjunct.case)
    return query.without(refuted)


def _attack(run: Verification, query: Query) -> Query:
    """Search for a witness without a solver."""
    run.announce("witness", f"{run.waiting} boxes to look at")
    run.witness = attack(query, run.settings.seed, run.deadline)
    return query


def _split(run: Verification, query: Query) -> Query:
    """Input splitting, where few inputs vary."""
    if not few_inputs(query.domain) or not query.bounds.finite:
        return query
    before, deadline = run.pieces, run.share(_SPLITTING_SHARE)

    def look(points: FloatArray) -> BoolArray | None:
        run.witness = check(query, points, deadline) if len(points) else None
        return np.zeros(len(query.conjuncts), dtype=bool) if run.witness is None else None

    def report(share: float, bounded: int, waiting: int) -> None:  # noqa: ARG001
        run.announce("splitting", f"{before + bounded} pieces, {waiting} waiting")

    found = split(
        query.goals,
        look,
        run.settings.piece_limit,
        deadline,
        run.workers,
        Record(report=report),
        run.settings.seed,
    )
    run.pieces += found.pieces
    refuted = [c.case for c, gone in zip(query.conjuncts, found.settled, strict=True) if gone]
    for case in refuted:
        run.refute(case, "splitting")
    return query.without(refuted)


def _search(run: Verification, query: Query) -> Query:
    """Branch and bound with certificates, and in turns hidden intervals are tightened."""
    if not query.bounds.finite:
        return query
    whole = run.share(_SEARCH_SHARE if "milp" in run.settings.stages else 1.0)
    for lps, more in _PASSES:
        query = _search_once(run, query, lps, whole)
        if run.witness is not None or not query.conjuncts or whole.passed:
            return query
        run.announce("branch-and-bound", "tightening hidden intervals")
        share = whole.part(_TIGHTEN_SHARE)
        query = tighten(run, query, more, share)
        query = _refute_rows(run, query, "lp")
        if not query.conjuncts:
            return query
    return _search_once(run, query, _LAST_SEARCH, whole)


def _search_once(run: Verification, query: Query, lps: int, whole: Deadline) -> Query:
    """One search for each conjunct, while time lasts."""

    make_job = partial(SearchCase, effort=Effort(lps=lps))
    return _ask_each(run, query, "branch-and-bound", whole, make_job)


def _ask(run: Verification, query: Query) -> Query:
    """One MILP for each conjunct."""
    make_job = partial(MilpCase, milps=run.settings.milps)
    return _ask_each(run, query, "milp", run.share(1.0), make_job)


def _ask_each(
    run: Verification,
    query: Query,
    stage: str,
    whole: Deadline,
    make_job: Callable[[tuple[Direction, ...], str, float | None, float | None, Target], CaseJob],
) -> Query:
    """Ask about each conjunct, and leave out those that are settled.

    A witness ends the round, and what is known of the cases after it is not recorded, so that the
    verdict does not depend on which case is answered first.
    """
    target = make_target(query, whole)
    if target is None:
        return query
    run.announce(stage)
    count = len(query.conjuncts)
    fair = whole.part(min(1.0, _GENEROSITY * run.settings.workers / count)).remaining
    seconds = None if fair is None else max(fair, _LEAST_SECONDS)
    asked = [Direction(target.layer, position, -1) for position in range(count)]
    jobs = [make_job((direction,), stage, whole.at, seconds, target) for direction in asked]
    settled = []
    for position, (finding,) in enumerate(run.findings(jobs, in_order=True)):
        if run.enter(query, position, finding):
            settled.append(query.conjuncts[position].case)
            run.announce(stage)
        if run.witness is not None:
            break
    return query.without(settled)
