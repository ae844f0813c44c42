"""Constant units, outputs and networks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from exact_stability import exact_stability
from laws import check_draft

from leo_opt import Box, Network, Signature
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, delete_inactive, fold_constants, fold_outputs


def begin(network: Network, box: Box, *, loose: bool = True) -> Draft:
    return Draft.begin(network, exact_stability(network, box, loose=loose))


def test_a_unit_without_weights_goes_into_the_next_bias() -> None:
    network = Network.from_arrays([[[0.0], [1.0]], [[0.1, 1.0]]], [[3.0, 0.0], [0.2]])
    folded = fold_constants(begin(network, Box(-1, 1)), 0)
    check_draft(network, folded)
    assert folded.units[0].index.tolist() == [1]
    assert folded.network.layers[1].bias[0] == float(Fraction(0.2) + 3 * Fraction(0.1))
    assert 0.0 < folded.deviation[0] < 1e-16


def test_a_unit_that_reads_only_inputs_that_cannot_vary_is_constant() -> None:
    network = Network.from_arrays([[[0.5, 0.0], [1.0, 1.0]], [[2.0, 1.0]]], [[1.0, 0.0], [0.0]])
    draft = begin(network, Box([3.0, -1.0], [3.0, 1.0]))
    folded = fold_constants(draft, 0)
    check_draft(network, folded)
    assert folded.units[0].index.tolist() == [1]
    assert folded.network.layers[1].bias.tolist() == [5.0]
    assert folded.deviation.tolist() == [0.0]


def test_the_certified_interval_of_a_point_makes_a_constant_and_the_trusted_does_not() -> None:
    """max(0, x) - max(0, x) + 1 is 1, which interval arithmetic does not see."""
    network = Network.from_arrays(
        [[[1.0], [1.0]], [[1.0, -1.0]], [[2.0]]], [[0.0, 0.0], [1.0], [0.0]]
    )
    assert fold_constants(begin(network, Box(-1, 1)), 1).last == 2
    folded = fold_constants(begin(network, Box(-1, 1), loose=False), 1)
    assert folded.network == Network.from_arrays([[[0.0]]], [[2.0]])
    check_draft(network, folded)


def test_a_unit_that_has_moved_since_is_off_by_as_much() -> None:
    """It is taken for the 1 that it was, where the next layer has made up for its being 1.001."""
    network = Network.from_arrays(
        [[[1.0], [1.0]], [[1.0, -1.0], [1.0, 1.0]], [[2.0, 1.0]]],
        [[0.0, 0.0], [1.0, 0.0], [0.0]],
    )
    draft = begin(network, Box(-1, 1), loose=False)
    first, second, last = network.layers
    moved = replace(
        draft,
        network=Network(
            (
                first,
                Layer(second.weight, [1.001, 0.0], "relu"),
                Layer(last.weight, [-0.002], "linear"),
            )
        ),
        units=(
            draft.units[0],
            replace(draft.units[1], drift=np.array([1.1e-3, 0.0])),
            replace(draft.units[2], drift=np.array([1e-12])),
        ),
    )
    check_draft(network, moved)
    folded = fold_constants(moved, 1)
    assert folded.units[1].index.tolist() == [1]
    assert folded.deviation[0] > 0.002
    check_draft(network, folded)


def test_a_layer_that_loses_all_units_leaves_a_constant_network() -> None:
    network = Network(
        Network.from_arrays(
            [-np.ones((2, 3)), [[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.1, 0.2]]],
            [[-0.5, 0.0], [0.1, -7.0], [0.25, 0.1]],
        ).layers,
        Signature(input_name="pixels"),
    )
    gone = delete_inactive(begin(network, Box(0, 1)), 0)
    check_draft(network, gone)
    assert gone.network.signature.input_name == "pixels"
    (layer,) = gone.network.layers
    assert not layer.weight.any()
    assert layer.activation == "linear"
    assert layer.bias.tolist() == [0.35, float(Fraction(0.1) * Fraction(0.1) + Fraction(0.1))]
    assert gone.units[0].index.tolist() == [0, 1]
    assert gone.origin == (2,)


def test_outputs_that_do_not_vary_lose_their_weights_and_stay() -> None:
    network = Network.from_arrays(
        [[[1.0]], [[-1.0], [1.0]]], [[1.0], [-0.5, 0.5]], ["relu", "relu"]
    )
    folded = fold_outputs(begin(network, Box(-1, 1)))
    check_draft(network, folded)
    assert folded.network.layers[1].weight.tolist() == [[0.0], [1.0]]
    assert fold_outputs(folded) is folded
    constant = Network.from_arrays([[[1.0]], [[-1.0]]], [[1.0], [-0.5]], ["relu", "relu"])
    folded = fold_outputs(fold_outputs(begin(constant, Box(-1, 1))))
    check_draft(constant, folded)
    assert folded.network == Network.from_arrays([[[0.0]]], [[0.0]])
    assert fold_outputs(folded) is folded


def test_constants_beyond_float64_are_left_alone() -> None:
    network = Network.from_arrays([[[0.0], [1.0]], [[1e200, 1.0]]], [[1e200, 0.0], [0.0]])
    draft = begin(network, Box(-1, 1))
    assert fold_constants(draft, 0) is draft
