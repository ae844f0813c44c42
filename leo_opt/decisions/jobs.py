"""Questions as jobs that travel to worker processes, and the functions that answer them there."""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort, search
from leo_opt.decisions.findings import Finding
from leo_opt.decisions.layer_model import LayerModel, ask
from leo_opt.decisions.ledger import Direction
from leo_opt.decisions.relaxation import Relaxation
from leo_opt.decisions.scope import Scope
from leo_opt.decisions.sessions import Sessions
from leo_opt.decisions.splitting import split_inputs
from leo_opt.errors import SolverError
from leo_opt.network import FloatArray
from leo_opt.solvers import Session, SolverOptions, find
from leo_opt.stability import Premise
from leo_opt.witnesses import Witnesses

GUIDE = "highs"
"""Solver of the linear programs that guide a search; its answers are recomputed, not believed."""


@dataclass(frozen=True, eq=False)
class SearchJob:
    """Linear programs, or branch and bound, for some directions."""

    scope: Scope
    relaxation: Relaxation
    directions: tuple[Direction, ...]
    stage: str
    effort: Effort
    ends_at: float | None
    unit_time_limit: float | None


def run_search(job: SearchJob) -> list[Finding]:
    """Answer the directions of a job one after another on one warm session."""
    if Deadline.until(job.ends_at, None).passed:
        return [
            Finding(direction, job.stage, anomaly="no time left") for direction in job.directions
        ]
    try:
        with find(GUIDE).open(job.relaxation.form) as session:
            return [_search_one(session, job, direction) for direction in job.directions]
    except SolverError as error:
        return [Finding(direction, job.stage, anomaly=str(error)) for direction in job.directions]


def _search_one(session: Session, job: SearchJob, direction: Direction) -> Finding:
    """Answer one direction of a job."""
    deadline = Deadline.until(job.ends_at, job.unit_time_limit)
    if deadline.passed:
        return Finding(direction, job.stage, anomaly="no time left")
    local = job.scope.local(direction)
    found = search(session, job.relaxation, local, job.effort, deadline)
    return Finding(
        direction,
        job.stage,
        bound=found.bound,
        witness=job.scope.lift(found.witness),
        effort=0 if deadline.passed else job.effort.lps,
        seconds=found.seconds,
        lps=found.lps,
    )


@dataclass(frozen=True, eq=False)
class SplitJob:
    """Input splitting for one direction.

    Parameters
    ----------
    scope
        The cone of the direction alone.
    budget
        Most pieces of the box.
    """

    scope: Scope
    directions: tuple[Direction]
    budget: int
    ends_at: float | None
    unit_time_limit: float | None


def run_split(job: SplitJob) -> list[Finding]:
    """Answer the direction of a job."""
    (direction,) = job.directions
    deadline = Deadline.until(job.ends_at, job.unit_time_limit)
    if deadline.passed:
        return [Finding(direction, "splitting", anomaly="no time left")]
    network, local = job.scope.network, job.scope.local(direction)
    nothing = Witnesses.none(network)
    found = split_inputs(network, job.scope.bounds, [local], nothing, job.budget, deadline)
    below = direction.sign < 0
    row = (found.witnesses.below if below else found.witnesses.above)[local.layer][local.unit]
    bound = -found.lower[local.layer] if below else found.upper[local.layer]
    return [
        Finding(
            direction,
            "splitting",
            bound=float(bound[local.unit]),
            witness=job.scope.lift(found.witnesses.inputs[row]) if row >= 0 else None,
            effort=0 if deadline.passed else job.budget,
            seconds=deadline.elapsed,
        )
    ]


@dataclass(frozen=True, eq=False)
class MilpJob:
    """One MILP for one direction.

    Parameters
    ----------
    seen : (n_in,) array
        An input of the domain; a bound below the network's value there convicts the solver.
    sessions
        Where it may find a session on the model, and leaves it.
    """

    scope: Scope
    model: LayerModel
    directions: tuple[Direction]
    solver: str
    margin: float
    seed: int
    seen: FloatArray
    ends_at: float | None
    unit_time_limit: float | None
    node_limit: int | None
    sessions: Sessions


def run_milp(job: MilpJob) -> list[Finding]:
    """Answer the direction of a job on a session that no other job has meanwhile."""
    (direction,) = job.directions
    deadline = Deadline.until(job.ends_at, job.unit_time_limit)
    if deadline.passed:
        return [Finding(direction, "milp", anomaly="no time left")]

    def make() -> Session:
        return find(job.solver).open(job.model.encoding.form, SolverOptions(seed=job.seed))

    try:
        with job.sessions.lend(job.model.key, make) as session:
            verdict = ask(
                session,
                job.model,
                job.scope.local(direction),
                job.margin,
                job.scope.restrict(job.seen),
                time_limit=deadline.remaining,
                node_limit=job.node_limit,
            )
            premise = premise_of(session, job.margin)
    except SolverError as error:
        return [Finding(direction, "milp", anomaly=str(error))]
    return [
        Finding(
            direction,
            "milp",
            bound=verdict.bound,
            premise=premise,
            witness=job.scope.lift(verdict.witness),
            anomaly=verdict.anomaly,
            seconds=verdict.seconds,
            milps=1,
            nodes=verdict.nodes,
        )
    ]


def premise_of(session: Session, margin: float) -> Premise:
    """What must be believed for a bound of this session; names the solver that "auto" took."""
    tolerances = tuple(sorted(session.tolerances_in_force.items()))
    return Premise(session.solver.name, session.solver.version(), margin, tolerances)
