"""Networks that take maxima: trees over inputs, and random ones over few inputs."""

from __future__ import annotations

import numpy as np

from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import Levels
from leo_opt.formats.rounded import Rounded
from leo_opt.network import Layer, Network, Signature

TAGS = ("linear", "relu", "relu")


def exact(values: object) -> Rounded:
    return Rounded.exact(np.asarray(values, dtype=np.float64))


def pooled(generator: np.random.Generator, least: bool = False, rectified: bool = True) -> Network:
    """The largest, or least, of overlapping windows of units, as a tree."""
    levels, width = Levels(2), int(generator.integers(2, 5))
    weight = generator.integers(-4, 5, (width, 2)) / 2.0
    if generator.random() < 0.5:
        weight = generator.normal(size=(width, 2))
    columns = np.tile(np.arange(2), (width, 1))
    rows = Affine.matrix(columns, exact(weight)).behind(levels.inputs)[0]
    rows = rows.add(exact(generator.integers(-2, 3, width) / 4.0))
    values = levels.rectify(rows) if rectified else levels.linear_units(rows)
    if generator.random() < 0.3:
        values = values.multiply(exact(generator.normal(size=width)))
    join = levels.minimum if least else levels.maximum
    while len(values) > 1:
        length = len(values)
        step = 1 if generator.random() < 0.3 else 2
        left = np.arange(0, length - 1, step)
        pairs = join(values.take(left), values.take(left + 1))
        if step == 2 and length % 2:
            pairs = Affine.stacked([pairs, values.take(np.array([length - 1]))])
        values = pairs
    if generator.random() < 0.3:
        late = levels.rectify(levels.rectify(levels.inputs.take(np.array([0]))).add(exact([-0.5])))
        values = levels.add(values, late)
    return levels.network(values, Signature())


def tree(count: int, sign: float = 1.0) -> Network:
    """sign * the largest of sign * x for `count` inputs."""
    levels = Levels(count)
    values = levels.inputs
    while len(values) > 1:
        even, odd = (np.arange(k, len(values) - 1 + k, 2) for k in (0, 1))
        join = levels.maximum if sign > 0.0 else levels.minimum
        values = (
            Affine.stacked(
                [
                    join(values.take(even), values.take(odd)),
                    values.take(np.arange(2 * len(even), len(values))),
                ]
            )
            if len(values) % 2
            else join(values.take(even), values.take(odd))
        )
    return levels.network(values, Signature())


def late_largest() -> Network:
    """The larger of two inputs, carried past a layer in which a third one is rectified again."""
    first = Layer([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.zeros(3), TAGS)
    second = Layer(np.eye(3), [0.0, 0.0, -0.5], ("linear", "linear", "relu"))
    return Network((first, second, Layer([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.zeros(2))))
