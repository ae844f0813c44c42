"""Which stably active units LEO's merge removes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step
from oracle import exact_output

from leo_opt import Box, Network
from leo_opt.rewrites import Draft, merge_dependent
from leo_opt.rewrites.block import Block
from leo_opt.rewrites.dependent import independent_rows


def draft_of(first: np.ndarray, generator: np.random.Generator) -> tuple[Network, Draft]:
    """A network whose first layer has these rows and is stably active on [-1, 1]."""
    bias = 1.25 * np.abs(first).sum(axis=1)
    network = Network.from_arrays([first, generator.normal(size=(8, len(first)))], [bias, None])
    return network, Draft.begin(network, exact_stability(network, Box(-1, 1)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("style", ["integer", "real", "tiny and huge"])
def test_dependent_rows_go_and_no_others(seed: int, style: str) -> None:
    generator = np.random.default_rng(seed)
    rank, extra = 3, int(generator.integers(1, 4))
    base = generator.integers(-4, 5, size=(rank, 3)) + 9.0 * np.eye(rank)
    if style != "integer":
        base = base + generator.normal(size=base.shape)
    rows = np.vstack([base, generator.choice([-2.0, -1.0, 1.0, 2.0], size=(extra, rank)) @ base])
    if style == "tiny and huge":
        rows *= 2.0 ** generator.integers(-20, 21, size=(len(rows), 1))
    rows = rows[generator.permutation(len(rows))]
    network, draft = draft_of(rows, generator)
    merged = merge_dependent(draft, 0)
    check_step(draft, merged)
    check_draft(network, merged)
    assert merged.network.layers[0].n_out == rank
    # What stays has its old numbers.
    kept = merged.units[0].index
    np.testing.assert_array_equal(merged.network.layers[0].weight, network.layers[0].weight[kept])
    np.testing.assert_array_equal(merged.network.layers[0].bias, network.layers[0].bias[kept])
    assert merged.steps[-1].added == 0
    assert sorted([*kept, *merged.steps[-1].removed]) == list(range(len(rows)))


def test_a_merge_that_rounding_would_spoil_is_not_made() -> None:
    """With biases as large as 1 on rows of any size, coefficients blow up what is rounded."""
    refused = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        base = generator.normal(size=(3, 3)) + 9.0 * np.eye(3)
        rows = np.vstack([base, generator.choice([-2.0, -1.0, 1.0, 2.0], size=(2, 3)) @ base])
        rows *= 2.0 ** generator.integers(-25, 26, size=(5, 1))
        bias = np.abs(rows).sum(axis=1) + 0.5
        network = Network.from_arrays([rows, generator.normal(size=(4, 5))], [bias, None])
        draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
        merged = merge_dependent(draft, 0)
        refused += merged is draft
        assert (merged.deviation <= Block.of(draft, 0).level).all()
    assert 5 <= refused <= 55


@pytest.mark.parametrize("size", [1e-3, 1e-7, 1e-10])
def test_nearly_dependent_rows_stay(size: float) -> None:
    generator = np.random.default_rng(7)
    rows = generator.normal(size=(3, 4))
    rows[2] = rows[0] + rows[1] + size * generator.normal(size=4)
    _, draft = draft_of(rows, generator)
    assert merge_dependent(draft, 0) is draft


def test_constant_rows_need_no_basis() -> None:
    assert independent_rows(np.zeros((2, 3)))[0].size == 0
    basis, coefficients = independent_rows(np.array([[0.0, 0.0], [1.0, 2.0]]))
    assert basis.tolist() == [1]
    assert coefficients.tolist() == [[0.0]]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_what_a_kept_unit_loses_counts(order: list[int]) -> None:
    """The first unit is clipped since its input moved, and only the merged unit is read."""
    moved = 0.25
    weight, bias, reads = np.array([[1.0], [2.0]]), np.array([0.0, 5.0]), np.array([[0.0, 3.0]])
    first = Network.from_arrays([weight[order], reads[:, order]], [bias[order], None])
    draft = Draft.begin(first, exact_stability(first, Box(0, 1)))
    assert draft.units[0].active.all()
    drift = np.array([moved, 0.0])[order]
    later = Network((replace(first.layers[0], bias=bias[order] - drift), first.layers[1]))
    units = (replace(draft.units[0], drift=drift), draft.units[1])
    draft = replace(draft, network=later, units=units)
    merged = merge_dependent(draft, 0)
    assert merged.network.layers[0].n_out == 1
    [before], [after] = (exact_output(n, np.zeros(1)) for n in (later, merged.network))
    kept = order[merged.units[0].index[0]]
    assert abs(before - after) == (2 * 3 * Fraction(moved) if kept == 0 else 0)
    assert abs(before - after) <= Fraction(float(merged.deviation[0]))


def test_rows_that_are_almost_nothing_beside_others_are_left_alone() -> None:
    weight = np.array([[1e-323, 0.0], [-6.0, 0.0], [0.0, 1.0]])
    network = Network.from_arrays([weight, np.ones((1, 3))], [[1.0, 9.0, 0.0], [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    check_draft(network, merge_dependent(draft, 0))
