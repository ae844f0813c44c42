"""Every rewrite alone, and all of them in any order, keeps its law on random networks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step
from random_networks import random_case, random_network

from leo_opt import Box, Network
from leo_opt.rewrites import (
    Draft,
    delete_dead,
    delete_inactive,
    fold_constants,
    fold_layer,
    fold_outputs,
    merge_dependent,
    merge_duplicates,
    reduce_rank,
)


def fold_network_outputs(draft: Draft, layer: int) -> Draft:
    return fold_outputs(draft)


REWRITES = (
    delete_dead,
    delete_inactive,
    fold_constants,
    fold_layer,
    merge_dependent,
    merge_duplicates,
    reduce_rank,
    fold_network_outputs,
)
NAMES = {"dead", "inactive", "constant", "fold", "dependent", "duplicate", "product-rank"}


def wide_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A network of two wider layers with many stably active units and a narrow layer above."""
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    widths = (int(generator.integers(3, 7)), int(generator.integers(2, 6)))
    return random_network(generator, box=box, widths=widths), box


@pytest.mark.parametrize("chunk", range(20))
def test_any_order_of_rewrites_keeps_the_law(chunk: int) -> None:
    tally: Counter[str] = Counter()
    for seed in range(chunk * 25, (chunk + 1) * 25):
        generator = np.random.default_rng(seed)
        network, box = (random_case, wide_case)[seed % 2](generator)
        loose = bool(generator.random() < 0.5)
        draft = Draft.begin(network, exact_stability(network, box, loose=loose))
        check_draft(network, draft)
        for _ in range(8):
            if not draft.last:
                break
            rewrite = REWRITES[generator.integers(len(REWRITES))]
            changed = rewrite(draft, int(generator.integers(draft.last)))
            if changed is not draft:
                check_step(draft, changed)
                check_draft(network, changed)
                tally[changed.steps[-1].rewrite] += 1
            draft = changed
    print(dict(tally))
    assert len(tally) >= 5
    assert set(tally) <= NAMES


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda r: r.__name__)
def test_each_rewrite_keeps_its_law_and_finds_nothing_twice(rewrite) -> None:
    found = 0
    for seed in range(200):
        network, box = (random_case, wide_case)[seed % 2](np.random.default_rng(1000 + seed))
        stability = exact_stability(network, box)
        for layer in range(len(network.layers) - 1):
            draft = Draft.begin(network, stability)
            changed = rewrite(draft, layer)
            if changed is draft:
                continue
            found += 1
            check_step(draft, changed)
            check_draft(network, changed)
            if layer < changed.last and rewrite not in (
                fold_layer,
                reduce_rank,
                fold_network_outputs,
            ):
                assert rewrite(changed, layer) is changed
    assert found >= 10
