"""The IR: what it accepts, refuses and evaluates."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from random_networks import random_network

from leo_opt.errors import InvalidInputError, LeoOptError
from leo_opt.network import Layer, Network, Signature, read_activation
from leo_opt.weights import dense


def by_hand(network: Network, point: np.ndarray) -> np.ndarray:
    """Evaluate with plain Python loops."""
    values = [float(x) for x in point]
    for layer in network.layers:
        pre = [
            sum(w * v for w, v in zip(row, values, strict=True)) + b
            for row, b in zip(dense(layer.weight).tolist(), layer.bias.tolist(), strict=True)
        ]
        values = [
            max(0.0, g) if tag == "relu" else g for g, tag in zip(pre, layer.tags, strict=True)
        ]
    return np.array(values)


@pytest.mark.parametrize("seed", range(30))
def test_evaluation_is_the_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    points = generator.normal(size=(5, network.input_size))
    expected = np.array([by_hand(network, point) for point in points])
    np.testing.assert_allclose(network(points), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(network(points[0]), expected[0], rtol=1e-9, atol=1e-9)
    pres = network.pre_activations(points)
    np.testing.assert_array_equal(network.layers[-1].activate(pres[-1]), network(points))
    assert [pre.shape for pre in pres] == [(5, layer.n_out) for layer in network.layers]
    assert [pre.shape for pre in network.pre_activations(points[0])] == [
        (layer.n_out,) for layer in network.layers
    ]


@pytest.mark.parametrize("tag", ["linear", "relu", "leaky-relu(0.1)", "clip(-1,2)"])
def test_slopes_are_derivatives(tag: str) -> None:
    activation = read_activation(tag)
    pre = np.array([-2.0, -0.5, 0.5, 3.0])
    step = 2.0**-20
    numeric = (activation(pre + step) - activation(pre - step)) / (2 * step)
    np.testing.assert_allclose(activation.slopes(pre), numeric, atol=1e-9)
    assert activation(np.zeros(1))[0] == 0.0


@pytest.mark.parametrize(
    ("weight", "bias", "tag", "words"),
    [
        ([[1.0, np.nan]], [0.0], "relu", "nan"),
        ([[1.0]], [np.inf], "relu", "inf"),
        ([[1.0]], [0.0, 1.0], "relu", "bias has 2"),
        ([1.0], [0.0], "relu", "2 dimensions"),
        ([[1.0]], [0.0], "tanh", "'tanh'"),
        (np.zeros((0, 3)), np.zeros(0), "relu", "at least one unit"),
        ([["a"]], [0.0], "relu", "numbers"),
    ],
)
def test_bad_layers_are_refused_with_the_value(weight, bias, tag, words) -> None:
    with pytest.raises(InvalidInputError, match=words):
        Layer(weight, bias, tag)


def test_bad_networks_are_refused() -> None:
    first = Layer(np.ones((2, 3)), np.zeros(2), "relu")
    with pytest.raises(InvalidInputError, match="layer 0 has 2 units"):
        Network((first, first))
    with pytest.raises(InvalidInputError, match="at least one layer"):
        Network(())
    with pytest.raises(InvalidInputError, match="2 weights, 1 biases"):
        Network.from_arrays([[[1.0]], [[1.0]]], [None])
    with pytest.raises(ValueError, match=r"takes \(3,\)"):
        Network((first,))(np.zeros(2))
    assert issubclass(InvalidInputError, LeoOptError)


def test_a_network_is_frozen_and_private() -> None:
    weight = np.ones((1, 2))
    network = Network.from_arrays([weight], [None], ["linear"])
    weight[0, 0] = 7.0
    assert network([1.0, 1.0])[0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        network.layers[0].weight[0, 0] = 3.0
    with pytest.raises(AttributeError):
        network.layers = ()  # type: ignore[misc]


def test_equality_and_hash_know_values_and_not_signatures() -> None:
    network = Network.from_arrays([[[1.0, -0.0]]], [[0.0]], ["relu"])
    renamed = Network(network.layers, Signature(input_name="x"))
    assert network == renamed
    assert hash(network) == hash(renamed)
    same = Network.from_arrays([[[1.0, 0.0]]], [None], ["relu"])
    assert network.content_hash == same.content_hash
    for other in (
        Network.from_arrays([[[1.0, 1e-300]]], [[0.0]], ["relu"]),
        Network.from_arrays([[[1.0, 0.0]]], [[0.0]], ["linear"]),
        Network.from_arrays([[[1.0], [0.0]]], [[0.0, 0.0]], ["relu"]),
    ):
        assert other != network
        assert other.content_hash != network.content_hash
    restored = pickle.loads(pickle.dumps(renamed))
    assert restored == network
    assert restored.signature == renamed.signature
    assert "2 -> 1 relu" in repr(network)


def test_one_tag_repeated_is_that_tag() -> None:
    one, many = (Layer(np.eye(2), np.zeros(2), tags) for tags in ("relu", ["relu", "relu"]))
    assert one == many
    assert many.activation == "relu"
    assert Network((one,)).content_hash == Network((many,)).content_hash


def test_linear_units_pass_their_input_on() -> None:
    layer = Layer(np.eye(3), np.zeros(3), ["relu", "linear", "relu"])
    network = Network((layer, Layer(np.ones((1, 3)), np.zeros(1))))
    assert network([-1.0, -2.0, 3.0]).tolist() == [1.0]
    assert layer.phased.tolist() == [True, False, True]
    assert layer.lanes.tolist() == [-1, 1, -1]
    assert repr(network) == "Network(3 -> 2 relu + 1 linear -> 1 linear; 16 parameters)"
    assert layer.take(np.array([1])).activation == "linear"


def test_tags_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 activations were given for 2 units"):
        Layer(np.eye(2), np.zeros(2), ["relu"])
    with pytest.raises(InvalidInputError, match="'tanh' is unknown"):
        Layer(np.eye(2), np.zeros(2), ["relu", "tanh"])
