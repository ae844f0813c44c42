"""The stages that need a solver: branch and bound with certificates, then MILPs.

Both ask whether the largest slack of a case can be negative, as a direction of the last unit of
a longer network (`maxima`), so that they are those of `classify`: the model is feasible whatever
the property says, a solver's "infeasible" is never evidence, and every bound is doubted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, Propagation
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import MilpJob, SearchJob, run_job
from leo_opt.decisions.layer_model import build_layer_model, time_to_build
from leo_opt.decisions.relaxation import build_relaxation
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.decisions.sessions import Sessions
from leo_opt.domain import Box
from leo_opt.formulations import FormulationLike
from leo_opt.network import Network
from leo_opt.verification.maxima import append_maxima
from leo_opt.verification.questions import Question


@dataclass(frozen=True, eq=False)
class Target:
    """A question as units of one layer: can the last layer's unit of a conjunct be negative?

    Parameters
    ----------
    bounds
        Certified intervals of all layers.
    """

    network: Network
    domain: Box
    bounds: Bounds

    @property
    def layer(self) -> int:
        """Index of the layer asked about."""
        return len(self.network.layers) - 1


def make_target(question: Question, deadline: Deadline) -> Target | None:
    """The target of a question; None where bounds are not finite."""
    low, high = question.slack_bounds(deadline=deadline)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and question.bounds.finite):
        return None
    sizes = [conjunct.rows for conjunct in question.conjuncts]
    network = append_maxima(question.slack_network, sizes, low)
    lower, upper = [*question.bounds.lower, low], [*question.bounds.upper, high]
    steps = Propagation(network, question.domain)
    for index in range(len(lower), len(network.layers)):
        ends = steps.bound(index, lower, upper, deadline)
        lower.append(ends[0])
        upper.append(ends[1])
    bounds = Bounds(question.domain, tuple(lower), tuple(upper))
    return Target(network, question.domain, bounds) if bounds.finite else None


@dataclass(frozen=True, eq=False)
class SearchCase:
    """Branch and bound with certificates for one conjunct, as a job.

    Parameters
    ----------
    position
        Of the conjunct in the question.
    lps
        Most linear programs.
    ends_at, seconds
        Time of day when all is over, and what this job may take.
    """

    target: Target
    position: int
    lps: int
    ends_at: float | None
    seconds: float | None

    @property
    def direction(self) -> Direction:
        """Can the largest slack of the conjunct be negative?"""
        return Direction(self.target.layer, self.position, -1)


def search_case(job: SearchCase) -> Finding:
    """Answer a job."""
    stage = "branch-and-bound"
    if Deadline.until(job.ends_at, None).passed:
        return Finding(job.direction, stage, anomaly="no time left")
    scope = _scope_of(job.target, job.direction)
    layer = job.target.layer
    relaxation = build_relaxation(scope.network, scope.domain, layer, scope.bounds)
    asked = (job.direction,)
    effort = Effort(lps=job.lps)
    return run_job(SearchJob(scope, asked, stage, job.ends_at, job.seconds, relaxation, effort))[0]


@dataclass(frozen=True, eq=False)
class MilpCase:
    """One MILP for one conjunct, as a job; see `SearchCase` and `verify`."""

    target: Target
    position: int
    solver: str
    formulation: FormulationLike
    margin: float
    seed: int
    node_limit: int | None
    ends_at: float | None
    seconds: float | None

    @property
    def direction(self) -> Direction:
        """Can the largest slack of the conjunct be negative?"""
        return Direction(self.target.layer, self.position, -1)


def ask_case(job: MilpCase) -> Finding:
    """Answer a job."""
    if Deadline.until(job.ends_at, None).passed:
        return Finding(job.direction, "milp", anomaly="no time left")
    scope = _scope_of(job.target, job.direction)
    if not time_to_build(scope.network, job.target.layer, Deadline.until(job.ends_at, None)):
        return Finding(job.direction, "milp", anomaly="no time left to make the model")
    model = build_layer_model(
        scope.network, scope.domain, job.target.layer, scope.bounds, job.formulation
    )
    # No other job has this model, so that the session ends with the job.
    with Sessions() as sessions:
        milp = MilpJob(
            scope,
            (job.direction,),
            "milp",
            job.ends_at,
            job.seconds,
            model,
            job.solver,
            job.margin,
            job.seed,
            job.target.domain.centre,
            job.node_limit,
            sessions,
        )
        return run_job(milp)[0]


def _scope_of(target: Target, direction: Direction) -> Scope:
    """The cone of one conjunct."""
    return find_scopes(target.network, target.domain, target.bounds, [direction])[0][0]
