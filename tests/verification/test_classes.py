"""Whether two networks can give one input different classes."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_network

from leo_opt import Box, Network
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.verification.classes import same_class


def _moved(network: Network, generator: np.random.Generator, size: float) -> Network:
    weights = [np.array(layer.weight) for layer in network.layers]
    weights[-1] *= 1.0 + size * generator.uniform(-1, 1, weights[-1].shape)
    biases = [layer.bias for layer in network.layers]
    return Network.from_arrays(weights, biases, [layer.activation for layer in network.layers])


@pytest.mark.parametrize("seed", range(6))
def test_the_verdict_is_what_samples_say(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in ((4, 2), (4, 4), (3, 4))]
    network = Network.from_arrays(weights, [generator.normal(size=len(w)) for w in weights])
    box = Box.around(generator.random(2), float(generator.choice([0.01, 0.3])))
    second = _moved(network, generator, float(generator.choice([1e-3, 0.3])))
    verdict = same_class(network, second, box)
    points = box.sample(2000, generator)
    changed = network(points).argmax(axis=1) != second(points).argmax(axis=1)
    assert verdict.answer in ("holds", "violated")
    assert not (verdict.answer == "holds" and changed.any())
    if verdict.answer == "violated":
        outputs = np.split(verdict.outputs, 2)
        assert outputs[0].argmax() != outputs[1].argmax()


def test_where_classes_are_apart_no_tie_of_others_counts() -> None:
    bias = [[0.0, 0.0, 5.0]]
    network = Network.from_arrays([[[1.0], [1.0], [-1.0]]], bias)
    other = Network.from_arrays([[[1.0], [1.25], [-1.0]]], bias)
    assert same_class(network, other, (-1.0, 1.0)).answer == "holds"
    assert same_class(network, other, (-1.0, 4.0)).answer == "violated"


def test_bad_input_is_refused() -> None:
    generator = np.random.default_rng(0)
    one, two, three = (random_network(generator, inputs=2, outputs=k) for k in (1, 2, 3))
    with pytest.raises(InvalidInputError, match="1 output; classes take at least 2"):
        same_class(one, one, (0.0, 1.0))
    with pytest.raises(MismatchError, match="2 and 3 outputs"):
        same_class(two, three, (0.0, 1.0))
