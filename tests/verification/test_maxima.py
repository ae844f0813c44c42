"""The largest output of each group, as outputs of a longer network, exactly."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from oracle import exact_output
from random_networks import random_case
from seeds import seeds

from leo_opt.bounds import propagate
from leo_opt.domain import Box
from leo_opt.network import Layer, Network
from leo_opt.verification.maxima import append_maxima


@pytest.mark.parametrize("seed", seeds(12, of=40))
def test_the_outputs_are_the_maxima(seed: int) -> None:
    generator = np.random.default_rng((120, seed))
    network, box = random_case(generator)
    sizes = [int(size) for size in generator.integers(1, 6, size=int(generator.integers(1, 4)))]
    weight = generator.integers(-3, 4, size=(sum(sizes), network.output_size))
    slacks = Network((*network.layers, Layer(weight, generator.normal(size=sum(sizes)))))
    low = propagate(slacks, box).lower[-1]
    longer = append_maxima(slacks, sizes, low)
    starts = np.cumsum([0, *sizes])
    for point in box.spread(network.input_size).sample(5, generator):
        values = exact_output(slacks, point)
        groups = [values[a:b] for a, b in pairwise(starts)]
        assert exact_output(longer, point) == [max(group) for group in groups]


def test_single_outputs_are_left_alone() -> None:
    network = Network.from_arrays([[[1.0], [2.0]]], [None])
    assert append_maxima(network, [1, 1], np.array([-1.0, -1.0])) == network


def test_shifted_lanes_are_stably_active() -> None:
    network = Network.from_arrays([[[1.0], [-1.0], [2.0], [0.5], [3.0]]], [None])
    bounds = propagate(network, Box(-1.0, 1.0))
    longer = append_maxima(network, [5], bounds.lower[-1])
    ends = propagate(longer, bounds.domain)
    active = [
        int((ends.lower[k] >= 0.0).sum())
        for k, layer in enumerate(longer.layers)
        if layer.has_phases
    ]
    # Of 5, 3 and 2 values one in each pair is carried on: 3, 2 and 1 rectifiers never switch.
    assert active == [3, 2, 1]
    assert Fraction(float(longer([1.0])[0])) == 3
