"""Search for an input at which all inequalities of a case hold. It may guess; `confirm` decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.deadline import Deadline
from leo_opt.inequalities import RationalBox, Rationals, solve
from leo_opt.network import FloatArray
from leo_opt.verification.confirmation import confirm
from leo_opt.verification.queries import Conjunct, Query
from leo_opt.witnesses import directions

_SAMPLES = 2000
_STARTS = 24
_STEPS = 60
_BEST = 4
"""Points of each conjunct that are put to the network."""


@dataclass(frozen=True, eq=False)
class Witness:
    """An input at which the network itself shows that a case is possible.

    Parameters
    ----------
    case
        Index into `Property.cases`.
    point
        Inside the box of the case, exactly.
    """

    case: int
    point: Rationals


def attack(query: Query, seed: int, deadline: Deadline) -> Witness | None:
    """Random points, then sign descent on the largest slack from the best of them."""
    generator = np.random.default_rng(seed)
    domain = query.domain
    points = np.vstack([domain.centre, domain.sample(_SAMPLES, generator)])
    found = check(query, points, deadline)
    for position in range(len(query.conjuncts)):
        if found is not None or deadline.passed:
            return found
        if query.conjuncts[position].rows:
            found = check(query, descend(query, position, points), deadline, position)
    return found


def check(
    query: Query, points: FloatArray, deadline: Deadline, position: int | None = None
) -> Witness | None:
    """Put the most promising of some points (N, n_in) to the network.

    Parameters
    ----------
    position
        Of the only conjunct to ask about; by default all.
    """
    chosen = range(len(query.conjuncts)) if position is None else (position,)
    plain = query.network(points)
    for conjunct in (query.conjuncts[k] for k in chosen):
        mine = conjunct.project(points, query.domain)
        outputs = plain if mine is points else query.network(mine)
        slack = conjunct.slacks(outputs) if conjunct.rows else np.zeros(len(points))
        for row in slack.argsort()[:_BEST]:
            if slack[row] <= 0.0:
                witness = confirmed(query, conjunct, mine[row], deadline)
                if witness is not None:
                    return witness
    return None


def confirmed(
    query: Query, conjunct: Conjunct, point: FloatArray, deadline: Deadline
) -> Witness | None:
    """A point of the exact box of a case next to an input, at which the network satisfies it.

    The first to be tried is float64 wherever the box holds such a number. The second is on an end
    of the box where the input is, though no float64 number may be.
    """
    if not np.isfinite(point).all():
        return None
    exact = RationalBox.of(query.domain).narrow(conjunct.inputs)
    for near in exact.points_near(point):
        found = solve(conjunct.equalities, near) if conjunct.equalities else near
        if found in exact and confirm(query.network, conjunct.inequalities, found, deadline):
            return Witness(conjunct.case, found)
    return None


def descend(query: Query, position: int, points: FloatArray) -> FloatArray:
    """The best points that sign descent sees, (starts, n_in), from the best of `points`."""
    network, conjunct = query.slack_network, query.conjuncts[position]
    rows = np.flatnonzero(query.owners == position)[~conjunct.tied]
    if not rows.size:
        return points
    box, width = query.domain, query.domain.upper - query.domain.lower
    layer = len(network.layers) - 1

    def worst(inputs: FloatArray) -> tuple[FloatArray, IntArray]:
        slacks = network(inputs)[:, rows]
        return slacks.max(axis=1), rows[slacks.argmax(axis=1)]

    value, _ = worst(points)
    current = points[value.argsort()[:_STARTS]]
    best, best_value = current, np.full(len(current), np.inf)
    for step in range(_STEPS):
        value, row = worst(current)
        better = value < best_value
        best = np.where(better[:, None], current, best)
        best_value = np.where(better, value, best_value)
        if (best_value < 0.0).any():
            break
        gradient = directions(network, current, layer, row, np.ones(row.size))
        reach = 0.25 * 0.93**step
        moved = box.clip(current - reach * width * np.sign(gradient))
        current = conjunct.project(moved, box)
    return best
