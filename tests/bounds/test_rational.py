"""Dual bounds in rationals: true for any slopes and multipliers, exact for the right ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt import Box, Network, propagate
from leo_opt.bounds import crown, rational
from leo_opt.weights import row


@pytest.mark.parametrize("seed", seeds(20, of=200))
def test_a_bound_from_any_slopes_and_multipliers_is_true(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    bounds, ranges = propagate(network, box), exact_ranges(network, box)
    for index in range(1, len(network.layers)):
        layer, known = network.layers[index], (bounds.lower[:index], bounds.upper[:index])
        for unit in range(layer.n_out):
            sizes = [low.size for low in known[0]]
            shares = [generator.uniform(-0.5, 1.5, size) for size in sizes]
            multipliers = [generator.normal(size=n) * (generator.random(n) < 0.5) for n in sizes]
            some = row(layer.weight, unit), float(layer.bias[unit]), shares, multipliers
            bound = rational.bound_dual(network, box, *known, *some)
            assert Fraction(bound) >= ranges[index][unit][1]
            rounded = crown.bound_dual(
                network,
                box,
                *([side[None] for side in sides] for sides in known),
                some[0][None],
                layer.bias[[unit]],
                *([part[None] for part in parts] for parts in (shares, multipliers)),
            )[0]
            # Multipliers are rounded to numbers with small denominators.
            size = 1.0 + sum(np.abs(side).sum() for sides in known for side in sides)
            assert abs(bound - rounded) <= 1e-9 * size * (1.0 + abs(rounded))


def test_slopes_that_a_solver_rounded_prove_a_tie() -> None:
    """-3 relu(-x) - relu(x) <= 0, and the slopes that prove it are a third apart by rounding."""
    network = Network.from_arrays(
        [[[-1.0], [1.0]], [[-3.0, -1.0]]], [[0.0, 0.0], [0.0]], ["relu", "linear"]
    )
    box = Box(-1.0, 1.0).spread(1)
    known = [[-np.ones(2)], [np.ones(2)]]
    some = np.array([-3.0, -1.0]), 0.0
    shares, multipliers = [np.array([1.0 / 3.0 + 1e-15, 1.0 - 1e-15])], [np.array([0.0, 1e-14])]
    assert rational.bound_dual(network, box, *known, *some, shares, multipliers) == 0.0
    sides = [[side[None] for side in part] for part in (*known, shares, multipliers)]
    rounded = crown.bound_dual(network, box, *sides[:2], some[0][None], np.zeros(1), *sides[2:])
    assert rounded[0] > 0.0
