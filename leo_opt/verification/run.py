"""A running verification: what is refuted, by what, and what it has cost."""

from __future__ import annotations

import logging
from collections.abc import Callable

from leo_opt.arguments import name_of
from leo_opt.arithmetic import is_float
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.decisions.findings import Finding
from leo_opt.decisions.run import Run
from leo_opt.inequalities import nearest
from leo_opt.network import Network
from leo_opt.parallel import Workers
from leo_opt.properties import Property
from leo_opt.rectify import rectified
from leo_opt.stability import ARITHMETIC, Premise
from leo_opt.twins import without_twins
from leo_opt.verification.attack import Witness, confirmed
from leo_opt.verification.lanes import carry
from leo_opt.verification.queries import Query, check_sizes
from leo_opt.verification.settings import VerifySettings
from leo_opt.verification.verdicts import CaseVerdict, Decision, Verdict

_LOG = logging.getLogger(__name__)


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

    def each(
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

    def drop_unusable(self) -> None:
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
