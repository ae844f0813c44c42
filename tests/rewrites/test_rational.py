"""Rational arithmetic of the rewrites."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_pre_activations

from leo_opt.network import Layer, Network
from leo_opt.rewrites.rational import activate, affine, round_nearest, to_fractions


def test_rounding_is_to_nearest_and_its_error_is_bounded() -> None:
    generator = np.random.default_rng(0)
    values = [Fraction(int(a), int(b)) for a, b in generator.integers(1, 10**12, size=(200, 2))]
    nearest, error = round_nearest([*values, Fraction(1, 2), Fraction(0)])
    for value, near, bound in zip(values, nearest, error, strict=False):
        distance = abs(Fraction(float(near)) - value)
        assert distance <= Fraction(float(bound)) <= Fraction(float(np.spacing(near)))
    assert nearest[-2:].tolist() == [0.5, 0.0]
    assert error[-2:].tolist() == [0.0, 0.0]


def test_numbers_beyond_float64_are_refused() -> None:
    with pytest.raises(OverflowError):
        round_nearest([Fraction(10) ** 400])


def test_layers_in_rationals_agree_with_the_oracle() -> None:
    generator = np.random.default_rng(1)
    network = Network.from_arrays([generator.normal(size=(4, 3))], [generator.normal(size=4)])
    point = to_fractions(generator.normal(size=3))
    assert affine(network.layers[0], point) == exact_pre_activations(network, point)[0]
    assert affine(Layer([[0.0]], [2.5]), [Fraction(7)]) == [Fraction(5, 2)]


@pytest.mark.parametrize(
    "value", [Fraction(-1, 3), Fraction(0), Fraction(1, 3), Fraction(10) ** 30]
)
def test_activations_in_rationals(value: Fraction) -> None:
    layer = Layer(np.ones((2, 1)), np.zeros(2), ["linear", "relu"])
    assert activate(layer, [value, value]) == [value, max(value, 0)]
