"""Which ends of intervals are tightened: those on which something open may hang, and no others."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from random_networks import random_case

from leo_opt import Box, Network, propagate
from leo_opt.bounds import Bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.tightening import FEW_UNITS, ends_that_matter, tightening
from leo_opt.weights import dense


def along_paths(network: Network, bounds: Bounds, start: tuple[int, int], last: int) -> np.ndarray:
    """What raising a value adds to the value of each unit of a later layer, path by path."""
    index, unit = start
    units = [range(network.layers[k].n_out) for k in range(index + 1, last + 1)]
    found = np.zeros((2, network.layers[last].n_out))
    for path in product(*units):
        factor, before = 1.0, unit
        for k, now in enumerate(path, index + 1):
            layer, low, high = network.layers[k], bounds.lower[k][now], bounds.upper[k][now]
            crosses = k < last and layer.phased[now]
            slope = min(1.0, max(0.0, high) / max(high - low, 1e-300)) if crosses else 1.0
            factor *= dense(layer.weight)[now, before] * slope
            before = now
        found[int(factor < 0.0), before] += abs(factor)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_ends_are_taken_by_what_they_move(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    bounds = propagate(network, box.spread(network.input_size))
    last = len(network.layers) - 1
    signs = generator.choice([-1.0, 0.0, 1.0], network.layers[-1].n_out)
    sums = {last: dense(network.layers[last].weight) * signs[:, None]}
    for index in range(last):
        layer, low, high = network.layers[index], bounds.lower[index], bounds.upper[index]
        crossing = layer.phased & (low < 0.0) & (high > 0.0)
        moved = [along_paths(network, bounds, (index, j), last) for j in range(layer.n_out)]
        raised = np.array([up @ (signs > 0) + down @ (signs < 0) for up, down in moved])
        weight = np.where(crossing, raised * -low * high / np.maximum(high - low, 1e-300), 0.0)
        found = ends_that_matter(network, bounds, index, sums)
        assert found == [
            Direction(index, j, s) for j in np.flatnonzero(weight > 0) for s in (-1, 1)
        ]
        # Half of the influence is that of the fewest units that have it together.
        half = {d.unit for d in ends_that_matter(network, bounds, index, sums, share=0.5)}
        assert weight[list(half)].sum() >= 0.5 * weight.sum() * (1.0 - 1e-12)
        if half:
            assert weight[list(half)].sum() - weight[list(half)].min() <= 0.5 * weight.sum()
        held = ends_that_matter(network, bounds, index, sums, held=True)
        assert set(found) <= set(held)
        lowered = np.array([up @ (signs < 0) + down @ (signs > 0) for up, down in moved])
        if (high > 0.0).sum() <= FEW_UNITS:
            for unit in np.flatnonzero((high > 0.0) & ~crossing):
                assert (Direction(index, unit, +1) in held) == (raised[unit] > 0.0)
                assert (Direction(index, unit, -1) in held) == (lowered[unit] > 0.0)


def test_few_ends_get_many_programs_each() -> None:
    """And all of them together what was given, or one each."""
    for ends, lps, each, batch in ((2, 1000, 500, 1), (100, 1000, 10, 2), (10**4, 1000, 6, 2)):
        asked = tightening(ends, lps, Deadline(None), 1)
        assert (asked.effort.lps, asked.batch, asked.effort.settles) == (each, batch, False)
    asked = tightening(50, 0, Deadline(100.0), 1)
    assert (asked.effort.lps, asked.effort.rounds) == (1, 0)
    assert asked.unit_time_limit == pytest.approx(6.0, rel=0.1)


def test_what_is_not_known_counts() -> None:
    """Later intervals without ends, as where sums overflow."""
    network = Network.from_arrays(
        [[[1.0], [1.0]], [[1.0, -1.0]], [[1.0]]], [[0.0, 0.0], [0.0], [0.0]]
    )
    ends = ([np.full(2, -1.0), np.array([-np.inf]), np.array([-np.inf])], [np.ones(2)])
    bounds = Bounds(
        Box(-1.0, 1.0).spread(1), tuple(ends[0]), (*ends[1], *(-e for e in ends[0][1:]))
    )
    wanted = [Direction(0, 0, -1), Direction(0, 0, +1)]
    assert ends_that_matter(network, bounds, 0, {2: np.ones((2, 1))}) == wanted
    # Of a sum that overflows nobody knows what it rests on.
    assert set(wanted) < set(ends_that_matter(network, bounds, 0, {2: np.full((2, 1), 1e308)}))
