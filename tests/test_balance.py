"""Rounding of which the parts cancel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exact_stability import as_fractions, make_stability
from networks import find_network
from oracle import exact_deviation
from random_networks import random_case, random_network
from seeds import seeds

from leo_opt import Box, load
from leo_opt.balance import balanced
from leo_opt.bounds import propagate
from leo_opt.compression import compress
from leo_opt.deviation import rounding_deviation
from leo_opt.formats import written


@pytest.mark.parametrize("chunk", seeds(1, of=100))
def test_the_law_on_random_networks(chunk: int) -> None:
    """Numbers are of the type, outputs move no more than is proved, nor than by plain rounding."""
    better = 0
    for seed in range(20 * chunk, 20 * (chunk + 1)):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        if seed % 2:
            box = Box(-1, 1).spread(2)
            network = random_network(generator, box=box, widths=(4, 3), outputs=1)
            arrays = [generator.normal(size=layer.weight.shape) for layer in network.layers]
            biases = [generator.exponential(size=layer.n_out) + 2.0 for layer in network.layers]
            network = type(network).from_arrays(arrays, biases)
        bounds = propagate(network, box)
        plain, other = written(network, "float32"), balanced(network, bounds, "float32")
        assert written(other, "float32") == other
        assert other.signature == plain.signature
        before, after = (rounding_deviation(network, kind, bounds) for kind in (plain, other))
        assert after.max() <= before.max()
        worst = exact_deviation(network, other, box)
        assert all(a <= b for a, b in zip(worst, as_fractions(after), strict=True)), seed
        better += after.max() < before.max()
        assert balanced(network, bounds, "float64") == written(network, "float64")
    assert better >= 5


@pytest.mark.parametrize("suffix", ["onnx", "npz"])
def test_the_file_that_is_saved_is_the_one_that_is_proved(suffix: str, tmp_path: Path) -> None:
    network, box = load(find_network("mnist/mnist_50-50_l1_0.001_s0.onnx")), Box(0, 1).spread(784)
    known = propagate(network, box)
    smaller = compress(network, make_stability(network, known, known))
    smaller.save(tmp_path / f"small.{suffix}")
    kept = smaller.network if suffix == "npz" else smaller.stored()
    assert load(tmp_path / f"small.{suffix}").layers == kept.layers


@pytest.mark.system
def test_trained_networks_are_stored_within_half_of_plain_rounding() -> None:
    """The median of those whose numbers change, of three here and of all in the documentation."""
    ratios = []
    for name in ("50-50_l1_0.001_s0", "50-50_l1_0.001_s1", "100-100_l1_0.0005_s0"):
        network, box = load(find_network(f"mnist/mnist_{name}.onnx")), Box(0, 1).spread(784)
        known = propagate(network, box)
        smaller = compress(network, make_stability(network, known, known), sequential=True).network
        bounds = propagate(smaller, box)
        kinds = written(smaller), balanced(smaller, bounds)
        plain, other = (rounding_deviation(smaller, kind, bounds).max() for kind in kinds)
        points = box.sample(100, np.random.default_rng(0))
        assert np.abs(kinds[1](points) - smaller(points)).max() <= other + 1e-12
        ratios.append(other / plain)
    assert np.median(ratios) <= 0.5
