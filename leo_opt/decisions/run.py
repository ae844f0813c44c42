"""A run: limits, workers and cost; and a running classification with its ledger and record."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from leo_opt.arguments import name_of
from leo_opt.bounds import BoundMethodLike
from leo_opt.deadline import Deadline
from leo_opt.decisions.checkpoint import Checkpoint
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Job, run_job
from leo_opt.decisions.ledger import Ledger
from leo_opt.decisions.sessions import Sessions
from leo_opt.decisions.settings import ClassifySettings, Progress, Settings
from leo_opt.domain import Domain
from leo_opt.network import Network
from leo_opt.parallel import JobFailure, Workers
from leo_opt.stability import Stability, Statistics
from leo_opt.witnesses import collect

_LOG = logging.getLogger(__name__)
_LEAST_SHARE = 1.0
_GENEROSITY = 4.0
"""Several times the fair share may go to one question, since most are answered at once."""


class Run:
    """What a classification and a verification share: limits, a place for jobs, what it cost."""

    def __init__(self, settings: Settings, workers: Workers) -> None:
        self.settings = settings
        self.workers = workers
        self.deadline = Deadline.of(settings.time_limit, settings.memory)
        self.lps = self.milps = self.nodes = 0

    def charge(self, finding: Finding) -> None:
        """Count what a finding has cost."""
        self.lps += finding.lps
        self.milps += finding.milps
        self.nodes += finding.nodes

    def tell(
        self,
        stage: str,
        left: int,
        asked: int,
        index: int | None = None,
        share: float | None = None,
        note: str = "",
    ) -> None:
        """Tell the caller where the run stands, as in `Progress`."""
        if self.settings.progress is not None:
            remaining = self.deadline.remaining
            self.settings.progress(Progress(stage, left, asked, remaining, index, share, note))

    def findings(self, jobs: Sequence[Job], in_order: bool = False) -> Iterator[list[Finding]]:
        """What each job finds out, as soon as it is there, or in their order."""
        outcomes = (
            enumerate(self.workers.in_order(run_job, jobs))
            if in_order
            else ((done.index, done.outcome) for done in self.workers.run(run_job, jobs))
        )
        for index, outcome in outcomes:
            if isinstance(outcome, JobFailure):
                yield jobs[index].failed(outcome.reason)
            else:
                yield outcome


class Classification(Run):
    """The state that the stages of a strategy share.

    Work goes in rounds: the jobs of a round see what earlier rounds proved, and their findings
    are merged in the order of the jobs, so that the verdicts do not depend on the workers.
    """

    settings: ClassifySettings

    def __init__(
        self, network: Network, domain: Domain, settings: ClassifySettings, workers: Workers
    ) -> None:
        super().__init__(settings, workers)
        self.network = network
        self.domain = domain
        self.sessions = Sessions()
        self.ledger = Ledger(network, domain)
        self.checkpoint = Checkpoint.open(settings.checkpoint, network, domain, settings.margin)
        self._recalled = 0
        self._convicted: set[tuple[str, int]] = set()
        self._stage_seconds: dict[str, float] = defaultdict(float)
        self._stage_start = self.deadline.elapsed

    def announce(
        self, index: int, stage: str, asked: int, settled: int = 0, share: float | None = None
    ) -> None:
        """Tell the caller where the run stands."""
        self.tell(stage, asked - settled, asked, index, share)

    def known_verdict(self, strategy: str) -> Stability | None:
        """What an earlier run has left nothing to do about; the checkpoint is then closed."""
        settings = self.settings
        known = self.checkpoint.verdict(
            strategy, name_of(settings.solver), name_of(settings.formulation)
        )
        if known is not None:
            self.checkpoint.close()
            _LOG.info("%s: %r, from %s", strategy, known, settings.checkpoint)
            told = replace(known.statistics, recalled=self.checkpoint.answers)
            known = replace(known, statistics=told)
        return known

    def bound_layers(self, method: BoundMethodLike = "crown") -> None:
        """Bounds of all layers, from the first to the last; what they settle is credited."""
        phased = self.network.phased_layers
        asked = sum(2 * self.network.layers[k].n_out for k in phased)
        for layer in range(len(self.network.layers)):
            self.announce(layer, "bounds", 2 * self.network.layers[layer].n_out)
            self.ledger.bound_layer(layer, method, self.deadline)
            self.ledger.bound_ties(layer, self.deadline)
        self.credit("bounds", asked)

    def time_for_one(self, count: int) -> float | None:
        """Seconds for one of `count` questions, those open elsewhere having their share too.

        Most need far less than it.
        """
        limits = [self.settings.unit_time_limit] if self.settings.unit_time_limit else []
        if self.deadline.remaining is not None:
            count = max(count, self.ledger.all_open())
            share = self.deadline.remaining * self.settings.workers / max(count, 1)
            limits.append(max(_LEAST_SHARE, _GENEROSITY * share))
        return min(limits, default=None)

    def settle(
        self,
        stage: str,
        make_jobs: Callable[[list[Direction]], Sequence[Job]],
        directions: list[Direction],
        effort: int = 0,
    ) -> None:
        """One round: ask about directions of one layer, and record what is found.

        Parameters
        ----------
        make_jobs
            Jobs for those directions whose answer is not on record from an earlier run.
        effort
            Of searches, as in `Finding`.
        """
        if not directions:
            return
        layer = directions[0].layer
        premise = self.ledger.premise_below(layer)
        known = [self.checkpoint.find(stage, direction, effort) for direction in directions]
        found = [finding for finding in known if finding is not None]
        self._recalled += len(found)
        asked = [d for d, finding in zip(directions, known, strict=True) if finding is None]
        self.announce(layer, stage, len(directions), len(found))
        jobs = make_jobs(asked) if asked else []
        settled = 0
        for answers in self.findings(jobs):
            # What is kept on disk has to name what it rests on: a later run may know less.
            kept = [finding.resting_on(premise) for finding in answers]
            for finding in kept:
                self.checkpoint.append(finding)
            found += kept
            settled += len(answers)
            self.announce(layer, stage, len(asked), settled)
        if any(finding.convicts for finding in found):
            self._convicted.add((stage, layer))
        if (stage, layer) in self._convicted:
            # A solver that was wrong about a model is not believed about its other questions.
            found = [finding.withdrawn() for finding in found]
            for finding in found:
                self.checkpoint.append(finding)
        for finding in sorted(found, key=lambda finding: finding.direction):
            self._record(finding)

    def enter(self, finding: Finding) -> None:
        """Keep a finding that no round brought, and enter it into the ledger."""
        finding = finding.resting_on(self.ledger.premise_below(finding.direction.layer))
        self.checkpoint.append(finding)
        self._record(finding)

    def leave(self, directions: Sequence[Direction], reason: str) -> None:
        """Note why directions of a layer are not asked about."""
        _LOG.warning(
            "layer %d: %d directions are left: %s", directions[0].layer, len(directions), reason
        )
        for direction in directions:
            self.ledger.note(direction, 0.0, reason)

    def recall(self, stage: str, directions: list[Direction]) -> list[Direction]:
        """Enter what an earlier run found, and return the directions it has no answer for."""
        known = [self.checkpoint.find(stage, direction) for direction in directions]
        for finding in known:
            if finding is not None:
                self._recalled += 1
                self._record(finding)
        return [d for d, finding in zip(directions, known, strict=True) if finding is None]

    def _record(self, finding: Finding) -> None:
        """Enter one finding into the ledger."""
        self.charge(finding)
        anomaly = finding.anomaly
        if finding.witness is not None:
            point = finding.witness[None, :]
            self.ledger.witnesses = collect(self.network, self.domain, point, self.ledger.witnesses)
        bound, premise = finding.bound, finding.premise
        if bound is not None and not self.ledger.tighten(
            finding.direction, bound, finding.stage, premise
        ):
            anomaly = f"bound {bound!r} contradicts what else is known"
        if anomaly:
            layer, unit, sign = finding.direction
            side = "above" if sign > 0 else "below"
            _LOG.warning("%s: unit (%d, %d) %s zero: %s", finding.stage, layer, unit, side, anomaly)
        self.ledger.note(finding.direction, finding.seconds, anomaly)

    def credit(self, stage: str, before: int) -> None:
        """Count what a stage that ends here has settled, given the open directions before it."""
        now = self.deadline.elapsed
        self._stage_seconds[stage] += now - self._stage_start
        self._stage_start = now
        left = self.ledger.all_open()
        if before > left or (before and stage != "bounds"):
            _LOG.info(
                "%s: %d of %d open directions settled after %.2f s",
                *(stage, before - left, before, now),
            )
        self.ledger.credit(stage, before - left)

    def close(self, strategy: str) -> Stability:
        """The verdicts."""
        if self.deadline.passed:
            _LOG.warning("the time limit struck; what is open is undecided")
            for layer in self.network.hidden_layers:
                for direction in self.ledger.open(layer):
                    if not self.ledger.said(direction):
                        self.ledger.note(direction, 0.0, "no time left")
        stability = self.ledger.close(
            Statistics(
                seconds=self.deadline.elapsed,
                milps_solved=self.milps,
                nodes=self.nodes,
                lps_solved=self.lps,
                recalled=self._recalled,
                settled=dict(self.ledger.settled),
                stage_seconds=dict(self._stage_seconds),
                strategy=strategy,
                solver=name_of(self.settings.solver),
                formulation=name_of(self.settings.formulation),
            )
        )
        self.checkpoint.keep_verdict(stability)
        self.checkpoint.close()
        _LOG.info("%s: %r", strategy, stability)
        return stability
