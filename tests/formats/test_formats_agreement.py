"""The judge of imports: silent on rounding, and loud about every number that was misread."""

from __future__ import annotations

import re

import numpy as np
import pytest

from leo_opt.errors import InvalidInputError
from leo_opt.formats.agreement import check_agreement
from leo_opt.network import Layer, Network


def reversed_sums(network: Network, inputs: np.ndarray) -> np.ndarray:
    """The network with every sum taken in another order."""
    for layer in network.layers:
        terms = inputs[:, None, ::-1] * layer.weight[:, ::-1]
        inputs = layer.activate(layer.bias + np.cumsum(terms, axis=2)[:, :, -1])
    return inputs


@pytest.mark.parametrize("seed", range(20))
def test_rounding_is_no_disagreement_and_one_changed_number_is(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shapes = (7, 5), (6, 7), (3, 6)
    weights = [generator.standard_normal(shape) * 10.0 ** (seed % 3) for shape in shapes]
    network = Network.from_arrays(weights, [generator.standard_normal(n) for n, _ in shapes])
    check_agreement(network, lambda inputs: reversed_sums(network, inputs), "another order")
    layers = list(network.layers)
    weight = layers[-1].weight.copy()
    weight[0] *= 1 + 1e-6
    layers[-1] = Layer(weight, layers[-1].bias)
    with pytest.raises(InvalidInputError, match=r"disagrees with the twin by \d"):
        check_agreement(network, Network(tuple(layers)), "the twin")


def test_the_message_holds_the_largest_disagreement() -> None:
    network = Network.from_arrays([np.eye(2)], [np.zeros(2)])
    shift = np.array([0.25, -3.0])
    with pytest.raises(InvalidInputError) as caught:
        check_agreement(network, lambda inputs: inputs + shift, "the source")
    assert re.search(r"the source by 3\b", str(caught.value))


@pytest.mark.parametrize("outputs", [1, 3])
def test_other_outputs_are_refused(outputs: int) -> None:
    network = Network.from_arrays([np.eye(2)], [np.zeros(2)])
    with pytest.raises(InvalidInputError, match="has 24 outputs where the source gives"):
        check_agreement(network, lambda inputs: np.ones((12, outputs)), "the source")
    with pytest.raises(InvalidInputError, match="disagrees"):
        check_agreement(network, lambda inputs: np.full((12, 2), np.nan), "the source")


def test_a_source_may_overwrite_what_it_is_given() -> None:
    network = Network.from_arrays([np.eye(2)], [np.zeros(2)])

    def spoil(inputs: np.ndarray) -> np.ndarray:
        outputs = inputs.copy()
        inputs[:] = 7.0
        return outputs

    check_agreement(network, spoil, "the source", batch=5)
