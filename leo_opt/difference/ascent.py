"""The largest difference of two networks that gradient ascent finds: a lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leo_opt.arithmetic import float_below, round_down
from leo_opt.arrays import IntArray
from leo_opt.deadline import Deadline
from leo_opt.deviation import add_up
from leo_opt.domain import Domain
from leo_opt.enclosure import evaluate
from leo_opt.exact_evaluation import exact_outputs
from leo_opt.network import FloatArray, Network
from leo_opt.witnesses import directions

_SAMPLES = 1000
_STARTS = 4
"""Of each output and sign."""
_STEPS = 40
_FULL_STEPS = 3
_FIRST_STEP, _SHRINK = 0.25, 0.9
_FLIPS = 20
"""Rounds in the end, in which some inputs go to the other end of their interval."""
_FEWER, _TRIES = 4, 6
"""Times as few inputs in each further try of a round, and how many tries."""
_SHARP = 0.9
"""Share of a difference that rounding must leave; else it is computed in rationals."""


def largest_differences(
    first: Network, second: Network, domain: Domain, seed: int, deadline: Deadline
) -> tuple[FloatArray, FloatArray]:
    """For each output how far the networks are surely apart at some point of the domain.

    Steps along the signs of the gradient, first to vertices and then ever shorter, from the best of
    some random points and vertices; then those inputs that promise most go to where the gradient
    points, all of them or ever fewer, as long as this helps.

    Returns
    -------
    found : (n_out,) array
        Lower bounds of |second(x) - first(x)|, with the rounding of both evaluations taken off.
    points : (n_out, n_in) array
        Where they are reached.
    """
    generator = np.random.default_rng(seed)
    normals = generator.standard_normal((_SAMPLES, first.input_size))
    points = np.vstack(
        [domain.centre, domain.sample(_SAMPLES, generator), domain.vertices(normals)]
    )
    count = first.output_size
    outputs = np.repeat(np.arange(count), 2 * _STARTS)
    signs = np.tile(np.repeat([1.0, -1.0], _STARTS), count)
    values = second(points) - first(points)
    order = np.argsort(-np.hstack([values, -values]), axis=0)[:_STARTS]
    # One row an output, first upwards from its best points, then downwards.
    starts = np.stack([order[:, :count], order[:, count:]]).transpose(2, 0, 1)
    current = points[starts.reshape(-1)]
    climb = _Climb(first, second, domain, outputs, signs)
    best = climb.flip(climb.step(current, deadline), deadline)
    best = np.vstack([best, points[np.abs(values).argmax(axis=0)]])
    return surely_apart(first, second, domain, best, deadline)


@dataclass(frozen=True, eq=False)
class _Climb:
    """Ascent from N points, of an output's difference each.

    Parameters
    ----------
    outputs, signs : (N,) arrays
        Which output, and whether its difference is to be large or small.
    """

    first: Network
    second: Network
    domain: Domain
    outputs: IntArray
    signs: FloatArray

    def apart(self, points: FloatArray) -> FloatArray:
        """What points (..., N, n_in) show, (..., N)."""
        flat = points.reshape(-1, points.shape[-1])
        values = (self.second(flat) - self.first(flat)).reshape(*points.shape[:-1], -1)
        shown: FloatArray = values[..., np.arange(len(self.outputs)), self.outputs]
        return self.signs * shown

    def gradient(self, points: FloatArray) -> FloatArray:
        """At N points, (N, n_in)."""
        networks = self.second, self.first
        theirs, mine = (_gradient(net, points, self.outputs, self.signs) for net in networks)
        return theirs - mine

    def step(self, points: FloatArray, deadline: Deadline) -> FloatArray:
        """The best of the points on the way along the signs of the gradient, ever shorter steps."""
        best, highest = points, np.full(len(points), -np.inf)
        width = self.domain.box.upper - self.domain.box.lower
        for step in range(_STEPS + 1):
            value = self.apart(points)
            better = value > highest
            best = np.where(better[:, None], points, best)
            highest = np.where(better, value, highest)
            if step == _STEPS or deadline.passed:
                break
            share = 1.0 if step < _FULL_STEPS else _FIRST_STEP * _SHRINK**step
            points = self.domain.clip(points + share * width * np.sign(self.gradient(points)))
        return best

    def flip(self, points: FloatArray, deadline: Deadline) -> FloatArray:
        """After inputs that promise most went to the ends to which the gradient points, all of
        them or ever fewer, as long as this helps."""
        box, each, highest = self.domain.box, np.arange(len(points)), self.apart(points)
        sizes = {max(1, points.shape[1] // _FEWER**k) for k in range(_TRIES)}
        for _ in range(_FLIPS):
            if deadline.passed:
                break
            gradient = self.gradient(points)
            ends = np.where(gradient > 0.0, box.upper, box.lower)
            places = (gradient * (points - ends)).argsort(axis=1).argsort(axis=1)
            tries = [self.domain.clip(np.where(places < size, ends, points)) for size in sizes]
            values = self.apart(np.stack(tries))
            chosen = np.nan_to_num(values, nan=-np.inf).argmax(axis=0)
            better = values[chosen, each] > highest
            if not better.any():
                break
            points = np.where(better[:, None], np.stack(tries)[chosen, each], points)
            highest = np.where(better, values[chosen, each], highest)
        return points


def surely_apart(
    first: Network, second: Network, domain: Domain, points: FloatArray, deadline: Deadline
) -> tuple[FloatArray, FloatArray]:
    """What some points (N, n_in) show; see `largest_differences`."""
    count, best = first.output_size, points[domain.holds(points)]
    if not len(best):
        return np.zeros(count), np.tile(domain.centre, (count, 1))
    pairs = zip(_outputs(first, best), _outputs(second, best), strict=True)
    (left, right), lost = next(pairs), add_up(*next(pairs))
    apart = np.abs(right - left)
    surely = round_down(round_down(apart) - lost)
    surely = np.where(np.isfinite(apart) & (surely > 0.0), surely, 0.0)
    places = surely.argmax(axis=0)
    # Where numbers overflow nothing is left, either.
    sharp = surely.max(axis=0) >= _SHARP * apart.max(axis=0)
    for k in np.flatnonzero(~sharp).tolist():
        places[k] = apart[:, k].argmax()
        surely[places[k], k] = _exactly(first, second, best[places[k]], k, deadline)
    return surely[places, np.arange(count)], best[places]


def _exactly(
    first: Network, second: Network, point: FloatArray, output: int, deadline: Deadline
) -> float:
    """How far an output is apart at a point, rounded down; 0 where that takes too long."""
    exact = tuple(map(Fraction, point.tolist()))
    left, right = (exact_outputs(network, exact, deadline) for network in (first, second))
    if left is None or right is None:
        return 0.0
    return float_below(abs(right[output] - left[output]))


def _gradient(
    network: Network, points: FloatArray, outputs: IntArray, signs: FloatArray
) -> FloatArray:
    """Gradients of sign * output, one row a point."""
    layer = len(network.layers) - 1
    gradient = directions(network, points, layer, outputs, signs)
    pre = network.pre_activations(points)[-1]
    slopes: FloatArray = network.layers[-1].slopes(pre)[np.arange(len(points)), outputs]
    return slopes[:, None] * gradient


def _outputs(network: Network, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Outputs and how far they can be from the real ones."""
    pre, radius = evaluate(network, points)[-1]
    last = network.layers[-1]
    return last.activate(pre), radius + last.rounding(pre)
