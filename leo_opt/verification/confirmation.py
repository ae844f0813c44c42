"""Does this input show that a case is possible? The network answers, exactly where it must.

The outputs are evaluated in float64 with their rounding error, and without any (`exact_evaluation`)
only where that leaves an inequality open.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from leo_opt.arithmetic import float_above, float_below, is_float, round_down, round_up
from leo_opt.bounds import Interval, post_interval, propagate
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box
from leo_opt.enclosure import evaluate
from leo_opt.exact_evaluation import exact_outputs
from leo_opt.inequalities import Inequality, Rationals, nearest
from leo_opt.network import Network


def confirm(
    network: Network,
    inequalities: tuple[Inequality, ...],
    point: Rationals,
    deadline: Deadline = NO_LIMIT,
) -> bool:
    """Whether a point and the outputs there satisfy all inequalities, in real arithmetic.

    False, too, where that was not found out in the time that there is.
    """
    lower, upper = _enclose_outputs(network, point)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return False
    low, high = ([Fraction(value) for value in side.tolist()] for side in (lower, upper))
    undecided = []
    for inequality in (_at(point, row) for row in inequalities):
        sides = [(f, high[k], low[k]) for (_, k), f in inequality.terms]
        if not inequality.allows(sum(f * (b if f > 0 else a) for f, a, b in sides)):
            return False
        if not inequality.allows(sum(f * (a if f > 0 else b) for f, a, b in sides)):
            undecided.append(inequality)
    if not undecided:
        return True
    exact = exact_outputs(network, point, deadline)
    return exact is not None and all(
        inequality.allows(sum(factor * exact[k] for (_, k), factor in inequality.terms))
        for inequality in undecided
    )


def _at(point: Rationals, inequality: Inequality) -> Inequality:
    """What an inequality asks of the outputs at a point."""
    known = sum(factor * point[k] for (kind, k), factor in inequality.terms if kind == "X")
    terms = tuple(term for term in inequality.terms if term[0][0] == "Y")
    return Inequality(terms, inequality.bound - known, inequality.strict)


def _enclose_outputs(network: Network, point: Rationals) -> Interval:
    """Proved bounds (n_out,) of the outputs at a point."""
    last = network.layers[-1]
    if all(map(is_float, point)):
        pre, radius = (values[0] for values in evaluate(network, nearest(point)[None, :])[-1])
        return post_interval(last, round_down(pre - radius), round_up(pre + radius))
    around = Box([float_below(value) for value in point], [float_above(value) for value in point])
    bounds = propagate(network, around, "interval")
    return post_interval(last, bounds.lower[-1], bounds.upper[-1])
