"""The stages that need a solver: branch and bound with certificates, then MILPs.

Both ask whether the largest slack of a case can be negative, as a direction of the last unit of
a longer network (`maxima`), so that they are those of `classify`: the model is feasible whatever
the property says, a solver's "infeasible" is never evidence, and every bound is doubted.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, Propagation
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Job, MilpJob, SearchJob, run_job
from leo_opt.decisions.layer_model import build_layer_model, obstacle
from leo_opt.decisions.relaxation import build_relaxation
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.decisions.settings import Milps
from leo_opt.errors import SolverError
from leo_opt.network import Network
from leo_opt.verification.maxima import append_maxima
from leo_opt.verification.queries import Query


@dataclass(frozen=True, eq=False)
class Target:
    """A query as units of one layer: can the last layer's unit of a conjunct be negative?

    Parameters
    ----------
    bounds
        Certified intervals of all layers.
    """

    network: Network
    bounds: Bounds

    @property
    def layer(self) -> int:
        """Index of the layer asked about."""
        return len(self.network.layers) - 1


def make_target(query: Query, deadline: Deadline) -> Target | None:
    """The target of a query; None where bounds are not finite."""
    low, high = query.slack_bounds(deadline=deadline)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and query.bounds.finite):
        return None
    sizes = [conjunct.rows for conjunct in query.conjuncts]
    network = append_maxima(query.slack_network, sizes, low)
    lower, upper = [*query.bounds.lower, low], [*query.bounds.upper, high]
    steps = Propagation(network, query.domain)
    for index in range(len(lower), len(network.layers)):
        ends = steps.bound(index, lower, upper, deadline)
        lower.append(ends[0])
        upper.append(ends[1])
    bounds = Bounds(query.domain, tuple(lower), tuple(upper))
    return Target(network, bounds) if bounds.finite else None


@dataclass(frozen=True, eq=False)
class CaseJob(Job):
    """One conjunct, whose cone is cut out where the job runs."""

    target: Target

    def answer(self) -> list[Finding]:
        """What is found out on the cone."""
        network, bounds = self.target.network, self.target.bounds
        scope, _ = find_scopes(network, bounds.domain.box, bounds, self.directions)[0]
        return run_job(self.on(scope))

    @property
    def limits(self) -> tuple[tuple[Direction, ...], str, float | None, float | None]:
        """What the job on the cone has of this one."""
        return self.directions, self.stage, self.ends_at, self.unit_time_limit

    @abstractmethod
    def on(self, scope: Scope) -> Job:
        """The job on a cone."""


@dataclass(frozen=True, eq=False)
class SearchCase(CaseJob):
    """Branch and bound with certificates for one conjunct."""

    effort: Effort

    def on(self, scope: Scope) -> Job:
        """A search on a relaxation of its own."""
        layer = self.target.layer
        relaxation = build_relaxation(scope.network, scope.domain, layer, scope.bounds)
        return SearchJob(*self.limits, scope, relaxation, self.effort)


@dataclass(frozen=True, eq=False)
class MilpCase(CaseJob):
    """One MILP for one conjunct."""

    milps: Milps

    def on(self, scope: Scope) -> Job:
        """A MILP; no other job has its model, so that the session ends with the job."""
        layer, milps = self.target.layer, self.milps
        deadline = Deadline.until(self.ends_at, memory=milps.memory)
        against = obstacle(scope.network, layer, scope.bounds, milps, deadline)
        if against is not None:
            raise SolverError(against)
        model = build_layer_model(
            scope.network, scope.domain, layer, scope.bounds, self.milps.formulation
        )
        centre = self.target.bounds.domain.centre
        return MilpJob(*self.limits, scope, model, self.milps, centre)
