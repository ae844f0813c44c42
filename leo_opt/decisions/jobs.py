"""Work about directions as jobs that travel to worker processes, and what answers them there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from leo_opt.bounds import Bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort, search
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.layer_model import LayerModel, ask
from leo_opt.decisions.relaxation import Relaxation, build_relaxation
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.decisions.sessions import Sessions
from leo_opt.decisions.settings import Milps
from leo_opt.decisions.splitting import split_inputs
from leo_opt.errors import SolverError
from leo_opt.network import FloatArray, Network
from leo_opt.solvers import Session, SolverOptions, find
from leo_opt.witnesses import Witnesses

GUIDE = "highs"
"""Solver of the linear programs that guide a search; its answers are recomputed, not believed."""

Answering = Callable[[Direction, Deadline], Finding]
"""From a direction of the scope, and the time for it, to what is found out about it."""


@dataclass(frozen=True, eq=False)
class Job(ABC):
    """Some directions that one worker answers one after another.

    Parameters
    ----------
    directions
        Of the whole network.
    stage
        As in `Finding`.
    ends_at, unit_time_limit
        Time of day when all is over, and seconds for one direction; None without such a limit.
    """

    directions: tuple[Direction, ...]
    stage: str
    ends_at: float | None
    unit_time_limit: float | None

    @abstractmethod
    def answer(self) -> list[Finding]:
        """What is found out; a `SolverError` ends it."""

    def failed(self, reason: str) -> list[Finding]:
        """Nothing is found out about any direction, and why."""
        return [Finding(direction, self.stage, anomaly=reason) for direction in self.directions]


def run_job(job: Job) -> list[Finding]:
    """Answer the directions of a job; no limit and no failure is evidence."""
    if Deadline.until(job.ends_at).passed:
        return job.failed("no time left")
    try:
        return job.answer()
    except SolverError as error:
        return job.failed(str(error))


@dataclass(frozen=True, eq=False)
class ScopeJob(Job):
    """Directions of one scope, asked one by one.

    Parameters
    ----------
    scope
        Their cone.
    """

    scope: Scope

    @abstractmethod
    @contextmanager
    def open(self) -> Iterator[Answering]:
        """What answers the directions, with what it needs for that."""

    def answer(self) -> list[Finding]:
        """One finding a direction."""
        with self.open() as ask:
            return [self._answer(ask, direction) for direction in self.directions]

    def _answer(self, ask: Answering, direction: Direction) -> Finding:
        deadline = Deadline.until(self.ends_at, self.unit_time_limit)
        if deadline.passed:
            return Finding(direction, self.stage, anomaly="no time left")
        found = ask(self.scope.local(direction), deadline)
        # A search that a limit has cut short may find more at another time.
        effort = 0 if deadline.passed else found.effort
        witness = self.scope.lift(found.witness)
        return replace(found, direction=direction, stage=self.stage, witness=witness, effort=effort)


@dataclass(frozen=True, eq=False)
class SearchJob(ScopeJob):
    """Linear programs, or branch and bound, on one warm session."""

    relaxation: Relaxation
    effort: Effort

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """A search on a session of the relaxation."""
        with find(GUIDE).open(self.relaxation.form) as session:

            def answer(direction: Direction, deadline: Deadline) -> Finding:
                return search(session, self.relaxation, direction, self.effort, deadline)

            yield answer


@dataclass(frozen=True)
class Searches:
    """How directions of a layer are searched: `batch` of them on a session, with these limits."""

    stage: str
    batch: int
    effort: Effort
    ends_at: float | None = None
    unit_time_limit: float | None = None


@dataclass(frozen=True, eq=False)
class SplitJob(ScopeJob):
    """Input splitting, each direction alone.

    Parameters
    ----------
    budget
        Most pieces of the box.
    """

    budget: int

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """Input splitting on the cone."""
        network, bounds = self.scope.network, self.scope.bounds

        def answer(direction: Direction, deadline: Deadline) -> Finding:
            nothing = Witnesses.none(network)
            found, shown = split_inputs(
                network, bounds, [direction], nothing, self.budget, deadline
            )
            layer, unit, sign = direction
            row = (shown.below if sign < 0 else shown.above)[layer][unit]
            bound = -found.lower[layer] if sign < 0 else found.upper[layer]
            return Finding(
                direction,
                self.stage,
                bound=float(bound[unit]),
                witness=shown.inputs[row] if row >= 0 else None,
                effort=self.budget,
                seconds=deadline.elapsed,
            )

        yield answer


@dataclass(frozen=True, eq=False)
class MilpJob(ScopeJob):
    """MILPs on a session that no other job has meanwhile.

    Parameters
    ----------
    seen : (n_in,) array
        An input of the domain; a bound below the network's value there convicts the solver.
    sessions
        Where it may find a session on the model, and leaves it; None for one of its own.
    """

    model: LayerModel
    milps: Milps
    seen: FloatArray
    sessions: Sessions | None = None

    def _open_session(self) -> Session:
        return find(self.milps.solver).open(
            self.model.encoding.form, SolverOptions(seed=self.milps.seed)
        )

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """A solver that holds the model."""
        sessions = Sessions() if self.sessions is None else nullcontext(self.sessions)
        with sessions as lender, lender.lend(self.model.key, self._open_session) as session:

            def answer(direction: Direction, deadline: Deadline) -> Finding:
                return ask(
                    session,
                    self.model,
                    direction,
                    self.milps.margin,
                    self.scope.restrict(self.seen),
                    time_limit=deadline.remaining,
                    node_limit=self.milps.node_limit,
                )

            yield answer


def search_jobs(
    network: Network, bounds: Bounds, asked: Searches, directions: Sequence[Direction]
) -> list[SearchJob]:
    """Jobs for directions of one layer, some on a session; those of a cone share its relaxation.

    Parameters
    ----------
    bounds
        Finite intervals of the layers up to that of the directions.
    """
    jobs = []
    for scope, mine in find_scopes(network, bounds.domain.box, bounds, directions):
        layer = directions[0].layer
        relaxation = build_relaxation(scope.network, scope.domain, layer, scope.bounds)
        for start in range(0, len(mine), asked.batch):
            some = tuple(mine[start : start + asked.batch])
            limits = asked.ends_at, asked.unit_time_limit
            jobs.append(SearchJob(some, asked.stage, *limits, scope, relaxation, asked.effort))
    return jobs
