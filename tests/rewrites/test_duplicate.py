"""Which units count as multiples of each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step
from scipy.sparse import csr_array

from leo_opt import Box, Network
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, merge_duplicates
from leo_opt.rewrites.duplicate import _times, proportional_rows


@pytest.mark.parametrize("seed", range(20))
def test_exact_positive_multiples_are_found(seed: int) -> None:
    generator = np.random.default_rng(seed)
    base = generator.integers(-9, 10, size=(3, 4)) + 20.0 * np.eye(3, 4)
    sources = generator.integers(3, size=8)
    factors = generator.choice([1.0, 2.0, 3.0, 7.0, 0.25], size=8)
    rows = factors[:, None] * base[sources]
    groups = proportional_rows(Layer(rows[:, :-1], rows[:, -1], "relu"))
    found = {unit: other for other, units in groups.items() for unit in units}
    for unit in range(8):
        first = int(np.flatnonzero(sources == sources[unit])[0])
        assert found.get(unit, unit) == first
        if unit != first:
            ratio = Fraction(factors[unit]) / Fraction(factors[first])
            assert groups[first][unit] == ratio


def test_what_is_nearly_or_negatively_proportional_is_not() -> None:
    row = np.array([0.1, 0.7, -0.3])
    rows = np.array([row, 3.0 * row, -row, 2.0 * row, np.zeros(3), np.zeros(3)])
    # Three times these numbers is rounded, twice is not.
    assert Fraction(3) * Fraction(0.1) != Fraction(float(rows[1, 0]))
    for layer in (Layer(rows, np.zeros(6), "relu"), Layer(csr_array(rows), np.zeros(6), "relu")):
        assert proportional_rows(layer) == {0: {3: Fraction(2)}}


def test_units_of_different_activations_are_not_merged() -> None:
    layer = Layer(np.ones((4, 2)), np.zeros(4), ["relu", "linear", "relu", "linear"])
    assert proportional_rows(layer) == {0: {2: Fraction(1)}, 1: {3: Fraction(1)}}


def test_unstable_units_are_merged_with_their_biases() -> None:
    weight = np.array([[1.0, -2.0], [3.0, -6.0], [1.0, -2.0], [2.0, 1.0]])
    network = Network.from_arrays([weight, [[1.0, 0.1, 5.0, -1.0]]], [[0.5, 1.5, 0.25, 0.0], [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    merged = merge_duplicates(draft, 0)
    check_step(draft, merged)
    check_draft(network, merged)
    assert merged.units[0].index.tolist() == [0, 2, 3]
    assert merged.network.layers[1].weight[0, 0] == float(1 + 3 * Fraction(0.1))
    assert merged.deviation[0] < 1e-15
    assert merge_duplicates(merged, 0) is merged


def test_rows_that_are_multiples_only_once_rounded_are_not_merged() -> None:
    """Their quotients are equal floats, so that only rationals tell them from multiples."""
    tried = 0
    for value in np.random.default_rng(3).random(400):
        rounded = 3.0 * value
        if rounded / 3.0 == value and Fraction(rounded) != 3 * Fraction(value):
            tried += 1
            assert not proportional_rows(Layer([[1.0, value], [3.0, rounded]], [0.0, 0.0], "relu"))
    assert tried > 20


def test_the_rounding_of_a_product_is_on_the_safe_side() -> None:
    generator = np.random.default_rng(4)
    for rounding, largest in generator.random((200, 2)):
        bound = float(_times(np.array([rounding]), largest)[0])
        assert Fraction(bound) >= Fraction(rounding) * Fraction(largest)


def test_the_roundings_of_several_groups_add_up() -> None:
    weight, bias = [[1.0], [3.0], [1.0], [3.0]], [0.0, 0.0, 1.0, 3.0]
    network = Network.from_arrays([weight, [[1.0, 0.1, 1.0, 0.1]]], [bias, [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    merged = merge_duplicates(draft, 0)
    assert merged.units[0].index.tolist() == [0, 2]
    check_step(draft, merged)
