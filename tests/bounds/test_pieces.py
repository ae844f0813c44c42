"""Bounds on many boxes at once are true, and no looser than plain CROWN by much."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_case

from leo_opt.bounds import propagate
from leo_opt.bounds.pieces import bound_pieces
from leo_opt.domain import Box, Boxes
from leo_opt.network import Layer, Network


def random_pieces(generator: np.random.Generator, box: Box, count: int) -> Boxes:
    """Boxes inside a box, of all sizes, some of which are points in some inputs."""
    corners = np.sort(box.sample(2 * count, generator).reshape(2, count, -1), axis=0)
    lower, upper = corners
    stuck = generator.random(lower.shape) < 0.1
    return Boxes(lower, np.where(stuck, lower, upper))


def bound(network: Network, box: Box, pieces: Boxes) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Bounds of all layers on pieces of a box."""
    known = propagate(network, box, "interval")
    count = len(pieces)
    lower = [np.repeat(side[None, :], count, axis=0) for side in known.lower]
    upper = [np.repeat(side[None, :], count, axis=0) for side in known.upper]
    return bound_pieces(network, pieces, lower, upper)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_hold_on_every_piece(seed: int) -> None:
    generator = np.random.default_rng((110, seed))
    network, box = random_case(generator)
    box = box.spread(network.input_size)
    pieces = random_pieces(generator, box, 4)
    lower, upper = bound(network, box, pieces)
    for row in range(len(pieces)):
        ranges = exact_ranges(network, Box(pieces.lower[row], pieces.upper[row]))
        for layer, units in enumerate(ranges):
            for unit, (low, high) in enumerate(units):
                assert Fraction(lower[layer][row, unit]) <= low, (row, layer, unit)
                assert Fraction(upper[layer][row, unit]) >= high, (row, layer, unit)


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**30])
@pytest.mark.parametrize("seed", range(10))
def test_rounding_is_paid_for_on_cancelling_rows(seed: int, factor: float) -> None:
    generator = np.random.default_rng((111, seed))
    weight = generator.normal(size=(4, 3))
    twin = np.vstack([weight, weight])
    cancel = np.hstack([weight.T, -weight.T]) * factor
    network = Network(
        (
            Layer(twin, generator.normal(size=8) + 1e3, "relu"),
            Layer(cancel, np.zeros(3), "relu"),
            Layer(np.ones((1, 3)), [-(2.0**-60)], "linear"),
        )
    )
    box = Box(-1.0, 1.0).spread(3)
    pieces = random_pieces(generator, box, 3)
    lower, upper = bound(network, box, pieces)
    for row in range(3):
        ranges = exact_ranges(network, Box(pieces.lower[row], pieces.upper[row]))
        for layer, units in enumerate(ranges):
            for unit, (low, high) in enumerate(units):
                assert Fraction(lower[layer][row, unit]) <= low
                assert Fraction(upper[layer][row, unit]) >= high


def test_bounds_are_about_as_tight_as_crown() -> None:
    generator = np.random.default_rng(112)
    network = Network.from_arrays(
        [generator.normal(size=(20, 4)), generator.normal(size=(20, 20)) / 4, np.ones((1, 20))],
        [generator.normal(size=20), generator.normal(size=20), None],
    )
    box = Box(-1.0, 1.0).spread(4)
    pieces = random_pieces(generator, box, 16)
    lower, upper = bound(network, box, pieces)
    for row in range(16):
        alone = propagate(network, Box(pieces.lower[row], pieces.upper[row]))
        crosses = (lower[1][row] < 0.0) & (upper[1][row] > 0.0)
        truly = (alone.lower[1] < 0.0) & (alone.upper[1] > 0.0)
        assert crosses.sum() <= truly.sum() + 2
