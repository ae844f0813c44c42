"""Networks that were split as ReluSplitter does are as small after compression as the others."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import exact_stability, make_stability
from networks import find_network
from oracle import exact_deviation
from random_networks import random_network
from seeds import seeds
from split_networks import split_network

from leo_opt import Box, load
from leo_opt.bounds import propagate
from leo_opt.compression import compress

KINDS = {
    "powers of two": ({"powers_of_two": True}, 1e-12),
    "any factors": ({}, 1e-12),
    "float32": ({"dtype": "float32"}, 1e-6),
}
"""How a network is split, and the largest deviation in units of the outputs' interval."""
SIZES = [f"{width}-{width}_l1_{penalty}" for width, penalty in ((25, 0.0002), (25, 0.001))]
SIZES += [f"{width}-{width}_l1_{penalty}" for width, penalty in ((50, 0.0002), (50, 0.001))]
SIZES += ["100-100_l1_0.0001", "100-100_l1_0.0005"]
NAMES = [f"mnist_{size}_s{seed}" for size in SIZES for seed in (0, 1)]
NAMES += ["mnist_100-100-100-100-100_l1_0.0002_s0"]
SLOW = pytest.mark.slow


@pytest.mark.system
@pytest.mark.parametrize("name", [NAMES[2], *(pytest.param(n, marks=SLOW) for n in NAMES)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", seeds(1, of=5))
def test_units_are_those_of_the_network_that_was_not_split(name, kind, seed) -> None:
    network, box = load(find_network(f"mnist/{name}.onnx")), Box(0, 1).spread(784)
    bounds = propagate(network, box)
    expected = compress(network, make_stability(network, bounds, bounds)).network
    options, limit = KINDS[kind]
    split = split_network(np.random.default_rng(seed), network, bounds, **options)
    known = propagate(split, box)
    result = compress(split, make_stability(split, known, known))
    assert result.network.hidden_widths == expected.hidden_widths
    assert len(result.network.layers) == len(expected.layers)
    width = (bounds.upper[-1] - bounds.lower[-1]).max()
    assert result.max_deviation.max() <= limit * width
    points = box.sample(200, np.random.default_rng(0))
    off = np.abs(result.network(points) - split(points)).max()
    assert off <= result.max_deviation.max() + 1e-12 * width


@pytest.mark.parametrize("chunk", seeds(1, of=100))
def test_the_law_on_split_networks(chunk: int) -> None:
    """The oracle agrees on small ones, whatever else is in them."""
    shorter = 0
    for seed in range(20 * chunk, 20 * (chunk + 1)):
        generator = np.random.default_rng(seed)
        box = Box(-1, 1).spread(int(generator.integers(1, 3)))
        widths = tuple(int(w) for w in generator.integers(1, 4, size=generator.integers(1, 3)))
        network = random_network(generator, box=box, widths=widths, outputs=1)
        kind = list(KINDS)[int(generator.integers(3))]
        split = split_network(generator, network, propagate(network, box), **KINDS[kind][0])
        result = compress(split, exact_stability(split, box))
        (worst,) = exact_deviation(split, result.network, box)
        assert worst <= float(result.max_deviation[0])
        shorter += len(result.network.layers) < len(split.layers)
    assert shorter >= 15
