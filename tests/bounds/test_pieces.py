"""Bounds on many boxes at once are true, and no looser than plain CROWN by much."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_case, random_network
from rationals import drifting, exact, exact_dot, random_ends
from scipy.sparse import csr_array
from seeds import seeds

from leo_opt.bounds import propagate
from leo_opt.bounds.crown import bound_rows
from leo_opt.bounds.pieces import (
    _affine,
    _chord,
    _Frame,
    _Functions,
    _intervals,
    _rectify,
    bound_pieces,
    boxes_at_once,
)
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


@pytest.mark.parametrize("seed", seeds(20, of=40))
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
@pytest.mark.parametrize("seed", range(4))
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


def test_sparse_weights_without_an_entry_are_bounded() -> None:
    """How many rows go at once is reckoned from the entries, of which there may be none."""
    none = Layer(csr_array((2, 1)), [1.0, -1.0], "relu")
    network = Network((none, Layer([[1.0, 1.0]], [-1.0], "relu"), Layer([[1.0]], [0.0])))
    wide = [np.full((1, 2), -3.0), np.full((1, 1), -3.0), np.full((1, 1), -3.0)]
    pieces = Boxes(np.zeros((1, 1)), np.ones((1, 1)))
    lower, upper = bound_pieces(network, pieces, wide, [-side for side in wide])
    assert lower[1][0, 0] <= 0.0 <= upper[1][0, 0]
    assert boxes_at_once(network) >= 1


def test_sparse_rows_are_bounded_on_several_boxes_as_dense_ones() -> None:
    generator = np.random.default_rng(113)
    network = random_network(generator, inputs=3, widths=(5, 4), outputs=2)
    box = Box(-1.0, 1.0).spread(3)
    pieces = random_pieces(generator, box, 3)
    lower, upper = bound(network, box, pieces)
    last = network.layers[2]
    known = network, pieces, lower[:2], upper[:2]
    dense = bound_rows(*known, last.weight, last.bias)
    sparse = bound_rows(*known, csr_array(last.weight), last.bias)
    assert dense[0].shape == (3, 2)
    assert np.allclose(dense, sparse, rtol=1e-12)


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


def test_the_chord_of_pieces_lies_above_a_unit() -> None:
    low, high = random_ends(np.random.default_rng(142), 2000)
    slope, lift = _chord(low, high)
    for least, most, steep, up in zip(*map(exact, (low, high, slope, lift)), strict=True):
        assert steep * least + up >= 0
        assert steep * most + up >= most


def random_functions(
    generator: np.random.Generator, units: int, boxes: Boxes, noise: float
) -> _Functions:
    shape = (units, *boxes.lower.shape[:1], boxes.lower.shape[1] + 1)
    middle, spread = generator.normal(size=(2, *shape))
    error = noise * generator.random(shape[:2])
    # The spread must not be negative on the box, as it never is.
    corner = np.maximum(np.abs(boxes.lower), np.abs(boxes.upper))
    spread[..., -1] = np.einsum("unk,nk->un", np.abs(spread[..., :-1]), corner) * 1.25
    return _Functions(middle, spread, error)


def values(functions: np.ndarray, point: np.ndarray) -> list[Fraction]:
    """Functions (n, k + 1) at one point, exactly."""
    return [exact_dot(row, np.append(point, 1.0)) for row in functions]


def test_ranges_of_long_functions() -> None:
    count = 2**12
    for scale in drifting(6):
        frame = _Frame.of(Boxes(np.full((1, count), scale / 3), np.full((1, count), scale)))
        functions = np.append(np.ones(count), 0.0)[None, None, :]
        low, high, _ = frame.range(functions)
        assert Fraction(float(low[0, 0])) <= count * Fraction(scale / 3)
        assert Fraction(float(high[0, 0])) >= count * Fraction(scale)


def test_long_layers_of_functions() -> None:
    count, point = 2**13, Fraction(1, 2)
    boxes = Boxes(np.full((1, 1), 0.5), np.full((1, 1), 0.5))
    for scale in drifting(6):
        middle, error = np.full((count, 1, 2), scale), np.zeros((count, 1))
        layer = Layer(np.full((1, count), 1 / 3), [0.0], "relu")
        after = _affine(layer, _Functions(middle, 0.0 * middle, error), _Frame.of(boxes))
        true = count * Fraction(1 / 3) * Fraction(scale) * (point + 1)
        (found,) = values(after.middle[:, 0], boxes.lower[0])
        assert abs(true - found) <= Fraction(float(after.error[0, 0]))


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-3])
def test_an_affine_layer_of_functions(noise: float) -> None:
    generator = np.random.default_rng(143)
    boxes = Boxes(np.array([[-0.7, 0.1]]), np.array([[0.3, 0.7]]))
    before = random_functions(generator, 3, boxes, noise)
    layer = Layer(generator.normal(size=(40, 3)), generator.normal(size=40), "relu")
    after, errors = _affine(layer, before, _Frame.of(boxes)), exact(before.error)
    for point in (boxes.lower[0], boxes.centres[0], boxes.upper[0]):
        middles, spreads = values(before.middle[:, 0], point), values(before.spread[:, 0], point)
        found = values(after.middle[:, 0], point), values(after.spread[:, 0], point)
        for unit, row in enumerate(layer.weight):
            terms = exact(row)
            middle = sum(map(Fraction.__mul__, terms, middles)) + exact(layer.bias)[unit]
            reach = sum(abs(w) * (d + e) for w, d, e in zip(terms, spreads, errors, strict=True))
            room = found[1][unit] + Fraction(float(after.error[unit, 0]))
            assert abs(middle - found[0][unit]) + reach <= room


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-3])
@pytest.mark.parametrize("seed", range(4))
def test_rectified_functions(seed: int, noise: float) -> None:
    generator = np.random.default_rng((144, seed))
    boxes = Boxes(np.array([[-0.7, 0.1]]), np.array([[0.3, 0.7]]))
    frame = _Frame.of(boxes)
    before = random_functions(generator, 60, boxes, noise)
    before.middle[:, 0, -1] *= 3.0
    low, high = _intervals(before, frame, np.full((1, 60), -np.inf), np.full((1, 60), np.inf))
    after = _rectify(before, frame, low.T, high.T, np.ones((len(low.T), 1), dtype=bool))
    for point in (boxes.lower[0], boxes.centres[0], boxes.upper[0]):
        parts = [values(part[:, 0], point) for part in (before.middle, before.spread)]
        found = [values(part[:, 0], point) for part in (after.middle, after.spread)]
        for unit in range(60):
            middle, reach = parts[0][unit], parts[1][unit] + Fraction(float(before.error[unit, 0]))
            room = found[1][unit] + Fraction(float(after.error[unit, 0]))
            assert max(middle + reach, 0) <= found[0][unit] + room
            assert max(middle - reach, 0) >= found[0][unit] - room
