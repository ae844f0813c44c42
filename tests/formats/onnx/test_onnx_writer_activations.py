"""Activations with numbers are written as the operators that compute them, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.errors import UnsupportedOperatorError
from leo_opt.formats.onnx.writer import encode
from leo_opt.network import Layer, Network, Signature

ROUNDED = f"leaky-relu({float(np.float32(0.1))})"


def network_of(tag: str, dtype: str) -> Network:
    layers = Layer([[1.0, -2.0], [0.5, 3.0]], [0.25, -1.0], tag), Layer([[1.0, 1.0]], [0.0])
    signature = Signature(input_shape=("batch", 2), output_shape=("batch", 1), dtype=dtype)
    return Network(layers, signature)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "tag",
    ["leaky-relu(0.25)", ROUNDED, "clip(-1,6)", "clip(-inf,1)"],
)
def test_the_reference_computes_the_network(tag: str, dtype: str) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    network = network_of(tag, dtype)
    model = onnx.load_model_from_string(encode(network, {}))
    points = np.random.default_rng(0).normal(scale=3.0, size=(50, 2)).astype(dtype)
    (got,) = ReferenceEvaluator(model).run(None, {"input": points})
    np.testing.assert_allclose(got, network(points), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("tag", "dtype"),
    [("leaky-relu(0.1)", "float64"), ("leaky-relu(0.1)", "float32"), ("clip(0,0.1)", "float32")],
)
def test_numbers_that_the_file_would_round_are_refused(tag: str, dtype: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"rounds to 0\.1000000014"):
        encode(network_of(tag, dtype), {})
