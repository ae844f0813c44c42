"""How much room each layer gets: the frontier of cost against error, walked greedily.

Each layer alone is replaced by a quick fit for each of some shares of its cost, and what this does
to the outputs is measured on the data; or, for sizes by proof, how far it can move any output on
the domain is bounded. The walk starts from the original and takes, again and again, the step that
costs the least squared error for each number saved. Errors of several layers are taken to add up, a
guess that only the choice rests on: everything that is told of the result is measured or proved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from leo_opt.approximation.budgets import Budget
from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.pursuit import Built, Calibration
from leo_opt.bounds import propagate
from leo_opt.difference import bound_difference
from leo_opt.domain import Domain
from leo_opt.network import Network

SHARES = (0.7, 0.45, 0.3, 0.2, 0.13, 0.08, 0.05, 0.03)
"""Of a layer's cost: the sizes that are tried."""

Price = Callable[[int, Parts], float]
"""What a substitute of one layer by its parts does to the outputs."""


@dataclass(frozen=True)
class Point:
    """One choice of sizes.

    Parameters
    ----------
    numbers
        For each layer that can be replaced how many numbers, or multiplications, its weight may
        take; of the first point of a walk, all that it has.
    cost
        Of the whole network, in what the budget counts, as a share of the original's.
    error
        Guessed: the root of the sum of the squared relative errors that the layers make alone.
    """

    numbers: Mapping[int, float]
    cost: float
    error: float


@dataclass(frozen=True)
class _Rung:
    """A size of one layer: its room, what it then costs in all, and its squared error."""

    numbers: float
    cost: float
    error: float


def walk(
    calibration: Calibration[Any], method: Method, budget: Budget, price: Price
) -> list[Point]:
    """The frontier from the original to the smallest, a step at a time."""
    whole = float(budget.cost(calibration.own_cost))
    ladders = {
        index: _ladder(calibration, method, budget, index, price) for index in calibration.matrices
    }
    place = dict.fromkeys(ladders, 0)
    fixed = whole - sum(ladder[0].cost for ladder in ladders.values())
    points = []
    while True:
        chosen = {index: ladders[index][rung] for index, rung in place.items()}
        total = fixed + sum(rung.cost for rung in chosen.values())
        error = np.sqrt(sum(rung.error for rung in chosen.values()))
        numbers = {index: rung.numbers for index, rung in chosen.items()}
        points.append(Point(numbers, total / whole, float(error)))
        steps = [
            (
                (ladder[k].error - chosen[index].error) / (chosen[index].cost - ladder[k].cost),
                index,
                k,
            )
            for index, ladder in ladders.items()
            for k in range(place[index] + 1, len(ladder))
        ]
        if not steps:
            return points
        _, index, rung = min(steps)
        place[index] = rung


def _ladder(
    calibration: Calibration[Any], method: Method, budget: Budget, index: int, price: Price
) -> list[_Rung]:
    """The sizes of one layer, from its own to the smallest; costs fall from rung to rung."""
    matrix, target = calibration.matrices[index], calibration.target(index)
    whole = float(budget.cost(matrix.cost(None)))
    rungs = [_Rung(whole, whole, 0.0)]
    for share in SHARES:
        parts = method.quick().fit(target, budget.room(share * whole, matrix.positions))
        cost = float(budget.cost(matrix.cost(parts)))
        if cost < rungs[-1].cost:
            rungs.append(_Rung(share * whole, cost, price(index, parts) ** 2))
    return rungs


def proved(
    calibration: Calibration[Built], network_of: Callable[[Built], Network], domain: Domain
) -> Price:
    """The proved change of the outputs on a domain, relative to the largest output there.

    Parameters
    ----------
    network_of
        What was built, as a chain.
    """
    original = network_of(calibration.build_alone())
    bounds = propagate(original, domain)
    size = max(float(np.abs(side[-1]).max()) for side in (bounds.lower, bounds.upper)) or 1.0

    def price(index: int, parts: Parts) -> float:
        smaller = network_of(calibration.build_alone(index, parts))
        return float(bound_difference(original, smaller, domain).bound.max()) / size

    return price


def between(points: Sequence[Point], share: float) -> Point:
    """The sizes that take up a share of the cost: those of two neighbours, mixed; else the last."""
    for more, less in pairwise(points):
        if less.cost <= share < more.cost:
            part = (share - less.cost) / (more.cost - less.cost)
            mixed = {k: n + part * (more.numbers[k] - n) for k, n in less.numbers.items()}
            return Point(mixed, share, less.error + part * (more.error - less.error))
    return points[0] if share >= points[0].cost else points[-1]


def rooms(
    calibration: Calibration[Any], points: Sequence[Point], point: Point, budget: Budget
) -> dict[int, Room]:
    """The room of each matrix that gets smaller at a point of a walk."""
    whole, matrices = points[0].numbers, calibration.matrices
    smaller = ((k, n) for k, n in point.numbers.items() if n < whole[k])
    return {k: budget.room(n, matrices[k].positions) for k, n in smaller}
