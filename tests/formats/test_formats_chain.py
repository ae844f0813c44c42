"""`Chain`: the network is the steps, within the rounding that it states, and no layer is idle."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import pytest
from oracle import exact_output

from leo_opt.bounds import propagate
from leo_opt.deviation import reading_deviation
from leo_opt.domain import Box
from leo_opt.formats.chain import Chain, normalised
from leo_opt.network import Layer, Signature

Vector = list[Fraction]
DTYPES = ("float32", "float64")


def normalise(chain: Chain, *numbers: Any) -> None:
    """x -> scale * (x - mean) / sqrt(variance + epsilon) + shift."""
    chain.values = normalised(chain.values, *numbers)


def numbers(generator: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Numbers of a dtype: any, dyadic ones, powers of two, or of very different sizes."""
    kind = generator.integers(4)
    values = {
        0: lambda: generator.standard_normal(shape),
        1: lambda: generator.integers(-8, 9, shape) / 4.0,
        2: lambda: 2.0 ** generator.integers(-3, 4, shape),
        3: lambda: generator.standard_normal(shape) * 10.0 ** generator.integers(-8, 8, shape),
    }[int(kind)]()
    return values.astype(dtype).astype(np.float64)


def rationals(values: np.ndarray) -> Vector:
    return [Fraction(value) for value in values.tolist()]


def root(value: Fraction) -> Fraction:
    """A square root to 60 digits more than float64 has."""
    scale = 10**80
    return Fraction(isqrt(int(value * scale**2)), scale)


class Steps:
    """Random steps, given to a chain and kept as functions of rational vectors."""

    def __init__(self, generator: np.random.Generator, dtype: str, width: int) -> None:
        self.generator, self.dtype = generator, dtype
        self.chain = Chain(width)
        self.functions: list = []

    def draw(self, *shape: int) -> np.ndarray:
        return numbers(self.generator, self.dtype, *shape)

    def matrix(self) -> None:
        weight = self.draw(int(self.generator.integers(1, 4)), self.chain.width)
        factor = float(self.generator.choice([1.0, np.float32(0.3), 2.0]))
        self.chain.apply(weight, factor)
        rows = [rationals(row) for row in weight]
        self.functions.append(
            lambda x: [
                Fraction(factor) * sum(w * v for w, v in zip(r, x, strict=True)) for r in rows
            ]
        )

    def elementwise(self) -> None:
        values = self.draw(self.chain.width)
        kind = self.generator.integers(4)
        if kind == 0:
            self.chain.add(values, 0.3)
            self.functions.append(
                lambda x: [a + Fraction(0.3) * Fraction(v) for a, v in zip(x, values, strict=True)]
            )
        elif kind == 1:
            self.chain.multiply(values)
            self.functions.append(
                lambda x: [a * Fraction(v) for a, v in zip(x, values, strict=True)]
            )
        elif kind == 2:
            values = np.where(values == 0.0, 3.0, values)
            self.chain.divide(values)
            self.functions.append(
                lambda x: [a / Fraction(v) for a, v in zip(x, values, strict=True)]
            )
        else:
            self.normalise()

    def normalise(self) -> None:
        scale, shift, mean = (self.draw(self.chain.width) for _ in range(3))
        variance, epsilon = np.abs(self.draw(self.chain.width)), 1e-5
        normalise(self.chain, scale, shift, mean, variance, epsilon)
        roots = [root(Fraction(v) + Fraction(epsilon)) for v in variance]
        parts = list(zip(rationals(scale), rationals(mean), roots, rationals(shift), strict=True))
        self.functions.append(
            lambda x: [s * (a - m) / r + t for a, (s, m, r, t) in zip(x, parts, strict=True)]
        )

    def rectify(self) -> None:
        self.chain.rectify()
        self.functions.append(lambda x: [max(a, Fraction(0)) for a in x])

    def __call__(self, point: Vector) -> Vector:
        for function in self.functions:
            point = function(point)
        return point


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_is_its_steps_within_the_deviation_of_reading(dtype: str):
    generator = np.random.default_rng(DTYPES.index(dtype))
    tight = rounded = 0
    for _ in range(150):
        steps = Steps(generator, dtype, 2)
        for _ in range(generator.integers(1, 7)):
            draw = (steps.matrix, steps.elementwise, steps.elementwise, steps.rectify)
            draw[generator.integers(4)]()
        network = steps.chain.network(Signature())
        bound = reading_deviation(network, propagate(network, Box(-1, 1)))
        rounded += bool(network.rounding)
        for point in generator.uniform(-1, 1, (4, 2)):
            meant, actual = steps(rationals(point)), exact_output(network, rationals(point))
            for want, have, limit in zip(meant, actual, bound, strict=True):
                missed = abs(want - have)
                assert missed <= Fraction(limit)
                tight += 100 * missed > Fraction(limit) > 0
    assert rounded > 50
    assert tight > 50  # The bound is no mere large number.


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_rounded_has_no_deviation(dtype: str):
    generator = np.random.default_rng(0)
    for _ in range(50):
        chain = Chain(3)
        chain.multiply(2.0 ** generator.integers(-3, 4, 3))
        chain.add(generator.integers(-8, 9, 3) / 4.0)
        chain.apply(generator.integers(-8, 9, (2, 3)) / 4.0)
        chain.add(numbers(generator, dtype, 2) * 0.0 + 1.5)
        chain.divide(np.array([2.0, 0.25]))
        network = chain.network(Signature())
        assert network.rounding == ()
        assert not reading_deviation(network, propagate(network, Box(0, 1))).any()


def test_every_rounding_that_counts_is_counted():
    """Each step alone, with numbers that must be rounded: the bound is not 0."""
    third, weight = np.array([1.0 / 3.0, 3.0]), np.array([[0.1, 0.7], [0.3, -0.9]])
    cases = {
        "factor": lambda chain: chain.apply(weight, 0.3),
        "quotient": lambda chain: chain.divide(np.array([3.0, 7.0])),
        "product": lambda chain: chain.multiply(third),
        "sum": lambda chain: chain.add(np.array([1e-17, 0.3])),
        "root": lambda chain: normalise(chain, third, third, third, third, 1e-3),
    }
    for name, step in cases.items():
        before, behind = Chain(2), Chain(2)
        before.apply(weight)
        before.add(np.array([0.1, 0.2]))
        step(before)
        step(behind)
        behind.apply(weight)
        for chain in (before, behind):
            if chain is behind and name in ("sum", "factor"):
                continue
            network = chain.network(Signature())
            assert reading_deviation(network, propagate(network, Box(-1, 1))).any(), name


def test_steps_on_either_side_of_a_matrix_leave_one_layer():
    for behind_rectifier in (False, True):
        chain = Chain(2)
        if behind_rectifier:
            chain.apply(np.array([[1.0, 2.0], [3.0, 4.0]]))
            chain.rectify()
        chain.add(np.array([0.1, 0.2]))
        chain.divide(np.array([0.3, 3.0]))
        normalise(chain, *(np.array([0.3, 0.7]) for _ in range(4)), 1e-5)
        chain.apply(np.array([[1.0, 2.0], [3.0, 4.0]]))
        chain.multiply(np.array([0.3, 0.7]))
        chain.add(np.array([0.1, 0.1]))
        assert len(chain.network(Signature()).layers) == 1 + behind_rectifier


def test_rectifiers_in_a_row_are_one():
    chain = Chain(2)
    chain.rectify()
    chain.rectify()
    chain.multiply(np.ones(2))
    chain.rectify()
    [layer] = chain.network(Signature()).layers
    assert layer == Layer(np.eye(2), np.zeros(2), "relu")


def test_a_rectifier_behind_steps_that_keep_signs_is_none_and_one_that_acts_stays():
    for scale, shift, layers in ((0.3, 0.0, 2), (0.3, 0.1, 2), (-0.3, 0.0, 3), (0.3, -0.1, 3)):
        chain = Chain(2)
        chain.rectify()
        chain.multiply(np.full(2, scale))
        chain.add(np.full(2, shift))
        chain.rectify()
        chain.apply(np.eye(2))
        network = chain.network(Signature())
        assert len(network.layers) == layers
        want = np.maximum(scale * np.array([1.0, 0.0]) + shift, 0.0)
        assert np.allclose(network([1.0, -1.0]), want)


def test_a_chain_without_steps_is_one_layer():
    assert Chain(2).network(Signature()).layers == (Layer(np.eye(2), np.zeros(2)),)


def test_matrices_in_a_row_stay_apart():
    chain = Chain(2)
    chain.apply(np.eye(2))
    chain.apply(np.eye(2))
    assert len(chain.network(Signature()).layers) == 2
