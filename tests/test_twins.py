"""Merging of units that others stand for, in rationals."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import exact_pre_activations
from random_networks import random_box, random_network
from seeds import seeds
from truth import count_phases

from leo_opt import Box, Network, Phase, Polytope, classify, propagate
from leo_opt.network import Layer
from leo_opt.twins import Twins, merge_twins, without_twins
from leo_opt.weights import dense


def with_twins(generator: np.random.Generator, network: Network) -> Network:
    """A network with units beside its own that are the same, the opposite, or 0."""
    layers = list(network.layers)
    for index, above in enumerate(layers[1:]):
        layer = layers[index]
        count = int(generator.integers(1, 5))
        units, signs = generator.integers(layer.n_out, size=count), generator.integers(-1, 2, count)
        weight = np.vstack([dense(layer.weight), signs[:, None] * dense(layer.weight)[units]])
        tags = (*layer.tags, *(layer.tags[unit] for unit in units))
        # Some have the bias of another sign, so that they are no twins.
        biases = signs * layer.bias[units] * generator.choice([1.0, 1.0, -1.0], count)
        bias = np.concatenate([layer.bias, biases])
        order = generator.permutation(bias.size)
        layers[index] = Layer(weight[order], bias[order], [tags[k] for k in order])
        columns = dense(above.weight)[:, units] * generator.choice([-1.0, 0.5, 1.0], count)
        if generator.random() < 0.3:
            columns = generator.normal(size=columns.shape)
        layers[index + 1] = Layer(
            np.hstack([dense(above.weight), columns])[:, order], above.bias, above.activation
        )
    return Network(tuple(layers))


def check(network: Network, merged: Twins, inputs: np.ndarray) -> None:
    """Every pre-activation is that of the unit at its place, but for the sign."""
    mine, other = (exact_pre_activations(n, inputs.tolist()) for n in (network, merged.network))
    for index, layer in enumerate(network.layers):
        assert [mine[index][unit] for unit in merged.kept[index]] == other[index]
        for unit, pre in enumerate(mine[index]):
            place, sign = merged.places[index][unit], merged.signs[index][unit]
            assert pre == int(sign) * other[index][place]
            if sign:
                assert layer.phased[unit] == merged.network.layers[index].phased[place]


@pytest.mark.parametrize("seed", seeds(15, of=400))
def test_units_that_are_left_have_the_pre_activations_that_they_had(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = with_twins(generator, random_network(generator))
    merged, small = merge_twins(network, unread=True), without_twins(network)
    for inputs in generator.integers(-8, 9, (6, network.input_size)) / 4.0:
        if merged is not None:
            check(network, merged, inputs)
        mine, other = (exact_pre_activations(n, inputs.tolist()) for n in (network, small))
        assert mine[-1] == other[-1]


@pytest.mark.parametrize("seed", seeds(6, of=60))
def test_verdicts_on_networks_with_twins_are_those_of_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = with_twins(generator, random_network(generator))
    box = random_box(generator, network.input_size).spread(network.input_size)
    stability = classify(network, box, bounds=propagate(network, box, "interval"))
    count_phases(network, box, stability, 1e-6)
    stability.check(network)


def test_a_sum_that_rounds_merges_nothing() -> None:
    rows = [[1.0, 2.0], [1.0, 2.0]]
    network = Network.from_arrays([rows, [[0.1, 0.2]]], [[0.0, 0.0], [0.0]], ["relu", "linear"])
    assert without_twins(network) is network
    halves = Network.from_arrays([rows, [[0.1, 0.1]]], [[0.0, 0.0], [0.0]], ["relu", "linear"])
    assert without_twins(halves).hidden_widths == (1,)


def maximum(first: list[float], second: list[float]) -> Network:
    """max(a, b) - a as sums over the rectifiers of a + b, -a - b, a - b and b - a, rectified."""
    signs = [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 0.0]]
    layers = [
        Layer([first, second], [0.1, -0.2]),
        Layer(signs, np.zeros(5), [*["relu"] * 4, "linear"]),
        Layer([[0.5, -0.5, 0.5, 0.5, -1.0]], [0.0], "relu"),
        Layer([[1.0]], [0.0]),
    ]
    return Network(tuple(layers))


def test_a_maximum_has_one_rectifier() -> None:
    small = without_twins(maximum([1.0, 2.0], [2.0, -1.0]))
    assert int(small.layers[1].phased.sum()) == 1


@pytest.mark.parametrize("seed", seeds(3, of=100))
def test_a_maximum_is_never_below_what_it_is_of(seed: int) -> None:
    """The unit touches zero on half of the box, which bounds that round cannot settle."""
    first, second = np.random.default_rng(seed).normal(size=(2, 2)).tolist()
    stability = classify(maximum(first, second), Box(-1.0, 1.0), time_limit=20)
    assert stability.phases[2] == (Phase.STABLY_ACTIVE,)
    assert stability.certified_phases(2) == 1
    rows = np.random.default_rng(seed).normal(size=(1, 2)), [0.3]
    part = classify(maximum(first, second), Polytope(Box(-1.0, 1.0).spread(2), *rows))
    assert part.phases[2] == (Phase.STABLY_ACTIVE,)
