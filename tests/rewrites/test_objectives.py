"""What a plan minimises."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability, make_stability
from oracle import exact_deviation
from random_networks import random_case
from scipy.sparse import csr_array

from leo_opt import Box, Network
from leo_opt.bounds import propagate
from leo_opt.compression import compress
from leo_opt.errors import InvalidInputError
from leo_opt.rewrites import OBJECTIVES


def test_numbers_are_counted_as_they_are_stored() -> None:
    weight = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]])
    for first, stored in ((weight, 6), (csr_array(weight), 3)):
        network = Network.from_arrays([first, [[1.0, 0.0]]], [[0.0, 5.0], [0.0]])
        counts = {name: count(network) for name, count in OBJECTIVES.items()}
        assert counts == {
            "units": 2,
            "parameters": stored + 2 + 2 + 1,
            "multiply-adds": stored + 2,
            "nonzeros": 3 + 1 + 1,
        }


@pytest.mark.parametrize("minimize", OBJECTIVES)
def test_no_plan_makes_more_of_what_it_minimises(minimize: str) -> None:
    for seed in range(12):
        network, box = random_case(np.random.default_rng(seed))
        stability = exact_stability(network, box)
        result = compress(network, stability, minimize=minimize)
        worst, allowed = exact_deviation(network, result.network, box), result.max_deviation
        assert all(a <= b for a, b in zip(worst, as_fractions(allowed), strict=True))
        count = OBJECTIVES[minimize]
        if len(result.network.layers) > 1:
            assert count(result.network) <= count(network)


def test_fewest_nonzeros_leaves_sparse_rows_alone() -> None:
    """Four active units with five inputs each would be three that read all twenty."""
    generator = np.random.default_rng(0)
    rows = np.vstack([np.kron(np.eye(4), np.ones((1, 5))), generator.normal(size=(1, 20))])
    network = Network.from_arrays(
        [rows, generator.normal(size=(3, 5))], [[9.0, 9.0, 9.0, 9.0, 0.0], None]
    )
    known = propagate(network, Box(-1, 1))
    stability = make_stability(network, known, known)
    least = {m: compress(network, stability, minimize=m).network for m in OBJECTIVES}
    for minimize, count in OBJECTIVES.items():
        assert count(least[minimize]) == min(map(count, least.values()))
    assert least["nonzeros"] == network
    assert least["units"].hidden_widths == (4,)


def test_an_unknown_objective_is_refused_with_those_that_are_known() -> None:
    network = Network.from_arrays([np.eye(2), np.eye(2)], [[0, 0], [0, 0]])
    with pytest.raises(InvalidInputError, match="nonzeros"):
        compress(network, exact_stability(network, Box(-1, 1)), minimize="zeros")
