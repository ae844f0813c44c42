"""PyTorch modules to networks and back."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.errors import InvalidInputError, UnsupportedOperatorError
from leo_opt.formats.pytorch import from_torch, to_torch
from leo_opt.network import Layer, Network

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def test_a_sequential_of_everything_computes_the_same():
    torch.manual_seed(0)
    nn = torch.nn
    inner = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout())
    module = nn.Sequential(nn.Flatten(), inner, nn.Identity(), nn.Linear(5, 2, bias=False))
    with torch.no_grad():
        module(torch.randn(50, 2, 3))  # Gives the batch normalisation its statistics.
    module.eval()
    network = from_torch(module)
    inputs = torch.randn(20, 2, 3)
    with torch.no_grad():
        expected = module(inputs).numpy()
    assert np.allclose(network(inputs.reshape(20, 6).numpy()), expected, atol=1e-5)
    assert [layer.n_out for layer in network.layers] == [5, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_back(dtype: str):
    generator = np.random.default_rng(0)
    layers = (
        Layer(np.float32(generator.standard_normal((3, 2))), np.float32([1, 2, 3]), "relu"),
        Layer(np.eye(3), np.zeros(3)),
        Layer(np.float32(generator.standard_normal((1, 3))), [0.5]),
    )
    network = Network(layers)
    back = from_torch(to_torch(network, dtype))
    assert back == network
    assert back.signature.dtype == dtype


def test_what_cannot_be_read_is_named():
    nn = torch.nn
    with pytest.raises(UnsupportedOperatorError, match=r"module\.1 is a Tanh"):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    with pytest.raises(InvalidInputError, match=r"module\.1 .*module\.eval"):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    with pytest.raises(InvalidInputError, match=r"module\.1 takes 3 inputs and is given 2"):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1)))
    with pytest.raises(InvalidInputError, match="no Linear layer"):
        from_torch(nn.Sequential(nn.ReLU()))
    with pytest.raises(InvalidInputError, match="float16"):
        from_torch(nn.Sequential(nn.Linear(2, 2)).half())
