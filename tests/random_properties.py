"""Random properties of small networks, and the exact truth about them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from oracle import exact_ranges

from leo_opt.domain import Box
from leo_opt.inequalities import Inequality
from leo_opt.network import Layer, Network
from leo_opt.properties import Case, Property

Rows = tuple[np.ndarray, np.ndarray]
"""Integer weight (rows, n_out) and dyadic right-hand sides (rows,): weight @ y <= bound."""


def random_rows(generator: np.random.Generator, network: Network, box: Box) -> Rows:
    """One to three inequalities, each of which holds at about half of the box."""
    count = int(generator.integers(1, 4))
    weight = generator.integers(-2, 3, size=(count, network.output_size)).astype(float)
    weight[np.arange(count), generator.integers(network.output_size, size=count)] = 1.0
    outputs = network(box.spread(network.input_size).sample(20, generator))
    levels = outputs @ weight.T
    bound = np.quantile(levels, generator.uniform(-0.2, 0.6) % 1.0, axis=0)
    low = levels.min(axis=0) - 0.2 * np.ptp(levels, axis=0)
    return weight, np.where(generator.random(count) < 0.6, low, bound)


def random_joint_rows(generator: np.random.Generator, network: Network, box: Box) -> Rows:
    """Inequalities over all inputs and outputs, as of a network that carries its inputs along.

    Some are equations of inputs, some leave no input, some join inputs and outputs.
    """
    count, size = int(generator.integers(1, 3)), network.input_size
    weight = np.zeros((count, network.output_size + size))
    weight[:, network.output_size :] = generator.integers(-2, 3, size=(count, size))
    weight[:, network.output_size] = 1.0
    if generator.random() < 0.3:
        weight[0, : network.output_size] = generator.integers(-1, 2, size=network.output_size)
    points = box.sample(30, generator)
    levels = np.hstack([network(points), points]) @ weight.T
    bound = np.round(64 * np.quantile(levels, generator.uniform(0.05, 0.9), axis=0)) / 64
    if generator.random() < 0.2:
        bound = levels.min(axis=0) - 0.3 * np.ptp(levels, axis=0)
    if generator.random() < 0.3:
        return np.vstack([weight, -weight[:1]]), np.append(bound, -bound[0])
    return weight, bound


def lowest_slack(network: Network, box: Box, rows: Rows) -> Fraction:
    """The least value that the largest slack weight @ y - bound takes on the box, exactly.

    max(a, b) = b + max(0, a - b), and b = max(0, b) - max(0, -b) passes a layer of rectifiers.
    """
    weight, bound = rows
    layers = [*network.layers, Layer(weight, -bound)]
    count = bound.size
    while count > 1:
        last = np.eye(count)[-1]
        top = [np.eye(count)[-2] - last, last, -last]
        others = [sign * np.eye(count)[k] for k in range(count - 2) for sign in (1.0, -1.0)]
        layers.append(Layer(np.array([*others, *top]), np.zeros(2 * count - 1), "relu"))
        back = np.zeros((count - 1, 2 * count - 1))
        for k in range(count - 2):
            back[k, 2 * k], back[k, 2 * k + 1] = 1.0, -1.0
        back[-1, -3:] = 1.0, 1.0, -1.0
        layers.append(Layer(back, np.zeros(count - 1)))
        count -= 1
    return exact_ranges(Network(tuple(layers)), box)[-1][0][0]


def make_property(
    network: Network,
    cases: Sequence[tuple[Box, Rows]],
    slack: Fraction = Fraction(0),
    strict: bool = False,
) -> Property:
    """A property whose cases are boxes with rows; `slack` is added to all right-hand sides.

    Columns beyond the outputs are those of inputs.
    """
    made = []
    names = [("Y", k) for k in range(network.output_size)]
    names += [("X", k) for k in range(network.input_size)]
    for box, (weight, bound) in cases:
        inequalities = tuple(
            Inequality(
                tuple(sorted((names[k], Fraction(float(row[k]))) for k in np.flatnonzero(row))),
                Fraction(float(end)) + slack,
                strict,
            )
            for row, end in zip(weight, bound, strict=True)
        )
        made.append(Case(box.spread(network.input_size), inequalities))
    return Property(network.input_size, network.output_size, tuple(made))
