"""Witness search: only shown signs count, and few inputs are kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.polytope import Polytope
from leo_opt.witnesses import Witnesses, ascend, collect, directions, first_layer_vertices


@pytest.mark.parametrize("seed", seeds(15, of=40))
def test_collected_witnesses_show_their_signs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    inputs = box.sample(100, generator)
    pool = collect(network, box, inputs, Witnesses.none(network))
    pres = network.pre_activations(pool.inputs) if len(pool.inputs) else None
    for layer, described in enumerate(network.layers):
        for unit in range(described.n_out):
            for rows, sign in ((pool.below[layer], -1), (pool.above[layer], 1)):
                if rows[unit] >= 0:
                    assert sign * pres[layer][rows[unit], unit] > 0
    # A second look at the same inputs adds nothing.
    again = collect(network, box, inputs, pool)
    assert len(again.inputs) == len(pool.inputs)
    # What plain evaluation shows clearly, the pool shows too.
    for layer, pre in enumerate(network.pre_activations(inputs)):
        scale = 1e-9 * (1.0 + np.abs(pre).max())
        assert (pool.above[layer][(pre > scale).any(axis=0)] >= 0).all()
        assert (pool.below[layer][(pre < -scale).any(axis=0)] >= 0).all()


def test_a_value_within_rounding_of_zero_is_no_witness() -> None:
    """0.1 + 0.2 - 0.3 is positive in float64 and may not be in real arithmetic."""
    network = Network.from_arrays([[[1.0, 1.0, -1.0]]], [[0.0]])
    point = np.array([[0.1, 0.2, 0.3]])
    assert network(point)[0, 0] > 0
    pool = collect(network, Box(0, 1).spread(3), point, Witnesses.none(network))
    assert pool.above[0][0] == -1


def test_inputs_outside_are_clipped_before_they_count() -> None:
    network = Network.from_arrays([[[1.0]]], [[-2.0]])
    pool = collect(network, Box(0, 1).spread(1), np.array([[5.0]]), Witnesses.none(network))
    assert pool.above[0][0] == -1


@pytest.mark.parametrize("seed", range(20))
def test_directions_are_gradients(seed: int) -> None:
    generator = np.random.default_rng(seed)
    widths = [4, 6, 5, 3]
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) for b in widths[1:]],
    )
    point, units, signs = generator.normal(size=(3, 4)), np.arange(3), np.array([1.0, -1.0, 1.0])
    gradients = directions(network, point, 2, units, signs)
    step = 1e-7
    for row in range(3):
        for k in range(4):
            moved = point[row].copy()
            moved[k] += step
            change = (
                network.pre_activations(moved)[2][row] - network.pre_activations(point[row])[2][row]
            )
            assert signs[row] * change / step == pytest.approx(gradients[row, k], abs=1e-4)


def test_ascent_stays_inside_and_climbs() -> None:
    generator = np.random.default_rng(0)
    network = Network.from_arrays(
        [generator.normal(size=(30, 10)), generator.normal(size=(8, 30))],
        [generator.normal(size=30), generator.normal(size=8)],
    )
    box = Box(-1, 1).spread(10)
    starts = box.sample(8, generator)
    units, signs = np.arange(8), np.ones(8)
    best = ascend(network, box, 1, units, signs, starts)
    assert (np.abs(best) <= 1).all()
    before = network.pre_activations(starts)[1][units, units]
    after = network.pre_activations(best)[1][units, units]
    assert (after >= before).all()
    assert ((after > before) | (before > 0)).all()


def test_vertices_are_the_extremes_of_the_first_layer() -> None:
    generator = np.random.default_rng(1)
    network = Network.from_arrays([generator.normal(size=(5, 4))], [np.zeros(5)], ["relu"])
    box = Box(-1, 2).spread(4)
    pre = network.pre_activations(first_layer_vertices(network, box))[0]
    sampled = network.pre_activations(box.sample(1000, generator))[0]
    assert (pre.max(axis=0) >= sampled.max(axis=0)).all()
    assert (pre.min(axis=0) <= sampled.min(axis=0)).all()


def test_what_is_near_a_polytope_only_is_no_witness() -> None:
    """Where x = 2 y and x + y = 1 there is no float64 point."""
    network = Network.from_arrays([[[1.0, 1.0]]], [[-0.5]], ["relu"])
    rows = [[1.0, -2.0], [-1.0, 2.0], [1.0, 1.0], [-1.0, -1.0]]
    point = Polytope((0.0, 1.0), rows, [0.0, 0.0, 1.0, -1.0])
    near = np.array([[2.0 / 3.0, 1.0 / 3.0], [0.75, 0.26]])
    assert collect(network, point, near, Witnesses.none(network)).inputs.size == 0
    around = Polytope((0.0, 1.0), rows, [2.0**-50, 2.0**-50, 1.0, -1.0 + 2.0**-50])
    assert around.holds(collect(network, around, near, Witnesses.none(network)).inputs).all()
