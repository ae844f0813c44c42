"""A running verification: cheap stages for all boxes first, dear ones for what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leo_opt.errors import InvalidInputError
from leo_opt.network import Network
from leo_opt.stability import ARITHMETIC, Premise
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.settings import Deadline
from leo_opt.verification.attack import Witness, attack, confirmed
from leo_opt.verification.questions import Question
from leo_opt.verification.splitting import is_low_dimensional, split
from leo_opt.verification.stages import Target, ask_case, make_target, search_case, tighten
from leo_opt.verification.verdicts import Answer, CaseVerdict, Verdict

STAGES = ("witness", "splitting", "branch-and-bound", "milp")
"""Stages after CROWN that can be left out, in their order."""

_SPLITTING_SHARE = 0.8
_SEARCH_SHARE = 0.5
_TIGHTEN_SHARE = 0.3
"""Shares of the time left that a stage may take before the next one gets its turn."""
_FIRST_NODES = 60
_MORE_NODES = 1000
"""Linear programs for one case before and after hidden intervals are tightened."""


@dataclass(frozen=True)
class Progress:
    """Where a verification stands.

    Parameters
    ----------
    stage
        "crown" or a key of `STAGES`.
    open, cases
        Cases without an answer, and all.
    note
        What the stage itself counts, such as "512 pieces", or "".
    remaining
        Seconds left of the time limit, or None without one.
    """

    stage: str
    open: int
    cases: int
    note: str
    remaining: float | None


@dataclass(frozen=True)
class Settings:
    """Options of `verify`; see there."""

    solver: str = "highs"
    formulation: str = "big-m"
    stages: tuple[str, ...] = STAGES
    time_limit: float | None = None
    node_limit: int | None = None
    piece_limit: int = 10_000_000
    margin: float = 2e-6
    seed: int = 0
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        for name in ("time_limit", "node_limit", "piece_limit", "margin"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} is {value}; it must be positive")
        if self.seed < 0:
            raise InvalidInputError(f"seed is {self.seed}; it must not be negative")
        for stage in self.stages:
            if stage not in STAGES:
                raise InvalidInputError(
                    f"stage {stage!r} is unknown; known are {', '.join(STAGES)}"
                )


class Run:
    """The state that the stages share: what is refuted, by what, and what it cost."""

    def __init__(self, questions: list[Question], cases: int, settings: Settings) -> None:
        self.settings = settings
        self.deadline = Deadline(settings.time_limit)
        self.questions = questions
        self.witness: Witness | None = None
        self.waiting = 1
        self._cases: dict[int, CaseVerdict] = {}
        self._reasons: dict[int, str] = {}
        self._count = cases
        self._pieces = self._lps = self._milps = self._nodes = 0

    def settle(self) -> None:
        """All stages, until every case is refuted, one is possible, or time is up."""
        self._each(_refute_rows)
        if "witness" in self.settings.stages:
            self._each(_attack)
        self._drop_unusable()
        for stage, work in (
            ("splitting", _split),
            ("branch-and-bound", _search),
            ("milp", _ask),
        ):
            if stage in self.settings.stages:
                self._each(work)

    def _each(self, work: Callable[[Run, Question], Question]) -> None:
        """One stage on every question that is still open."""
        left = []
        for position, question in enumerate(self.questions):
            open_question = question
            if self.witness is None and not self.deadline.passed:
                self.waiting = len(self.questions) - position
                open_question = work(self, question)
            if open_question.conjuncts:
                left.append(open_question)
        self.questions = left

    def _drop_unusable(self) -> None:
        """Set cases aside of which no inequality can be written in float64."""
        kept = []
        for question in self.questions:
            none = [c.case for c in question.conjuncts if not c.rows]
            for case in none:
                self._reasons[case] = "its numbers are beyond float64"
            kept.append(question.without(none))
        self.questions = [question for question in kept if question.conjuncts]

    def announce(self, stage: str, note: str = "") -> None:
        """Tell the caller where the run stands."""
        if self.settings.progress is not None:
            left = self._count - len(self._cases)
            self.settings.progress(
                Progress(stage, left, self._count, note, self.deadline.remaining)
            )

    def share(self, part: float) -> Deadline:
        """A deadline that leaves time for the other questions and for later stages."""
        remaining = self.deadline.remaining
        return Deadline(None if remaining is None else part * remaining / self.waiting)

    def refute(self, case: int, method: str, premise: Premise = ARITHMETIC) -> None:
        """Record that a case is impossible."""
        self._cases[case] = CaseVerdict(Answer.HOLDS, method, premise)

    def add_pieces(self, count: int) -> None:
        """Count boxes that were bounded."""
        self._pieces += count

    def enter(self, question: Question, position: int, finding: Finding) -> bool:
        """Record a finding about a conjunct; True where that settles it."""
        self._lps += finding.lps
        self._milps += finding.milps
        self._nodes += finding.nodes
        conjunct = question.conjuncts[position]
        if finding.witness is not None:
            inputs = confirmed(question, conjunct, finding.witness)
            if inputs is not None:
                self.witness = Witness(conjunct.case, inputs)
                return True
            self._reasons[conjunct.case] = "an input satisfies it up to rounding only"
        elif finding.bound is not None and finding.bound <= 0.0:
            self.refute(conjunct.case, finding.stage, finding.premise)
            return True
        elif finding.anomaly:
            self._reasons[conjunct.case] = f"{finding.stage}: {finding.anomaly}"
        return False

    def close(self, network: Network) -> Verdict:
        """The verdict."""
        default = "time limit" if self.deadline.passed else "all stages left it open"
        cases = [
            self._cases.get(k) or CaseVerdict(Answer.UNKNOWN, reason=self._reasons.get(k, default))
            for k in range(self._count)
        ]
        answer = Answer.HOLDS if len(self._cases) == self._count else Answer.UNKNOWN
        if self.witness is not None:
            answer = Answer.VIOLATED
            cases[self.witness.case] = CaseVerdict(Answer.VIOLATED, "witness")
        inputs = None if self.witness is None else self.witness.inputs
        settings = self.settings
        return Verdict(
            answer=answer,
            cases=tuple(cases),
            inputs=inputs,
            outputs=None if inputs is None else network(inputs),
            case=None if self.witness is None else self.witness.case,
            network_hash=network.content_hash,
            seconds=self.deadline.elapsed,
            pieces=self._pieces,
            lps=self._lps,
            milps=self._milps,
            nodes=self._nodes,
            settings={
                "solver": settings.solver,
                "formulation": settings.formulation,
                "time_limit": settings.time_limit,
                "seed": settings.seed,
            },
        )


def _refute_rows(run: Run, question: Question, method: str = "crown") -> Question:
    """Refute the conjuncts one of whose slacks is nowhere negative."""
    if not any(conjunct.rows for conjunct in question.conjuncts):
        return question
    run.announce(method)
    low, _ = question.slack_bounds(mixed=True)
    refuted = []
    for position, conjunct in enumerate(question.conjuncts):
        if (low[question.mixed_owners == position] >= 0.0).any():
            run.refute(conjunct.case, method)
            refuted.append(conjunct.case)
    return question.without(refuted)


def _attack(run: Run, question: Question) -> Question:
    """Search for a witness without a solver."""
    run.announce("witness")
    run.witness = attack(question, run.settings.seed, run.deadline)
    return question


def _split(run: Run, question: Question) -> Question:
    """Input splitting, where few inputs vary."""
    if not is_low_dimensional(question) or not question.bounds.finite:
        return question
    before = run._pieces
    found = split(
        question,
        run.share(_SPLITTING_SHARE),
        run.settings.piece_limit,
        run.settings.seed,
        lambda done, waiting: run.announce(
            "splitting", f"{before + done} pieces, {waiting} waiting"
        ),
    )
    run.add_pieces(found.pieces)
    run.witness = found.witness
    for case in found.refuted:
        run.refute(case, "splitting")
    return question.without(found.refuted)


def _search(run: Run, question: Question) -> Question:
    """Branch and bound with certificates; again after hidden intervals are tightened."""
    question = _search_once(run, question, _FIRST_NODES)
    if run.witness is not None or not question.conjuncts or run.deadline.passed:
        return question
    run.announce("branch-and-bound", "tightening hidden intervals")
    question = tighten(question, run.share(_TIGHTEN_SHARE).remaining, run.settings.seed)
    question = _refute_rows(run, question, "lp")
    return _search_once(run, question, _MORE_NODES) if question.conjuncts else question


def _search_once(run: Run, question: Question, node_limit: int) -> Question:
    """One search for each conjunct, while time lasts."""

    def search(target: Target, position: int, seconds: float | None) -> Finding:
        return search_case(target, position, node_limit, run.deadline, seconds)

    return _ask_each(run, question, "branch-and-bound", _SEARCH_SHARE, search)


def _ask(run: Run, question: Question) -> Question:
    """One MILP for each conjunct."""
    settings = run.settings

    def ask(target: Target, position: int, seconds: float | None) -> Finding:
        return ask_case(
            target,
            position,
            run.deadline,
            seconds,
            solver=settings.solver,
            formulation=settings.formulation,
            margin=settings.margin,
            seed=settings.seed,
            node_limit=settings.node_limit,
        )

    return _ask_each(run, question, "milp", 1.0, ask)


def _ask_each(
    run: Run,
    question: Question,
    stage: str,
    share: float,
    ask: Callable[[Target, int, float | None], Finding],
) -> Question:
    """Put one question about each conjunct, and leave out those that are settled."""
    target = make_target(question)
    if target is None:
        return question
    settled = []
    whole = run.share(share)
    for position, conjunct in enumerate(question.conjuncts):
        if run.deadline.passed or whole.passed:
            break
        run.announce(stage)
        waiting = len(question.conjuncts) - position
        remaining = whole.remaining
        seconds = None if remaining is None else max(remaining / waiting, 0.5)
        if run.enter(question, position, ask(target, position, seconds)):
            settled.append(conjunct.case)
            if run.witness is not None:
                break
    return question.without(settled)
