"""How few units product rank finds."""

from __future__ import annotations

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft
from seeds import seeds

from leo_opt import Box, Network
from leo_opt.bounds import propagate
from leo_opt.rewrites import NEW_UNIT, Draft, reduce_rank
from leo_opt.rewrites.block import Block
from leo_opt.rewrites.product_rank import smallest_factors


def block_of_rank(
    generator: np.random.Generator, rank: int, sizes: tuple[int, int, int] = (9, 14, 20)
) -> Block:
    """A block whose product has a rank, while its units are independent of each other."""
    p, s, m = sizes
    core, weight = generator.normal(size=(rank, s)), generator.normal(size=(s, m))
    outgoing = generator.normal(size=(p, rank)) @ core
    return Block(outgoing, weight, np.ones(s), generator.normal(size=p), np.zeros(m), np.ones(m))


@pytest.mark.parametrize("rank", range(1, 9))
@pytest.mark.parametrize("seed", range(5))
def test_the_rank_of_the_product_is_found(rank: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = smallest_factors(block_of_rank(generator, rank))
    assert found.bias.size == rank
    assert found.error.max() < 1e-12


@pytest.mark.parametrize("seed", range(10))
def test_rows_of_any_scale_count_alike(seed: int) -> None:
    """A next unit of range 1e-9 is as exact, relative to its range, as any other."""
    generator = np.random.default_rng(seed)
    block = block_of_rank(generator, 6)
    scale = 2.0 ** generator.integers(-40, 40, size=9)
    scaled = Block(
        scale[:, None] * block.outgoing, block.weight, block.bias, scale * block.next_bias,
        block.lower, block.upper,
    )  # fmt: skip
    found, expected = smallest_factors(scaled), smallest_factors(block)
    assert found.bias.size == expected.bias.size == 6
    assert (found.error <= 1e-13 * scaled.spread).all()


@pytest.mark.parametrize("size", [1e-4, 1e-8, 1e-11])
def test_directions_above_rounding_level_are_kept(size: float) -> None:
    generator = np.random.default_rng(3)
    block = block_of_rank(generator, 4)
    block.outgoing[5] += size * generator.normal(size=14)
    assert smallest_factors(block).bias.size == 5


@pytest.mark.parametrize("seed", seeds(15, of=40))
def test_singular_values_of_all_sizes_are_cut_at_the_level_of_rounding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    block = block_of_rank(generator, 1, (30, 40, 50))
    left, right = (np.linalg.qr(generator.normal(size=(40, 30)))[0] for _ in range(2))
    block.outgoing[:] = (left[:30] * 10.0 ** np.linspace(0, -18, 30)) @ right.T
    found = smallest_factors(block)
    assert found is not None
    assert (found.error <= block.level).all()
    assert 18 <= found.bias.size <= 25


def test_inputs_that_cannot_vary_do_not_count() -> None:
    generator = np.random.default_rng(4)
    block = block_of_rank(generator, 8)
    lower = np.where(np.arange(20) < 3, 0.0, 1.0)
    narrow = Block(block.outgoing, block.weight, block.bias, block.next_bias, lower, np.ones(20))
    assert smallest_factors(narrow).bias.size == 3


@pytest.mark.parametrize(("sizes", "expected"), [((3, 9, 8), 3), ((8, 9, 3), 3), ((9, 9, 9), None)])
def test_at_most_as_many_as_the_next_layer_has_units_or_this_one_inputs(sizes, expected) -> None:
    block = block_of_rank(np.random.default_rng(5), sizes[1], sizes)
    found = smallest_factors(block)
    assert (found and found.bias.size) == expected


@pytest.mark.parametrize("seed", range(10))
def test_the_new_units_are_proved_active(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = Network.from_arrays(
        [
            generator.normal(size=(3, 2)),
            np.vstack([np.abs(generator.normal(size=(5, 3))), -np.ones((1, 3))]),
            generator.normal(size=(2, 6)),
        ],
        [generator.normal(size=3) + 1.0, [0.0] * 5 + [2.0], np.zeros(2)],
    )
    box = Box(-1, 1)
    draft = Draft.begin(network, exact_stability(network, box))
    changed = reduce_rank(draft, 1)
    check_draft(network, changed)
    index = changed.units[1].index.tolist()
    assert index.count(NEW_UNIT) == 2
    assert changed.steps[-1].added == 2
    low = propagate(changed.network, draft.domain).lower[1]
    assert (low[np.array(index) == NEW_UNIT] >= 0.0).all()
    assert changed.units[1].active[np.array(index) == NEW_UNIT].all()
