"""ISA: one MILP for all candidates agrees with brute force and with the cascade."""

from __future__ import annotations

import numpy as np
import pytest
from networks import find_network
from random_networks import random_box, random_case, random_network
from seeds import seeds
from truth import count_phases

from leo_opt import Box, Joint, Phase, classify, load

MARGIN = 1e-6


@pytest.mark.parametrize("chunk", seeds(4, of=20))
def test_joint_agrees_with_brute_force(chunk: int) -> None:
    """A claim that the network does not show is `undecided`; there are few of them."""
    undecided = units = 0
    for seed in range(20_000 + chunk * 10, 20_010 + chunk * 10):
        generator = np.random.default_rng(seed)
        network = random_network(generator)
        box = random_box(generator, network.input_size)
        stability = classify(network, box, strategy=Joint(random_points=5), margin=MARGIN)
        tally = count_phases(network, box, stability, margin=1e9)
        undecided, units = undecided + tally[Phase.UNDECIDED], units + tally.total()
    assert undecided <= 0.15 * units


@pytest.mark.system
@pytest.mark.parametrize(
    "name", ["25-25_l1_0.001_s0", pytest.param("25-25_l1_0.001_s1", marks=pytest.mark.slow)]
)
def test_joint_agrees_with_the_cascade_on_real_networks(name: str) -> None:
    network = load(find_network(f"mnist/mnist_{name}.onnx"))
    joint = classify(network, Box(0, 1), strategy="joint")
    cascade = classify(network, Box(0, 1))
    for mine, theirs in zip(joint.phases, cascade.phases, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert one == other or Phase.UNDECIDED in (one, other)


@pytest.mark.parametrize("seed", [41, 50, 143])
def test_ranges_that_cancellation_leaves_are_not_blown_up(seed: int) -> None:
    """Rows with entries of 1e15 are refused by HiGHS."""
    network, box = random_case(np.random.default_rng((900, seed)))
    stability = classify(network, box, strategy=Joint(random_points=0))
    sides = (stability.lower_evidence, stability.upper_evidence)
    assert not any(unit.anomaly for side in sides for layer in side for unit in layer)
