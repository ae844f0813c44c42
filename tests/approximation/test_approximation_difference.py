"""Differences of outputs: what is proved holds in rationals, and what is found is reached."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import as_fractions
from oracle import exact_deviation
from random_networks import random_case
from seeds import seeds

from leo_opt import Network
from leo_opt.approximation.difference import largest_difference, outputs_apart
from leo_opt.network import Layer
from leo_opt.weights import dense


def nearby(network: Network, generator: np.random.Generator) -> Network:
    """Other numbers in the same shape."""
    moved = [
        Layer(dense(layer.weight) + generator.integers(-1, 2) / 8, layer.bias, layer.activation)
        for layer in network.layers
    ]
    return Network(tuple(moved))


@pytest.mark.parametrize("seed", seeds(8, 500))
def test_differences_are_bounded_in_rationals(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    other = nearby(network, generator)
    bound = outputs_apart(network, other, box)
    worst = exact_deviation(network, other, box)
    allowed = as_fractions(bound)
    assert all(a <= b for a, b in zip(worst, allowed, strict=True))
    data = box.sample(5, generator)
    found = largest_difference(network, other, box, data)
    scale = 1e-9 * (1.0 + np.abs(bound))
    assert (found <= np.array(worst, dtype=float) + scale).all()
    assert (found >= np.abs(network(data) - other(data)).max(axis=0)).all()
    assert not outputs_apart(network, network, box).any()
