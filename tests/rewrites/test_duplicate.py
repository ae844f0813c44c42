"""Which units count as multiples of each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from exact_stability import exact_stability
from laws import check_draft, check_step

from leo_opt import Box, Network
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, merge_duplicates
from leo_opt.rewrites.duplicate import scaled


def test_units_of_different_activations_are_not_merged() -> None:
    layer = Layer(np.ones((4, 2)), np.zeros(4), ["relu", "linear", "relu", "linear"])
    network = Network((layer, Layer(np.ones((1, 4)), [0.0])))
    merged = merge_duplicates(Draft.begin(network, exact_stability(network, Box(-1, 1))), 0)
    assert merged.network.layers[0].tags == ("relu", "linear")
    assert merged.network.layers[1].weight.tolist() == [[2.0, 2.0]]


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


def test_the_rounding_of_a_product_is_on_the_safe_side() -> None:
    generator = np.random.default_rng(4)
    for rounding, largest in generator.random((200, 2)):
        bound = float(scaled(np.array([rounding]), largest)[0])
        assert Fraction(bound) >= Fraction(rounding) * Fraction(largest)


def test_the_roundings_of_several_groups_add_up() -> None:
    weight, bias = [[1.0], [3.0], [1.0], [3.0]], [0.0, 0.0, 1.0, 3.0]
    network = Network.from_arrays([weight, [[1.0, 0.1, 1.0, 0.1]]], [bias, [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    merged = merge_duplicates(draft, 0)
    assert merged.units[0].index.tolist() == [0, 2]
    check_step(draft, merged)


def test_rectifiers_of_opposite_rows_are_no_duplicates_and_linear_units_are() -> None:
    for tag, left in (("relu", 3), ("linear", 2)):
        layer = Layer([[1.0], [-1.0], [1.0]], [0.5, -0.5, 0.25], [tag, tag, "relu"])
        network = Network((layer, Layer([[1.0, 0.25, 1.0]], [0.0])))
        merged = merge_duplicates(Draft.begin(network, exact_stability(network, Box(-1, 1))), 0)
        assert merged.network.layers[0].n_out == left
        check_draft(network, merged)
