"""Pairs of opposite units."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step
from random_networks import opposite_case
from seeds import seeds

from leo_opt import Box, Network, Signature
from leo_opt.compression import compress
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, merge_opposites, part_opposites


def begin(network: Network) -> Draft:
    return Draft.begin(network, exact_stability(network, Box(-1, 1)))


def test_a_pair_whose_rectified_column_vanishes_becomes_a_linear_unit() -> None:
    rows = [[1.0, -2.0], [-3.0, 6.0], [1.0, 1.0]]
    network = Network.from_arrays(
        [rows, [[3.0, -1.0, 2.0], [6.0, -2.0, 0.0]]], [[0.5, -1.5, 0], None]
    )
    draft = begin(network)
    merged = merge_opposites(draft, 0)
    check_step(draft, merged)
    check_draft(network, merged)
    assert merged.network.layers[0].tags == ("linear", "relu")
    assert merged.network.layers[0].weight.tolist() == [[-3.0, 6.0], [1.0, 1.0]]
    assert merged.deviation.tolist() == [0.0, 0.0]
    assert merge_opposites(merged, 0) is merged


def test_a_pair_that_leaves_a_rectifier_is_parted_only_where_that_saves_units() -> None:
    pair = [[1.0, -2.0], [-1.0, 2.0]]
    alone = Network.from_arrays([pair, np.eye(2)], [[0.5, -0.5], None])
    assert merge_opposites(begin(alone), 0).network == alone
    parted = part_opposites(begin(alone), 0)
    assert parted.network.layers[0].tags == ("relu", "linear")
    assert parted.network.layers[1].weight.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    check_draft(alone, parted)
    assert compress(alone, exact_stability(alone, Box(-1, 1))).network == alone
    # Three pairs of which one output reads: three rectifiers and one linear unit.
    generator = np.random.default_rng(0)
    rows = generator.integers(-3, 4, size=(3, 5)) * 1.0
    many = Network.from_arrays(
        [np.vstack([rows, -2.0 * rows]), generator.integers(1, 5, size=(1, 6)) * 1.0],
        [np.append([0.5, 0.5, 0.25], [-1.0, -1.0, -0.5]), None],
    )
    smaller = compress(many, exact_stability(many, Box(-1, 1)))
    assert sorted(smaller.network.layers[0].tags) == ["linear", "relu", "relu", "relu"]


def test_a_column_that_is_rounded_to_nothing_is_not_nothing() -> None:
    """A third of the smallest number is 0 only once it is rounded."""
    network = Network.from_arrays([[[3.0], [-1.0]], [[0.0, 5e-324]]], [None, None])
    draft = begin(network)
    merged = merge_opposites(draft, 0)
    check_draft(network, merged)
    assert merged is draft


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_that_cancel_up_to_rounding_leave_no_rectifier(dtype: str) -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        row = generator.normal(size=4) * [1.0, 1.0, 1.0, 0.1]
        up, down = generator.uniform(0.3, 3.0), -generator.uniform(0.3, 3.0)
        arrays = [np.vstack([up * row, down * row]), np.array([[1 / up, 1 / down]])]
        weight, outgoing = (part.astype(dtype).astype(np.float64) for part in arrays)
        layers = (
            Layer(weight[:, :-1], weight[:, -1], "relu"),
            Layer(outgoing, [0.25], "relu"),
        )
        network = Network(layers, Signature(dtype=dtype))
        merged = merge_opposites(begin(network), 0)
        assert merged.network.layers[0].tags == ("linear",)
        check_draft(network, merged)
        roundoff = 2.0**-24 if dtype == "float32" else 2.0**-53
        assert 0.0 < merged.deviation[0] < 20.0 * roundoff * np.abs(row).sum()
        # What is more than rounding is a rectifier that stays.
        outgoing[0, 0] *= 1.0 + 256.0 * roundoff
        other = Network((layers[0], Layer(outgoing, [0.25], "relu")), network.signature)
        assert merge_opposites(begin(other), 0).network == other


@pytest.mark.parametrize("chunk", seeds(1, of=100))
def test_the_law_on_random_networks_with_opposite_rows(chunk: int) -> None:
    """Rows opposite, or but for the last bits; columns that cancel, or nearly; lanes; CSR."""
    found = 0
    for seed in range(20 * chunk, 20 * (chunk + 1)):
        generator = np.random.default_rng(seed)
        network, box = opposite_case(generator)
        draft = Draft.begin(network, exact_stability(network, box))
        for layer in range(draft.last):
            for rewrite in (merge_opposites, part_opposites):
                changed = rewrite(draft, layer)
                if changed is not draft:
                    found += 1
                    check_step(draft, changed)
                    check_draft(network, changed)
                    assert rewrite(changed, layer) is changed
        if seed % 4 == 0:
            result = compress(network, exact_stability(network, box))
            assert result.network.kinds.total() <= network.kinds.total()
    assert found >= 20
