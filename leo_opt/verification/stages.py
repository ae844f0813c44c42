"""The stages that need a solver: branch and bound with certificates, then MILPs.

Both ask whether the largest slack of a case can be negative, as a direction of the last unit of
a longer network (`maxima`), so that they are those of `classify`: the model is feasible whatever
the property says, a solver's "infeasible" is never evidence, and every bound is doubted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, bound_layer
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network
from leo_opt.strategies import classify
from leo_opt.strategies.branching import RELAXATION, Effort
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.jobs import MilpJob, SearchJob, close_sessions, run_milp, run_search
from leo_opt.strategies.layer_model import build_layer_model
from leo_opt.strategies.ledger import Direction
from leo_opt.strategies.relaxation import build_relaxation
from leo_opt.strategies.scope import find_scopes
from leo_opt.strategies.settings import Deadline
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


def make_target(question: Question) -> Target | None:
    """The target of a question; None where bounds are not finite."""
    low, high = question.slack_bounds()
    if not (np.isfinite(low).all() and np.isfinite(high).all() and question.bounds.finite):
        return None
    sizes = [conjunct.rows for conjunct in question.conjuncts]
    network = append_maxima(question.slack_network, sizes, low)
    lower, upper = [*question.bounds.lower, low], [*question.bounds.upper, high]
    for index in range(len(lower), len(network.layers)):
        ends = bound_layer(network, question.domain, index, lower, upper)
        lower.append(ends[0])
        upper.append(ends[1])
    bounds = Bounds(question.domain, tuple(lower), tuple(upper))
    return Target(network, question.domain, bounds) if bounds.finite else None


def search_case(
    target: Target, position: int, node_limit: int, deadline: Deadline, seconds: float | None
) -> Finding:
    """Branch and bound with certificates for one conjunct."""
    direction = Direction(target.layer, position, -1)
    scopes = find_scopes(target.network, target.domain, target.bounds, [direction])
    scope = scopes[0][0]
    relaxation = build_relaxation(scope.network, scope.domain, target.layer, scope.bounds)
    stage = "branch-and-bound" if node_limit > 1 else "lp"
    effort = Effort(lps=node_limit) if node_limit > 1 else RELAXATION
    job = SearchJob(scope, relaxation, (direction,), stage, effort, deadline.at, seconds)
    return run_search(job)[0]


def ask_case(
    target: Target,
    position: int,
    deadline: Deadline,
    seconds: float | None,
    *,
    solver: str,
    formulation: str,
    margin: float,
    seed: int,
    node_limit: int | None,
) -> Finding:
    """One MILP for one conjunct."""
    direction = Direction(target.layer, position, -1)
    scopes = find_scopes(target.network, target.domain, target.bounds, [direction])
    scope = scopes[0][0]
    model = build_layer_model(scope.network, scope.domain, target.layer, scope.bounds, formulation)
    job = MilpJob(
        scope,
        model,
        (direction,),
        solver,
        margin,
        seed,
        target.domain.centre,
        deadline.at,
        seconds,
        node_limit,
    )
    try:
        return run_milp(job)[0]
    finally:
        close_sessions()


def tighten(question: Question, seconds: float | None, seed: int) -> Question:
    """The question with hidden intervals that linear programs have tightened; certified."""
    stability = classify(
        question.network,
        question.domain,
        stages=("lp",),
        time_limit=seconds,
        seed=seed,
        random_points=200,
    )
    known = question.bounds.intersect(stability.certified)
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for index in range(len(question.network.layers)):
        low, high = bound_layer(question.network, question.domain, index, lower, upper)
        lower.append(np.maximum(low, known.lower[index]))
        upper.append(np.minimum(high, known.upper[index]))
    return question.on(Bounds(question.domain, tuple(lower), tuple(upper)))
