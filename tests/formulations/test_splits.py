"""The rules by which weights are split into parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from leo_opt.formulations.splits import (
    SPLITS,
    split_equal_range,
    split_equal_size,
    split_uneven_magnitudes,
)


def weights_and_parts() -> Iterator[tuple[np.ndarray, int]]:
    """Random weights, some with many ties, and numbers of parts up to theirs."""
    for seed in range(300):
        generator = np.random.default_rng(seed)
        size = int(generator.integers(1, 60))
        weights = generator.normal(size=size) ** 3
        if seed % 3 == 0:
            weights = np.round(2.0 * weights) / 2.0
        yield weights, int(generator.integers(1, size + 1))


@pytest.mark.parametrize("name", SPLITS)
def test_parts_are_a_partition(name: str) -> None:
    for weights, parts in weights_and_parts():
        sets = SPLITS[name](weights, parts, np.random.default_rng(1))
        assert len(sets) == parts
        assert sorted(np.concatenate(sets).tolist()) == list(range(weights.size))


@pytest.mark.parametrize("name", ["equal-size", "random", "uneven-magnitudes"])
def test_parts_are_of_about_the_same_size(name: str) -> None:
    for weights, parts in weights_and_parts():
        sizes = [part.size for part in SPLITS[name](weights, parts, np.random.default_rng(1))]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("name", ["equal-size", "equal-range"])
def test_parts_follow_the_order_of_the_weights(name: str) -> None:
    for weights, parts in weights_and_parts():
        sets = SPLITS[name](weights, parts, np.random.default_rng(1))
        held = [weights[part] for part in sets if part.size]
        for left, right in pairwise(held):
            assert left.max() <= right.min()


def test_inner_ranges_are_equal_and_outliers_stand_outside() -> None:
    for weights, parts in weights_and_parts():
        sets = split_equal_range(weights, parts, np.random.default_rng(1))
        if parts < 3:
            same = split_equal_size(weights, parts, np.random.default_rng(1))
            assert all(np.array_equal(a, b) for a, b in zip(sets, same, strict=True))
            continue
        low, high = np.quantile(weights, [0.05, 0.95])
        assert (weights[sets[0]] < low).all()
        assert (weights[sets[-1]] >= high).all()
        width = (high - low) / (parts - 2)
        for k, part in enumerate(sets[1:-1]):
            assert (weights[part] >= low + k * width - 1e-12).all()
            assert (weights[part] < low + (k + 1) * width + 1e-12).all()


def test_one_large_weight_leaves_no_part_empty() -> None:
    weights = np.append(np.linspace(-1.0, 1.0, 99), 1e6)
    sets = split_equal_range(weights, 5, np.random.default_rng(1))
    assert min(part.size for part in sets) >= 5


def test_the_largest_magnitudes_are_in_different_parts() -> None:
    for weights, parts in weights_and_parts():
        sets = split_uneven_magnitudes(weights, parts, np.random.default_rng(1))
        sizes = np.sort(np.abs(weights))[::-1]
        for part in sets:
            held = np.sort(np.abs(weights[part]))[::-1]
            # One of each round of dealing.
            for turn, value in enumerate(held):
                assert (
                    sizes[turn * parts] >= value >= sizes[min(sizes.size, parts * (turn + 1)) - 1]
                )
