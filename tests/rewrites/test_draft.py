"""What a network in the making takes for known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from exact_stability import make_stability
from laws import check_draft

from leo_opt import Box, Network, classify, compress
from leo_opt.bounds import propagate
from leo_opt.network import Layer
from leo_opt.rewrites import Draft


@pytest.mark.system
@pytest.mark.parametrize("low", [-0.05, -1e-12, -5e-324])
def test_a_unit_that_is_nearly_active_is_kept(low: float) -> None:
    network = Network.from_arrays([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    stability = classify(network, Box(low, 1.0))
    for certified_only in (False, True):
        result = compress(network, stability, certified_only=certified_only)
        assert len(result.network.layers) == 2
        assert result.network(np.array([low])).tolist() == [0.0]


def test_phases_that_bounds_of_the_network_as_it_is_prove_are_known() -> None:
    """A unit of the second layer is active, which intervals do not show."""
    network = Network.from_arrays(
        [[[1.0], [1.0], [0.1]], [[1.0, -1.0, 0.0], [1.0, -1.0, 1.0]], [[1.0, 0.3]]],
        [[1.0, 1.0, 0.5], [0.5, -0.45], [0.0]],
    )
    known = propagate(network, Box(-1, 1), "interval")
    draft = Draft.begin(network, make_stability(network, known, known))
    layers = list(network.layers)
    layers[0] = Layer(layers[0].weight, [1.0, 1.001, 0.5], "relu")
    noise = ("noise", np.empty(0, dtype=np.int64), 0)
    moved = replace(draft, network=Network(tuple(layers))).note(
        0, np.array([0, 1.001e-3, 0]), 0, noise
    )
    for before in (draft, moved):
        again = before.bound_again()
        check_draft(network, again)
        assert again.units[1].active[0]
        assert again.deviation.tolist() == before.deviation.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_what_a_layer_reads_of_leaky_units_has_their_rounding(seed: int) -> None:
    """A slope that is no power of two rounds; the exact products lie within."""
    generator = np.random.default_rng(seed)
    network = Network.from_arrays(
        [generator.normal(size=(20, 2)), np.ones((1, 20))],
        [np.full(20, -9.0), [0.0]],
        ["leaky-relu(0.1)", "linear"],
    )
    draft = Draft.begin(network, classify(network, Box(-1, 1), strategy="bounds"))
    ends = draft.units[0].interval
    read = draft.inputs_of(1)
    for unit in range(20):
        exact = [Fraction(0.1) * Fraction(float(end[unit])) for end in ends]
        assert Fraction(float(read[0][unit])) <= exact[0]
        assert exact[1] <= Fraction(float(read[1][unit]))
