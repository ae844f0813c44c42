"""What the package promises on trained networks."""

from __future__ import annotations

import numpy as np
import pytest
from networks import find_network, network_folder

from leo_opt import Box, Phase, classify, compress, load, save

UP_TO_100 = [
    f"mnist_{widths}_l1_{weight}_s{seed}"
    for widths, weight in (
        ("25-25", "0.0002"),
        ("25-25", "0.001"),
        ("50-50", "0.0002"),
        ("50-50", "0.001"),
        ("100-100", "0.0001"),
        ("100-100", "0.0005"),
    )
    for seed in (0, 1)
]


def images(network_input: int) -> np.ndarray:
    """MNIST's test images where the data lies beside the networks, else random images."""
    path = network_folder().parent / "data" / "mnist.npz"
    if path.exists():
        with np.load(path) as data:
            return data["x_test"].reshape(-1, network_input) / 255.0
    return np.random.default_rng(0).random((2000, network_input))


@pytest.mark.system
@pytest.mark.parametrize("name", UP_TO_100)
def test_mnist_networks_are_decided_and_compressed(name: str, tmp_path) -> None:
    network = load(find_network(f"mnist/{name}.onnx"))
    stability = classify(network, Box(0, 1))
    for layer in network.phased_layers:
        assert stability.count(layer, Phase.UNDECIDED) == 0
    result = compress(network, stability)
    inputs = images(784)
    expected = network(inputs)
    save(result.network, tmp_path / "small.onnx", dtype="float64")
    for smaller in (result.network, load(tmp_path / "small.onnx")):
        outputs = smaller(inputs)
        assert np.abs(outputs - expected).max() < 1e-9
        assert (outputs.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert result.max_deviation.max() < 1e-9
    if "100-100_l1_0.0005" in name:
        before, after = sum(network.hidden_widths), sum(result.network.hidden_widths)
        least = 54.0 if name.endswith("s0") else 50.0
        assert 100.0 * (before - after) / before >= least
