"""Leaky units that are never positive, as linear units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from laws import check_draft

from leo_opt import Box, Network, classify
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, pass_slopes


@pytest.mark.parametrize("seed", range(4))
def test_the_slope_goes_into_the_column_and_its_rounding_counts(seed: int) -> None:
    """Pre-activations near -1e6 times what rounding a column does to it."""
    generator = np.random.default_rng(seed)
    network = Network.from_arrays(
        [generator.normal(size=(3, 2)), generator.normal(size=(2, 3))],
        [np.full(3, -1e6), np.zeros(2)],
        ["leaky-relu(0.1)", "linear"],
    )
    draft = Draft.begin(network, classify(network, Box(-1, 1), strategy="bounds"))
    passed = pass_slopes(draft, 0)
    assert passed.network.layers[0].activation == "linear"
    assert (passed.deviation > 0.0).all()
    check_draft(network, passed)


def test_a_unit_that_has_moved_since_may_be_positive_by_as_much() -> None:
    """It was 0 at first and is 0.001 now, for which the next layer has made up."""
    network = Network.from_arrays(
        [[[0.0]], [[2.0]]], [[0.0], [0.0]], ["leaky-relu(0.25)", "linear"]
    )
    draft = Draft.begin(network, classify(network, Box(-1, 1), strategy="bounds"))
    first, last = network.layers
    held = {"active": np.array([False]), "inactive": np.array([True])}
    moved = replace(
        draft,
        network=Network(
            (Layer(first.weight, [0.001], first.tags), Layer(last.weight, [-0.002], "linear"))
        ),
        units=(
            replace(draft.units[0], drift=np.array([1.1e-3]), **held),
            replace(draft.units[1], drift=np.array([1e-12])),
        ),
    )
    check_draft(network, moved)
    passed = pass_slopes(moved, 0)
    assert passed.network.layers[0].activation == "linear"
    assert passed.deviation[0] > 0.0015
    check_draft(network, passed)
