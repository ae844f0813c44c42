"""Rewrites within a tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability, make_stability
from laws import check_draft, check_step
from networks import find_network
from oracle import exact_deviation
from random_networks import bent, random_case, random_network
from seeds import seeds

from leo_opt import Box, Network, load, rectified
from leo_opt.bounds import propagate
from leo_opt.compression import compress
from leo_opt.errors import InvalidInputError
from leo_opt.rewrites import Draft
from leo_opt.rewrites.near import drop_near_constant, gains, reduce_near_rank
from leo_opt.weights import dense


def near_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A random network some of whose rows are small, or nearly sums of others."""
    if generator.random() < 0.3:
        return random_case(generator)
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    network = random_network(generator, box=box, widths=(6, 4), outputs=2)
    arrays = [(np.array(dense(k.weight)), k.bias.copy(), k.activation) for k in network.layers]
    for weight, bias, _ in arrays[:-1]:
        size = 10.0 ** generator.integers(-9, -1, size=(bias.size, 1))
        small = generator.random(bias.size) < 0.4
        weight[small] *= size[small]
        first, second = generator.integers(bias.size, size=2)
        noise = size[second] * generator.normal(size=weight.shape[1])
        weight[second] = weight[first] + noise
        bias[second] = bias[first] + generator.choice([0.0, 1.0, 9.0])
    network = Network.from_arrays(*zip(*arrays, strict=True))
    return bent(generator, network) if generator.random() < 0.3 else network, box


@pytest.mark.parametrize("chunk", seeds(1, of=200))
def test_the_law_on_random_networks(chunk: int) -> None:
    """No step moves more than it says, and all together no more than the tolerance."""
    steps = 0
    for seed in range(10 * chunk, 10 * (chunk + 1)):
        generator = np.random.default_rng(seed)
        network, box = near_case(generator)
        stability = exact_stability(rectified(network), box, loose=bool(seed % 2))
        tolerance = float(10.0 ** generator.integers(-9, 1))
        draft = Draft.begin(network, stability)
        for index in range(draft.last - 1, -1, -1):
            for rewrite in (drop_near_constant, reduce_near_rank):
                changed = rewrite(draft, index, tolerance)
                if changed is not draft:
                    steps += 1
                    check_step(draft, changed)
                    check_draft(network, changed)
                draft = changed
            draft = draft.bound_again()
            check_draft(network, draft)
        assert draft.deviation.max() <= tolerance
        if seed % 4 == 0:
            result = compress(network, stability, tolerance=tolerance)
            exact = compress(network, stability)
            worst = exact_deviation(network, result.network, box)
            allowed = as_fractions(result.max_deviation)
            assert all(a <= b for a, b in zip(worst, allowed, strict=True))
            assert result.max_deviation.max() <= max(tolerance, exact.max_deviation.max())
            assert sum(result.spent.values()) <= 2.0 * tolerance
    assert steps >= 4


def test_gains_are_what_a_move_can_do_to_outputs() -> None:
    network = Network.from_arrays(
        [np.eye(2), [[1.0, 0.0], [0.0, 1.0]], [[1.0, -2.0], [0.5, 0.0]], [[3.0, -1.0]]],
        [None] * 4,
    )
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    assert gains(draft, 0).tolist() == [[3.5, 6.0]]
    assert gains(draft, 2).tolist() == [[1.0]]


def test_a_unit_that_is_hardly_negative_is_taken_for_active() -> None:
    """It is the sum of the other two but for what it is cut off at 0."""
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    network = Network.from_arrays(
        [[*rows, [1.0, -1.0]], [[1.0, 2.0, 1.0, 1.0], [2.0, 1.0, 3.0, 0.0]]],
        [[1.0, 1.0, 2.0 - 1e-7, 0.0], None],
    )
    stability = exact_stability(network, Box(-1, 1))
    assert compress(network, stability).network.hidden_widths == (4,)
    result = compress(network, stability, tolerance=1e-5)
    assert result.network.hidden_widths == (3,)
    assert set(result.spent) == {"near-dependent"}
    assert not result.exact
    assert exact_deviation(network, result.network, Box(-1, 1))[0] <= 1e-5


@pytest.mark.system
@pytest.mark.parametrize("seed", seeds(1, of=2))
def test_trained_networks_lose_most_of_their_units(seed: int) -> None:
    name = f"mnist/mnist_100-100_l1_0.0005_s{seed}.onnx"
    network, box = load(find_network(name)), Box(0, 1).spread(784)
    bounds = propagate(network, box)
    result = compress(network, make_stability(network, bounds, bounds), tolerance=1e-6)
    assert sum(result.network.hidden_widths) <= 0.28 * 200
    assert result.max_deviation.max() <= 1e-6
    points = box.sample(300, np.random.default_rng(0))
    assert np.abs(network(points) - result.network(points)).max() <= 1e-6


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), "much"])
def test_what_is_no_tolerance_is_refused(tolerance) -> None:
    network = Network.from_arrays([np.eye(2), np.eye(2)], [None, None])
    with pytest.raises(InvalidInputError, match="tolerance"):
        compress(network, exact_stability(network, Box(-1, 1)), tolerance=tolerance)
