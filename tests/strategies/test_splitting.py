"""Input splitting: certified, and enough for networks with few inputs."""

from __future__ import annotations

import numpy as np
import pytest
from networks import find_network
from random_networks import random_box, random_network
from truth import count_phases

from leo_opt import Phase, classify, load, load_domain
from leo_opt.domain import Boxes


@pytest.mark.parametrize("seed", range(100))
def test_splitting_agrees_with_brute_force_and_is_certified(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size)
    stability = classify(network, box, stages=["splitting"], splitting_budget=300)
    for layer in network.phased_layers:
        low, high = stability.certified.lower[layer], stability.certified.upper[layer]
        np.testing.assert_array_equal(low, stability.trusted.lower[layer])
        np.testing.assert_array_equal(high, stability.trusted.upper[layer])
    # A budget is no evidence: what it leaves open is undecided, wherever the extremes are.
    count_phases(network, box, stability, margin=1e9)


@pytest.mark.parametrize("seed", range(10))
def test_halves_cover_their_boxes(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lower = generator.normal(size=(7, 3))
    boxes = Boxes(lower, lower + generator.random((7, 3)))
    halves = boxes.halve(generator.integers(3, size=7))
    for row, point in enumerate(boxes.lower + (boxes.upper - boxes.lower) * generator.random(3)):
        inside = ((halves.lower <= point) & (point <= halves.upper)).all(axis=1)
        assert inside[row] or inside[row + 7]


@pytest.mark.parametrize("name", ["1_1", "3_3"])
def test_acas_xu_is_decided_without_a_solver(name: str) -> None:
    network = load(find_network(f"acasxu/ACASXU_run2a_{name}_batch_2000.onnx"))
    domain = load_domain(find_network("acasxu/prop_3.vnnlib"), network.input_size)
    stability = classify(network, domain)
    assert stability.statistics.milps_solved == 0
    assert stability.statistics.lps_solved == 0
    for layer in network.phased_layers:
        assert stability.count(layer, Phase.UNDECIDED) == 0
        stable = stability.count(layer, Phase.STABLY_ACTIVE) + stability.count(
            layer, Phase.STABLY_INACTIVE
        )
        assert stability.certified_phases(layer) == stable
