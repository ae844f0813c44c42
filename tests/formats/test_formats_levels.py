"""`Levels`: the network is the graph, in rationals, within the rounding that it states."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from oracle import exact_output

from leo_opt.bounds import propagate
from leo_opt.deviation import reading_deviation
from leo_opt.domain import Box
from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import Levels
from leo_opt.formats.rounded import Rounded
from leo_opt.network import Signature

Vector = list[Fraction]
WIDTH = 3


def rational(values: np.ndarray) -> Vector:
    return [Fraction(value) for value in values.tolist()]


class Graph:
    """Random operations, given to `Levels` and done in rationals at some points."""

    def __init__(self, generator: np.random.Generator, points: list[Vector]) -> None:
        self.generator, self.levels = generator, Levels(WIDTH)
        self.made: list[tuple[Affine, list[Vector]]] = [(self.levels.inputs, points)]

    def draw(self, *shape: int) -> np.ndarray:
        if self.generator.random() < 0.4:
            return self.generator.integers(-4, 5, shape) / 2.0
        return self.generator.standard_normal(shape)

    def pick(self) -> tuple[Affine, list[Vector]]:
        return self.made[self.generator.integers(max(0, len(self.made) - 3), len(self.made))]

    def step(self) -> None:
        levels, numbers = self.levels, self.draw(WIDTH)
        (a, x), (b, y) = self.pick(), self.pick()
        exact, known = Rounded.exact(numbers), rational(numbers)
        weight = self.draw(WIDTH, WIDTH)
        rows = [rational(row) for row in weight]
        matrix = Affine.matrix(np.tile(np.arange(WIDTH), (WIDTH, 1)), Rounded.exact(weight))
        zero = Fraction(0)
        operations = [
            (
                lambda: levels.apply(matrix, a),
                lambda p, q: [sum(w * v for w, v in zip(row, p, strict=True)) for row in rows],
            ),
            (lambda: a.add(exact), lambda p, q: [v + n for v, n in zip(p, known, strict=True)]),
            (
                lambda: a.multiply(exact),
                lambda p, q: [v * n for v, n in zip(p, known, strict=True)],
            ),
            (lambda: levels.add(a, b), lambda p, q: [v + w for v, w in zip(p, q, strict=True)]),
            (lambda: levels.rectify(a), lambda p, q: [max(v, zero) for v in p]),
            (
                lambda: levels.leak(a, numbers),
                lambda p, q: [v if v > 0 else n * v for v, n in zip(p, known, strict=True)],
            ),
            (lambda: levels.maximum(a, b), lambda p, q: list(map(max, p, q))),
            (lambda: levels.minimum(a, b), lambda p, q: list(map(min, p, q))),
        ]
        make, function = operations[self.generator.integers(len(operations))]
        self.made.append((make(), [function(p, q) for p, q in zip(x, y, strict=True)]))


@pytest.mark.system
def test_a_network_is_its_graph_within_the_deviation_of_reading():
    generator = np.random.default_rng(0)
    rounded = 0
    for _ in range(120):
        inputs = generator.uniform(-1, 1, (3, WIDTH))
        graph = Graph(generator, [rational(point) for point in inputs])
        for _ in range(generator.integers(1, 7)):
            graph.step()
        values, wanted = graph.made[-1]
        network = graph.levels.network(values, Signature())
        limits = rational(reading_deviation(network, propagate(network, Box(-1, 1))))
        rounded += bool(network.rounding)
        for point, want in zip(inputs, wanted, strict=True):
            given = exact_output(network, rational(point))
            for actual, expected, limit in zip(given, want, limits, strict=True):
                assert abs(actual - expected) <= limit
    assert 15 < rounded < 110


def test_what_is_rectified_twice_is_one_unit_unless_it_may_have_become_negative():
    for shift, units in ((0.5, 1), (-0.5, 2)):
        levels = Levels(1)
        first = levels.rectify(levels.inputs)
        moved = first.add(Rounded.exact(np.array([shift])))
        network = levels.network(levels.rectify(moved), Signature())
        assert sum(layer.phased.sum() for layer in network.layers) == units
        assert network(np.array([-1.0])).tolist() == [max(shift, 0.0)]
    linear = Levels(1)
    kept = linear.linear_units(linear.inputs.multiply(Rounded.exact(np.array([2.0]))))
    assert linear.network(linear.rectify(kept), Signature())(np.array([-1.0])).tolist() == [0.0]


def test_sums_of_weights_are_not_rounded_where_units_can_stand_for_one():
    levels = Levels(1)
    twice = levels.inputs.take(np.array([0, 0]))
    scaled = twice.multiply(Rounded.exact(np.array([1.0, 1e-30])))
    row = Affine.matrix(np.array([[0, 1]]), Rounded.exact(np.ones((1, 2))))
    network = levels.network(levels.apply(row, scaled), Signature())
    assert network.rounding == ()
    weights = reduce(np.matmul, [np.asarray(layer.weight) for layer in network.layers[::-1]])
    assert weights.shape == (1, 1)
    assert exact_output(network, [Fraction(1)]) == [1 + Fraction(1e-30)]
