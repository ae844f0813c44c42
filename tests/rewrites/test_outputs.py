"""Compression for some of the outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exact_stability import exact_stability
from oracle import exact_deviation
from random_networks import random_network
from seeds import seeds

from leo_opt import Box, Network, Signature
from leo_opt.compression import compress
from leo_opt.errors import InvalidInputError


@pytest.mark.parametrize("seed", seeds(6, of=2000))
def test_the_outputs_kept_are_those_of_the_network(seed: int) -> None:
    generator = np.random.default_rng(seed)
    box = Box(-1, 1).spread(2)
    network = random_network(generator, box=box, widths=(4, 3), outputs=3)
    chosen = generator.permutation(3)[: generator.integers(1, 4)].tolist()
    result = compress(network, exact_stability(network, box), keep_outputs=chosen)
    assert result.kept[-1] == tuple(chosen)
    layers = (*network.layers[:-1], network.layers[-1].take(np.array(chosen)))
    worst = exact_deviation(Network(layers), result.network, box)
    assert all(a <= float(b) for a, b in zip(worst, result.max_deviation, strict=True))
    every = compress(network, exact_stability(network, box))
    # A layer is folded only where that saves parameters, which depends on what reads it.
    smaller = result.network.kinds.total() <= every.network.kinds.total()
    assert smaller or result.network.parameters < every.network.parameters


def test_units_that_only_other_outputs_read_go() -> None:
    signature = Signature(output_shape=("batch", 2))
    plain = Network.from_arrays([np.eye(2), np.eye(2)], [[0, 0], [0, 0]])
    network = replace(plain, signature=signature)
    result = compress(network, exact_stability(network, Box(-1, 1)), keep_outputs=(1,))
    assert result.network.layers[0].weight.tolist() == [[0.0, 1.0]]
    assert result.network.signature.output_shape == ("batch", 1)
    assert result.exact


@pytest.mark.parametrize("outputs", [(), (2,), (-1,), (0, 0)])
def test_outputs_that_are_none_are_refused(outputs: tuple[int, ...]) -> None:
    network = Network.from_arrays([np.eye(2), np.eye(2)], [[0, 0], [0, 0]])
    with pytest.raises(InvalidInputError, match="from 0 to 1"):
        compress(network, exact_stability(network, Box(-1, 1)), keep_outputs=outputs)
