"""Parts compute what their layers compute, and cost what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from seeds import seeds

from leo_opt.approximation import costs
from leo_opt.approximation.parts import Parts
from leo_opt.network import Layer, Network


def random_parts(generator: np.random.Generator) -> Parts:
    height, width = generator.integers(2, 9, size=2)
    rank = int(generator.integers(0, 3))
    sparse = generator.normal(size=(height, width)) * (generator.random((height, width)) < 0.3)
    if generator.random() < 0.4:
        sparse = generator.normal(size=(height, width)) * (generator.random(width) < 0.4)
    left, right = generator.normal(size=(height, rank)), generator.normal(size=(rank, width))
    return Parts.of(generator.normal(size=height), left, right, sparse)


@pytest.mark.parametrize("seed", seeds(2, 50))
def test_layers_compute_the_parts(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for _ in range(20):
        parts = random_parts(generator)
        inputs = generator.normal(size=(5, parts.sparse.shape[1]))
        network = Network(parts.layers("relu"))
        assert np.allclose(network(inputs), np.maximum(parts.pre(inputs), 0.0), atol=1e-12)
        assert np.allclose(parts.pre(inputs), inputs @ parts.weight.T + parts.bias, atol=1e-12)
        made = costs.of_network(network)
        height, width = parts.sparse.shape
        # Never more than factors in full, an index for each entry, and the biases.
        assert made.parameters <= parts.rank * (height + width) + 2 * parts.entries + height
        assert made.bitmap <= made.parameters + height * width
        assert made.multiply_adds <= made.parameters


def test_units_that_are_no_part_stay_as_they_are() -> None:
    layer = Layer([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0], [3.0, 2.0, 1.0]], [1.0, 0.0, 2.0])
    units = layer.lanes < 0
    parts = Parts.of(np.zeros(2), np.ones((2, 1)), np.ones((1, 3))).within(layer, units)
    network = Network(parts.layers("linear"))
    assert network([1.0, 10.0, 100.0]).tolist() == [111.0, 10.0, 111.0]


@pytest.mark.parametrize(
    ("weight", "bias", "numbers", "products"),
    [
        (np.ones((3, 4)), 1.0, 15, 12),
        (np.diag([2.0, 3.0, 4.0]), 1.0, 9, 3),
        (np.eye(3), 0.0, 0, 0),
        # Two of three inputs are carried: which ones, takes two indices.
        (np.eye(3)[:2], 0.0, 2, 0),
        # One row in full beside two lanes of two inputs.
        (np.vstack([[5.0, 6.0], np.eye(2)]), 0.0, 2, 2),
        # The last row in full, and then two columns.
        (np.array([[5.0, 6.0, 0.0], [7.0, 8.0, 0.0], [9.0, 9.0, 2.0]]), 0.0, 7, 7),
    ],
)
def test_numbers_and_indices_are_counted(
    weight: np.ndarray, bias: float, numbers: int, products: int
) -> None:
    cost = costs.of_layer(Layer(weight, np.full(len(weight), bias)))
    assert (cost.parameters, cost.multiply_adds) == (numbers, products)


def test_a_dense_file_counts_in_full() -> None:
    layer = Layer(np.diag([2.0, 3.0, 4.0]), np.zeros(3))
    assert costs.of_layer(layer, sparse=False).parameters == 12
