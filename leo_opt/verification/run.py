"""A running verification: cheap stages for all boxes first, dear ones for what is left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from leo_opt.arguments import name_of
from leo_opt.arithmetic import is_float
from leo_opt.arrays import BoolArray
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.decisions.branching import Effort
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.run import Run
from leo_opt.decisions.splitting import few_inputs, split
from leo_opt.decisions.splitting_state import Record
from leo_opt.inequalities import nearest
from leo_opt.network import FloatArray, Network
from leo_opt.parallel import Workers
from leo_opt.properties import Property
from leo_opt.rectify import rectified
from leo_opt.stability import ARITHMETIC, Premise
from leo_opt.twins import without_twins
from leo_opt.verification.attack import Witness, attack, check, confirmed
from leo_opt.verification.lanes import carry
from leo_opt.verification.making import make_queries
from leo_opt.verification.queries import Query, check_sizes
from leo_opt.verification.settings import VerifySettings
from leo_opt.verification.stages import CaseJob, MilpCase, SearchCase, Target, make_target
from leo_opt.verification.tightening import tighten
from leo_opt.verification.verdicts import CaseVerdict, Decision, Verdict

_LOG = logging.getLogger(__name__)

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


class Verification(Run):
    """The state that the stages share: what is refuted, by what, and what it cost."""

    settings: VerifySettings

    def __init__(
        self, network: Network, asked: Property, settings: VerifySettings, workers: Workers
    ) -> None:
        super().__init__(settings, workers)
        check_sizes(network, asked)
        self.original = network
        self.network = without_twins(carry(rectified(network), asked.carried))
        self.asked = asked
        self.queries: list[Query] = []
        self.witness: Witness | None = None
        self.waiting = 1
        self._cases: dict[int, CaseVerdict] = {}
        self._reasons: dict[int, str] = {}
        self._count = len(asked.cases)
        self.pieces = 0

    def settle(self) -> None:
        """All stages, until every case is refuted, one is possible, or time is up."""
        self._make_queries()
        self._each(_refute_rows)
        if "witness" in self.settings.stages:
            self._each(_attack, self.deadline.part(_WITNESS_SHARE))
        self._drop_unusable()
        for stage, work in (
            ("splitting", _split),
            ("branch-and-bound", _search),
            ("milp", _ask),
        ):
            if stage in self.settings.stages:
                self._each(work)

    def _make_queries(self) -> None:
        """What is asked of each box; cases that time does not reach stay unknown."""
        self.announce("crown")
        for made in make_queries(self.network, self.asked, self.deadline):
            for case in made.refuted:
                self.refute(case, "crown")
            self.queries += made.queries
            self.announce("crown", f"{len(self.queries)} boxes to look at")
            if "witness" in self.settings.stages and self._shows_at_centre(made.queries):
                return

    def _shows_at_centre(self, queries: Sequence[Query]) -> bool:
        """Whether the centre of a box is a witness, before time goes to further boxes."""
        for query in queries:
            if self.deadline.passed:
                return False
            self.witness = check(query, query.domain.centre[None, :], self.deadline)
            if self.witness is not None:
                return True
        return False

    def _each(
        self, work: Callable[[Verification, Query], Query], until: Deadline = NO_LIMIT
    ) -> None:
        """One stage on every query that is still open, until time or its share of it is up."""
        left = []
        for position, query in enumerate(self.queries):
            open_query = query
            if self.witness is None and not (self.deadline.passed or until.passed):
                self.waiting = len(self.queries) - position
                open_query = work(self, query)
            if open_query.conjuncts:
                left.append(open_query)
        self.queries = left

    def _drop_unusable(self) -> None:
        """Set cases aside of which no inequality can be written in float64."""
        kept = []
        for query in self.queries:
            none = [c.case for c in query.conjuncts if not c.rows]
            for case in none:
                self._reasons[case] = "its numbers are beyond float64"
            kept.append(query.without(none))
        self.queries = [query for query in kept if query.conjuncts]

    def announce(self, stage: str, note: str = "") -> None:
        """Tell the caller where the run stands."""
        # Stages count what they do now and then; that they begin is said once.
        level = logging.DEBUG if note else logging.INFO
        left = self._count - len(self._cases)
        _LOG.log(level, "%s: %d of %d cases open%s", stage, left, self._count, note and f", {note}")
        self.tell(stage, left, self._count, note=note)

    def share(self, part: float) -> Deadline:
        """A deadline that leaves time for the other queries and for later stages."""
        remaining = self.deadline.remaining
        return Deadline(None if remaining is None else part * remaining / self.waiting)

    def refute(self, case: int, method: str, premise: Premise = ARITHMETIC) -> None:
        """Record that a case is impossible."""
        self._cases[case] = CaseVerdict(Decision.HOLDS, method, premise)

    def enter(self, query: Query, position: int, finding: Finding) -> bool:
        """Record a finding about a conjunct; True where that settles it."""
        self.charge(finding)
        conjunct = query.conjuncts[position]
        if finding.witness is not None:
            self.witness = confirmed(query, conjunct, finding.witness, self.deadline)
            if self.witness is not None:
                return True
            self._reasons[conjunct.case] = "an input satisfies it up to rounding only"
        elif finding.bound is not None and finding.bound <= 0.0:
            self.refute(conjunct.case, finding.stage, finding.premise)
            return True
        elif finding.anomaly:
            _LOG.warning("%s: case %d: %s", finding.stage, conjunct.case, finding.anomaly)
            self._reasons[conjunct.case] = f"{finding.stage}: {finding.anomaly}"
        return False

    def close(self) -> Verdict:
        """The verdict."""
        default = "time limit" if self.deadline.passed else "all stages left it open"
        default = default if self.witness is None else "a witness of another case came first"
        cases = [
            self._cases.get(k)
            or CaseVerdict(Decision.UNKNOWN, reason=self._reasons.get(k, default))
            for k in range(self._count)
        ]
        answer = Decision.HOLDS if len(self._cases) == self._count else Decision.UNKNOWN
        if self.witness is not None:
            answer = Decision.VIOLATED
            cases[self.witness.case] = CaseVerdict(Decision.VIOLATED, "witness")
        point = None if self.witness is None else self.witness.point
        inputs = None if point is None else nearest(point)
        settings = self.settings
        verdict = Verdict(
            answer=answer,
            cases=tuple(cases),
            inputs=inputs,
            outputs=None if inputs is None else self.original(inputs),
            exact_inputs=None if point is None or all(map(is_float, point)) else point,
            case=None if self.witness is None else self.witness.case,
            network_hash=self.original.content_hash,
            seconds=self.deadline.elapsed,
            pieces=self.pieces,
            lps=self.lps,
            milps=self.milps,
            nodes=self.nodes,
            settings={
                "solver": name_of(settings.solver),
                "formulation": name_of(settings.formulation),
                "time_limit": self.deadline.seconds,
                "seed": settings.seed,
            },
        )
        _LOG.info("%s after %.2f s", verdict.answer, verdict.seconds)
        return verdict


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
