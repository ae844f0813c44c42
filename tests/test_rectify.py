"""Rectifiers alone compute what leaky units and clips do, in rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from random_networks import BENT, bent, random_case

from leo_opt import Box, Network, formulate, rectified
from leo_opt.errors import UnsupportedOperatorError
from leo_opt.network import read_activation
from leo_opt.rewrites.rational import activate, affine
from leo_opt.signature import Signature


def exact(network: Network, point: list[Fraction]) -> list[Fraction]:
    for layer in network.layers:
        point = activate(layer, affine(layer, point))
    return point


@pytest.mark.parametrize("tag", [*BENT, "leaky-relu(0.01)", "clip(-0.1,0.3)"])
def test_each_activation_is_made_of_rectifiers(tag: str) -> None:
    network = Network.from_arrays([[[1.0]]], [[0.0]], [tag])
    made = rectified(network)
    assert {unit for layer in made.layers for unit in layer.tags} <= {"relu", "linear"}
    places = [*read_activation(tag).breakpoints, *np.random.default_rng(0).normal(size=20) * 3]
    for place in map(Fraction, places):
        assert exact(made, [place]) == [read_activation(tag).exact(place)]


@pytest.mark.parametrize("seed", range(20))
def test_the_function_of_a_network_stays(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    network = bent(generator, Network(network.layers, Signature(output_name="y")))
    made = rectified(network)
    assert made.signature == network.signature
    for row in box.spread(network.input_size).sample(5, generator):
        point = list(map(Fraction, row.tolist()))
        assert exact(made, point) == exact(network, point)


def test_a_network_of_rectifiers_is_itself() -> None:
    network, _ = random_case(np.random.default_rng(0))
    assert rectified(network) is network


def test_refusals_name_the_cure() -> None:
    network = Network.from_arrays([[[1.0]]], [[0.0]], ["clip(0,1)"])
    with pytest.raises(UnsupportedOperatorError, match=r"leo_opt\.rectified"):
        formulate(network, Box(0, 2))
    assert formulate(rectified(network), Box(0, 2)).outputs[0] is not None
