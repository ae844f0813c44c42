"""The queries of a property, box by box or many boxes at once, while time lasts.

A property may be about tens of thousands of boxes. Bounds of many boxes are computed together, a
few numbers each, and most cases are refuted by them before anything else is made for their box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, crown, interval, propagate
from leo_opt.deadline import Deadline
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Network
from leo_opt.properties import Property
from leo_opt.verification.queries import Query, make_query

_MOST_BOXES = 256
"""Boxes that are bounded at once in a small network."""
_MOST_WORK = 2e8
"""Multiplications of one backward pass over them, about a tenth of a second."""
_MOST_CASES = 100
"""Cases of one query; a box that has more has several."""


@dataclass(frozen=True, eq=False)
class Made:
    """Some queries of a property.

    Parameters
    ----------
    queries
        Those of which some case is open.
    refuted
        Cases that are impossible by the bounds of their box; certified.
    """

    queries: tuple[Query, ...]
    refuted: tuple[int, ...] = ()


def make_queries(network: Network, asked: Property, deadline: Deadline) -> Iterator[Made]:
    """The queries that a property asks of a network, until time is up."""
    by_box: dict[Box, list[int]] = {}
    for index, case in enumerate(asked.cases):
        by_box.setdefault(case.domain, []).append(index)
    waiting = list(by_box.items())
    count = boxes_at_once(network)
    for start in range(0, len(waiting), count):
        if deadline.passed:
            return
        some = waiting[start : start + count]
        if len(some) == 1:
            # Alone its ties at zero are decided in rationals, and it may be large.
            domain, cases = some[0]
            bounds = propagate(network, domain, time_limit=deadline)
            yield Made(tuple(_ask(network, bounds, asked, cases)))
        else:
            yield _screen(network, asked, some, deadline)


def boxes_at_once(network: Network) -> int:
    """How many boxes are bounded together."""
    return max(1, min(_MOST_BOXES, int(_MOST_WORK / (2 * network.parameters))))


def _ask(network: Network, bounds: Bounds, asked: Property, cases: Sequence[int]) -> list[Query]:
    """Queries about one box."""
    starts = range(0, len(cases), _MOST_CASES)
    return [make_query(network, bounds, asked, cases[k : k + _MOST_CASES]) for k in starts]


def _screen(
    network: Network, asked: Property, some: list[tuple[Box, list[int]]], deadline: Deadline
) -> Made:
    """Queries about several boxes, without the cases that one bound of a row refutes."""
    boxes = Boxes(
        np.array([domain.lower for domain, _ in some]),
        np.array([domain.upper for domain, _ in some]),
    )
    lower, upper = _bound_boxes(network, boxes, deadline)
    known = [
        Bounds(domain, tuple(low[place] for low in lower), tuple(high[place] for high in upper))
        for place, (domain, _) in enumerate(some)
    ]
    queries = [
        _ask(network, bounds, asked, cases) for bounds, (_, cases) in zip(known, some, strict=True)
    ]
    refuted = set(_refute(network, boxes, lower, upper, queries))
    left = []
    for bounds, (domain, cases) in zip(known, some, strict=True):
        still = [case for case in cases if case not in refuted]
        if still:
            tighter = propagate(network, domain, time_limit=deadline).intersect(bounds)
            left += _ask(network, tighter, asked, still)
    return Made(tuple(left), tuple(sorted(refuted)))


def _bound_boxes(
    network: Network, boxes: Boxes, deadline: Deadline
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Intervals of all layers on N boxes, one (N, n_out) array a layer, with one lower slope."""
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for index in range(len(network.layers)):
        low, high = interval.bound_layer(network, boxes, index, lower, upper)
        if index:
            ends = crown.bound_layer(network, boxes, index, lower, upper, ("adaptive",), deadline)
            low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        lower.append(low)
        upper.append(high)
    return lower, upper


def _refute(
    network: Network,
    boxes: Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    queries: Sequence[Sequence[Query]],
) -> list[int]:
    """Cases one of whose rows or mixtures is nowhere negative on the box of its query.

    Parameters
    ----------
    queries
        For each box.
    """
    rows = [
        (conjunct.case, place, weight, bound)
        for place, mine in enumerate(queries)
        for query in mine
        for conjunct in query.conjuncts
        for weights, limits in ((conjunct.weight, conjunct.bound), conjunct.mixtures)
        for weight, bound in zip(weights, limits, strict=True)
    ]
    if not rows or not all(np.isfinite(side).all() for side in (*lower, *upper)):
        return []
    found: set[int] = set()
    for start in range(0, len(rows), _MOST_BOXES):
        cases, where, weights, limits = zip(*rows[start : start + _MOST_BOXES], strict=True)
        # weight @ y - bound is at least 0 where -weight @ y + bound is at most 0.
        highest = crown.bound_pairs(
            network, boxes, lower, upper, np.array(where), -np.array(weights), np.array(limits)
        )
        found.update(np.array(cases)[highest <= 0.0].tolist())
    return sorted(found)
