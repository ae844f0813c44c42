"""A trained network on which nothing is free: what the methods keep, measured on test images."""

from __future__ import annotations

import numpy as np
import pytest
from networks import find_network

from leo_opt import Network, approximate, load
from leo_opt.approximation import METHODS, Parameters
from leo_opt.approximation.methods import Room
from leo_opt.approximation.pursuit import ChainCalibration

pytestmark = pytest.mark.slow


def case() -> tuple[Network, np.ndarray, np.ndarray, np.ndarray]:
    path = find_network("exactcompression/mnist_100-100_l1_0.onnx")
    with np.load(find_network("../data/mnist.npz")) as archive:
        fit = archive["x_train"][20000:23000].reshape(3000, -1) / 255.0
        test, labels = archive["x_test"].reshape(10000, -1) / 255.0, archive["y_test"]
    return load(path), fit, test, labels


def test_a_fifth_of_the_numbers_keeps_the_accuracy() -> None:
    network, fit, test, labels = case()
    made = approximate(network, fit, budget=Parameters(0.204))
    assert made.share <= 0.204
    assert (network(test).argmax(axis=1) == labels).mean() == pytest.approx(0.9789)
    assert (made.network(test).argmax(axis=1) == labels).mean() >= 0.974


@pytest.mark.parametrize(
    ("method", "numbers", "entry", "most"),
    [
        # 30 % of the weights: first without, then with the cost of indices.
        ("hard", 3000, 1, 0.105),
        ("hard:low_rank=0.5", 3000, 1, 0.12),
        ("hard", 3000, 2, 0.18),
        ("whitened", 3000, 2, 0.21),
    ],
)
def test_the_second_hidden_layer_alone(method: str, numbers: int, entry: int, most: float) -> None:
    network, fit, test, _ = case()
    target = ChainCalibration(network, fit).target(1)
    parts = METHODS.read(method).fit(target, Room(numbers, entry))
    inputs = network.layers[0].activate(network.layers[0].affine(test))
    meant = np.maximum(network.layers[1].affine(inputs), 0.0)
    gap = np.linalg.norm(np.maximum(parts.pre(inputs), 0.0) - meant) / np.linalg.norm(meant)
    assert gap <= most
