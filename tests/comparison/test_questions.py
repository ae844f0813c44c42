"""Directions that a plan chooses: open, within the range of binaries, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_network

from leo_opt import Box, propagate
from leo_opt.comparison.cell_models import build
from leo_opt.comparison.questions import Directions, Outputs, count_binaries, scope_of
from leo_opt.formulations import BigM

BOX = Box(-1.0, 1.0).spread(3)


@pytest.mark.parametrize("seed", range(20))
def test_directions_are_open_and_repeatable(seed: int) -> None:
    network = random_network(np.random.default_rng(seed), inputs=3, widths=(5, 5, 4))
    bounds = propagate(network, BOX)
    entry = Directions(random_points=50)
    found = entry.choose(network, BOX)
    assert found == entry.choose(network, BOX)
    points = BOX.sample(50, np.random.default_rng(0))
    seen = network.pre_activations(points)
    for layer, unit, sign in found:
        assert layer in network.hidden_layers
        assert bounds.lower[layer][unit] < 0.0 < bounds.upper[layer][unit]
        assert (sign * seen[layer][:, unit] <= 0.0).all()
    # Nothing that qualifies is left out.
    for layer in network.hidden_layers[1:]:
        for unit in range(network.layers[layer].n_out):
            for sign in (1, -1):
                is_open = bounds.lower[layer][unit] < 0.0 < bounds.upper[layer][unit]
                unseen = (sign * seen[layer][:, unit] <= 0.0).all()
                assert ((layer, unit, sign) in found) == (is_open and unseen)


@pytest.mark.parametrize("seed", range(10))
def test_a_sample_is_a_part_of_all_and_within_the_range_of_binaries(seed: int) -> None:
    network = random_network(np.random.default_rng(seed), inputs=3, widths=(6, 6, 5))
    everything = Directions().choose(network, BOX)
    some = Directions(count=3, seed=seed, binaries=(2, 5)).choose(network, BOX)
    assert set(some) <= set(everything)
    assert len(some) <= 3
    bounds = propagate(network, BOX)
    for direction in some:
        scope = scope_of(network, BOX, bounds, direction)
        model = build(scope, direction, BigM())
        assert np.count_nonzero(model.encoding.form.integer) == count_binaries(scope)
        assert 2 <= count_binaries(scope) <= 5


def test_outputs_in_both_senses() -> None:
    network = random_network(np.random.default_rng(3), inputs=3, widths=(4,), outputs=2)
    entry = Outputs(sense="both")
    last = len(network.layers) - 1
    assert entry.choose(network, BOX) == [(last, 0, -1), (last, 0, 1), (last, 1, -1), (last, 1, 1)]
