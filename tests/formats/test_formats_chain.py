"""`Chain`: the layers are the steps, in rational arithmetic, wherever that is promised."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from leo_opt.formats.chain import Chain
from leo_opt.network import Layer


def exact(layers: tuple[Layer, ...], point: list[Fraction]) -> list[Fraction]:
    """Outputs of layers in rational arithmetic."""
    for layer in layers:
        pre = [
            sum((Fraction(w) * x for w, x in zip(row, point, strict=True)), Fraction(bias))
            for row, bias in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]
        point = [max(x, Fraction(0)) for x in pre] if layer.has_phases else pre
    return point


def numbers(generator: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Numbers of a dtype: any, dyadic ones, powers of two, or tiny and huge."""
    kind = generator.integers(4)
    values = {
        0: lambda: generator.standard_normal(shape),
        1: lambda: generator.integers(-8, 9, shape) / 4.0,
        2: lambda: 2.0 ** generator.integers(-3, 4, shape),
        3: lambda: generator.standard_normal(shape) * 10.0 ** generator.integers(-18, 18, shape),
    }[int(kind)]()
    return values.astype(dtype).astype(np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_weight_is_rounded_behind_a_matrix(dtype: str):
    generator = np.random.default_rng(0)
    folded = 0
    for _ in range(400):
        weight, bias, values = (numbers(generator, dtype, *s) for s in ((2, 3), (2,), (2,)))
        point = [Fraction(x) for x in numbers(generator, dtype, 3).tolist()]
        chain = Chain(3, dtype)
        chain.apply(weight)
        chain.add(bias)
        goal = exact((Layer(weight, bias),), point)
        if generator.random() < 0.5:
            chain.multiply(values)
            goal = [y * Fraction(v) for y, v in zip(goal, values.tolist(), strict=True)]
        else:
            chain.add(values)
            goal = [y + Fraction(v) for y, v in zip(goal, values.tolist(), strict=True)]
        layers = chain.layers()
        assert exact(layers, point) == goal
        for layer in layers:
            assert np.array_equal(layer.weight.astype(dtype), layer.weight)
            assert np.array_equal(layer.bias.astype(dtype), layer.bias)
        folded += len(layers) == 1
    assert 50 < folded < 350


def test_products_that_underflow_are_not_folded():
    chain = Chain(1, "float64")
    chain.apply(np.array([[1.1e-160]]))
    chain.multiply(np.array([1.3e-160]))
    assert len(chain.layers()) == 2


def test_a_division_is_folded_only_by_powers_of_two():
    for values, layers in (([2.0, 0.25], 1), ([3.0, 1.0], 2), ([0.1, 0.1], 2)):
        chain = Chain(2, "float64")
        chain.apply(np.array([[1.0, 2.0], [3.0, 4.0]]))
        chain.divide(np.array(values))
        assert len(chain.layers()) == layers


def test_rectifiers_in_a_row_are_one():
    chain = Chain(2, "float32")
    chain.rectify()
    chain.rectify()
    chain.multiply(np.ones(2))
    chain.rectify()
    [layer] = chain.layers()
    assert layer == Layer(np.eye(2), np.zeros(2), "relu")


def test_a_chain_without_steps_is_one_layer():
    assert Chain(2, "float32").layers() == (Layer(np.eye(2), np.zeros(2)),)


def test_matrices_in_a_row_stay_apart():
    chain = Chain(2, "float64")
    chain.apply(np.eye(2))
    chain.apply(np.eye(2))
    assert len(chain.layers()) == 2
