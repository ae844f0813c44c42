"""`written`: what a file will hold, before it is written."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt.errors import InvalidInputError
from leo_opt.formats import written
from leo_opt.network import Layer, Network, Signature


def test_values_are_those_of_the_dtype_and_shapes_are_stated():
    generator = np.random.default_rng(0)
    weights = [generator.standard_normal(shape) for shape in ((4, 3), (2, 4))]
    network = Network.from_arrays(weights, [None, None])
    stored = written(network, "float32")
    assert stored.signature == Signature(input_shape=("batch", 3), output_shape=("batch", 2))
    for layer, weight in zip(stored.layers, weights, strict=True):
        assert np.array_equal(layer.weight, weight.astype(np.float32))
    assert written(stored) == stored
    assert written(network, "float64") == network
    assert written(network, "float64").signature.dtype == "float64"


def test_numbers_that_do_not_fit_are_named():
    network = Network.from_arrays([[[1e300]]], [None])
    with pytest.raises(InvalidInputError, match=r"weight of layer 0 holds 1e\+300.*float32"):
        written(network, "float32")
    assert written(network, "float64") == network


def test_an_unknown_dtype_is_refused():
    with pytest.raises(InvalidInputError, match="'float16' is unknown; known are float32, float64"):
        written(Network.from_arrays([[[1.0]]], [None]), "float16")


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("shape", [(3,), ("N", 2, 2), (), (None, "M")])
def test_a_signature_of_other_sizes_is_refused(side: str, shape: tuple[int | str | None, ...]):
    shapes = {"input_shape": (1, 2), "output_shape": (1, 2), f"{side}_shape": shape}
    layers = (Layer(np.eye(2), np.zeros(2), "relu"),)
    with pytest.raises(InvalidInputError, match=f"{side} shape .* does not hold 2 values"):
        written(Network(layers, Signature(**shapes)))
