"""Work about directions as jobs that travel to worker processes, and what answers them there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort, search
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.layer_model import LayerModel, ask
from leo_opt.decisions.relaxation import Relaxation
from leo_opt.decisions.scope import Scope
from leo_opt.decisions.sessions import Sessions
from leo_opt.decisions.splitting import split_inputs
from leo_opt.errors import SolverError
from leo_opt.network import FloatArray
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
    scope
        Their cone.
    directions
        Of the whole network.
    stage
        As in `Finding`.
    ends_at, unit_time_limit
        Time of day when all is over, and seconds for one direction; None without such a limit.
    """

    scope: Scope
    directions: tuple[Direction, ...]
    stage: str
    ends_at: float | None
    unit_time_limit: float | None

    @abstractmethod
    @contextmanager
    def open(self) -> Iterator[Answering]:
        """What answers the directions, with what it needs for that."""


def run_job(job: Job) -> list[Finding]:
    """Answer the directions of a job; no limit and no failure is evidence."""
    if Deadline.until(job.ends_at, None).passed:
        return _nothing(job, "no time left")
    try:
        with job.open() as answer:
            return [_answer(job, answer, direction) for direction in job.directions]
    except SolverError as error:
        return _nothing(job, str(error))


def _nothing(job: Job, reason: str) -> list[Finding]:
    return [Finding(direction, job.stage, anomaly=reason) for direction in job.directions]


def _answer(job: Job, answer: Answering, direction: Direction) -> Finding:
    deadline = Deadline.until(job.ends_at, job.unit_time_limit)
    if deadline.passed:
        return Finding(direction, job.stage, anomaly="no time left")
    found = answer(job.scope.local(direction), deadline)
    # A search that a limit has cut short may find more at another time.
    effort = 0 if deadline.passed else found.effort
    witness = job.scope.lift(found.witness)
    return replace(found, direction=direction, stage=job.stage, witness=witness, effort=effort)


@dataclass(frozen=True, eq=False)
class SearchJob(Job):
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


@dataclass(frozen=True, eq=False)
class SplitJob(Job):
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
class MilpJob(Job):
    """MILPs on a session that no other job has meanwhile.

    Parameters
    ----------
    seen : (n_in,) array
        An input of the domain; a bound below the network's value there convicts the solver.
    sessions
        Where it may find a session on the model, and leaves it.
    """

    model: LayerModel
    solver: str
    margin: float
    seed: int
    seen: FloatArray
    node_limit: int | None
    sessions: Sessions

    def _open_session(self) -> Session:
        return find(self.solver).open(self.model.encoding.form, SolverOptions(seed=self.seed))

    @contextmanager
    def open(self) -> Iterator[Answering]:
        """A solver that holds the model."""
        with self.sessions.lend(self.model.key, self._open_session) as session:

            def answer(direction: Direction, deadline: Deadline) -> Finding:
                return ask(
                    session,
                    self.model,
                    direction,
                    self.margin,
                    self.scope.restrict(self.seen),
                    time_limit=deadline.remaining,
                    node_limit=self.node_limit,
                )

            yield answer
