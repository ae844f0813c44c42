"""The oracle against dense sampling and against one LP for each activation pattern."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from oracle import (
    cell_vertices,
    exact_deviation,
    exact_output,
    exact_pre_activations,
    exact_ranges,
)
from random_networks import random_box, random_case, random_network
from scipy.optimize import linprog
from seeds import seeds

from leo_opt import Box, Layer, Network
from leo_opt.weights import dense


@pytest.mark.parametrize("seed", seeds(20, of=60))
def test_ranges_hold_every_sample_and_are_attained_at_cell_vertices(seed: int) -> None:
    network, box = random_case(np.random.default_rng(seed))
    ranges = exact_ranges(network, box)
    points = box.sample(100, np.random.default_rng(seed)).tolist()
    samples = [exact_pre_activations(network, point) for point in points]
    corners = [exact_pre_activations(network, point) for point in cell_vertices(network, box)]
    for layer, units in enumerate(ranges):
        for unit, (low, high) in enumerate(units):
            assert all(low <= pres[layer][unit] <= high for pres in samples)
            attained = [pres[layer][unit] for pres in corners]
            assert (min(attained), max(attained)) == (low, high)


@pytest.mark.system
@pytest.mark.parametrize("seed", seeds(8, of=25))
def test_ranges_agree_with_an_lp_for_each_pattern(seed: int) -> None:
    generator = np.random.default_rng(seed)
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    widths = tuple(int(w) for w in generator.integers(1, 4, size=2))
    network = random_network(generator, box=box, widths=widths)
    expected = _ranges_by_patterns(network, box)
    for layer, units in enumerate(exact_ranges(network, box)):
        for unit, (low, high) in enumerate(units):
            found = np.array([float(low), float(high)])
            reach = 1.0 + np.abs(expected[layer][unit]).max()
            np.testing.assert_allclose(found, expected[layer][unit], atol=1e-6 * reach)


def _ranges_by_patterns(network: Network, box: Box) -> list[np.ndarray]:
    """Ranges by linear programs over all patterns, feasible or not; floating point throughout."""
    ranges = [np.tile([np.inf, -np.inf], (layer.n_out, 1)) for layer in network.layers]
    phased = [int(layer.phased.sum()) for layer in network.layers]
    for pattern in product([0.0, 1.0], repeat=sum(phased)):
        matrix, offset = np.eye(network.input_size), np.zeros(network.input_size)
        rows, limits, used = np.empty((0, network.input_size)), np.empty(0), 0
        for index, layer in enumerate(network.layers):
            matrix, offset = dense(layer.weight) @ matrix, layer.weight @ offset + layer.bias
            if not _extend(ranges[index], matrix, offset, rows, limits, box):
                break
            on = np.array(pattern[used : used + phased[index]])
            used += phased[index]
            if on.size:
                units = layer.phased
                sign = 1.0 - 2.0 * on
                scale = np.maximum(np.abs(matrix[units]).max(axis=1), 1e-300)
                rows = np.vstack([rows, (sign / scale)[:, None] * matrix[units]])
                limits = np.append(limits, -sign / scale * offset[units])
                passed = np.ones(layer.n_out)
                passed[units] = on
                matrix, offset = passed[:, None] * matrix, passed * offset
    return ranges


def _extend(ranges, matrix, offset, rows, limits, box: Box) -> bool:
    """Enlarge the ranges by the extremes of an affine map; False where the pattern is empty."""
    ends = list(zip(box.lower, box.upper, strict=True))
    for unit in range(len(offset)):
        for side, sign in enumerate((1.0, -1.0)):
            scale = np.abs(matrix[unit]).max() or 1.0
            result = linprog(sign * matrix[unit] / scale, rows, limits, bounds=ends)
            if result.status != 0:
                return False
            value = sign * result.fun * scale + offset[unit]
            ranges[unit, side] = sign * min(sign * ranges[unit, side], sign * value)
    return True


@pytest.mark.parametrize("seed", seeds(12, of=40))
def test_deviation_is_zero_only_for_equal_functions_and_bounds_samples(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    assert exact_deviation(network, network, box) == [0] * network.output_size
    other = random_network(generator, box=box, outputs=network.output_size)
    worst = exact_deviation(network, other, box)
    points = [*box.sample(50, generator).tolist(), *cell_vertices(other, box)]
    for point in points:
        pairs = zip(exact_output(network, point), exact_output(other, point), strict=True)
        assert all(abs(a - b) <= limit for (a, b), limit in zip(pairs, worst, strict=True))


def test_a_known_network() -> None:
    """|x| - |y| as four rectifiers, and a unit that is zero throughout."""
    first = Layer([[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0]], np.zeros(5), "relu")
    network = Network((first, Layer([[1, 1, -1, -1, 7]], [0.5])))
    ranges = exact_ranges(network, Box([-1.0, -3.0], [2.0, 1.0]))
    assert ranges[1] == [(Fraction(-5, 2), Fraction(5, 2))]
    assert ranges[0][4] == (0, 0)
    assert exact_ranges(network, Box([2.0, -1.0], [2.0, -1.0]))[1] == [(Fraction(3, 2),) * 2]


@pytest.mark.system
def test_random_networks_show_every_special_case() -> None:
    tally: Counter[str] = Counter()
    for seed in range(400):
        generator = np.random.default_rng(seed)
        network = random_network(generator)
        box = random_box(generator, network.input_size)
        tally["linear inside"] += any(not k.has_phases for k in network.layers[:-1])
        tally["relu output"] += network.layers[-1].has_phases
        tally["no hidden layer"] += not network.hidden_layers
        tally["one-unit layer"] += 1 in network.hidden_widths
        tally["stuck input"] += bool((box.lower == box.upper).any())
        ranges = exact_ranges(network, box)
        for layer in network.hidden_layers:
            weight = dense(network.layers[layer].weight)
            lows, highs = zip(*ranges[layer], strict=True)
            tally["inactive"] += (inactive := sum(high <= 0 for high in highs))
            tally["active"] += (active := sum(low >= 0 < high for low, high in ranges[layer]))
            tally["unstable"] += len(lows) - inactive - active
            tally["tie"] += sum((low == 0) != (high == 0) for low, high in ranges[layer])
            tally["constant"] += sum(low == high for low, high in ranges[layer])
            tally["layer active"] += active == len(lows)
            tally["layer inactive"] += inactive == len(lows)
            tally["zero row"] += not weight.any(axis=1).all()
            tally["zero column"] += not weight.any(axis=0).all()
            tally["dependent"] += np.linalg.matrix_rank(weight) < len(weight)
            reach = [float(max(abs(low), abs(high))) for low, high in ranges[layer]]
            tally["tiny"] += any(0 < r < 1e-5 for r in reach)
            tally["huge"] += any(r > 1e5 for r in reach)
    print(dict(tally))
    assert min(tally.values()) >= 15
    assert len(tally) == 17
    assert tally["unstable"] > 400
