"""How far apart the outputs of two networks are on a domain: proved, and found."""

from __future__ import annotations

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.bounds import propagate
from leo_opt.domain import Domain
from leo_opt.network import Network
from leo_opt.witnesses import directions

_STEPS = 30
_RANDOM = 200
_STARTS = 4
"""Inputs from which each output is driven up, and as many from which it is driven down."""


def outputs_apart(first: Network, second: Network, domain: Domain) -> FloatArray:
    """Bound on |first(x) - second(x)| on a domain, by the interval of each output of each.

    Returns
    -------
    (output_size,) array
    """
    if first == second:
        return np.zeros(first.output_size)
    mine, theirs = propagate(first, domain), propagate(second, domain)
    gaps = mine.upper[-1] - theirs.lower[-1], theirs.upper[-1] - mine.lower[-1]
    return np.nextafter(np.maximum(*gaps), np.inf)


def largest_difference(
    first: Network, second: Network, domain: Domain, data: FloatArray
) -> FloatArray:
    """For each output the largest difference found on a domain, (output_size,).

    Frank-Wolfe ascent from the inputs, of the data and of random ones, that are worst already. It
    is no bound: somewhere else the networks may differ more.

    Parameters
    ----------
    data : (N, n_in) array
        Clipped to the domain before they are tried.
    """
    box = domain.spread(first.input_size)
    pool = np.vstack([box.clip(data), box.sample(_RANDOM, np.random.default_rng(0))])
    pool = pool[box.holds(pool)]
    size = first.output_size
    if not len(pool):
        return np.zeros(size)
    gap: FloatArray = first(pool) - second(pool)
    count = min(_STARTS, len(pool))
    units = np.tile(np.repeat(np.arange(size), 2), count)
    signs = np.tile([1.0, -1.0], size * count)
    order = np.argsort(gap, axis=0)
    ends = np.stack([order[::-1][:count], order[:count]], axis=2)
    point, rows = pool[ends.reshape(-1)], np.arange(len(units))
    best: FloatArray = np.abs(gap).max(axis=0)
    for step in range(_STEPS + 1):
        apart = signs * (first(point) - second(point))[rows, units]
        np.maximum.at(best, units, np.where(box.holds(point), np.maximum(apart, 0.0), 0.0))
        slope = directions(first, point, len(first.layers) - 1, units, signs)
        slope -= directions(second, point, len(second.layers) - 1, units, signs)
        point = box.clip(point + 2.0 / (step + 3.0) * (box.vertices(slope) - point))
    return best
