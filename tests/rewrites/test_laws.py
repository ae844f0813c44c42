"""Every rewrite alone, and all of them in any order, keeps its law on random networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step
from random_networks import bent, convolution_case, opposite_case, random_case, random_network
from seeds import seeds

from leo_opt import Box, Layer, Network, rectified
from leo_opt.rewrites import (
    Draft,
    delete_dead,
    delete_inactive,
    fold_constants,
    fold_layer,
    fold_outputs,
    merge_dependent,
    merge_duplicates,
    merge_opposites,
    part_opposites,
    pass_slopes,
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
    merge_opposites,
    part_opposites,
    pass_slopes,
    reduce_rank,
    fold_network_outputs,
)
NAMES = {
    "dead",
    "inactive",
    "constant",
    "fold",
    "dependent",
    "duplicate",
    "opposite",
    "product-rank",
    "slope",
}


def wide_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A network of two wider layers with many stably active units and a narrow layer above."""
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    widths = (int(generator.integers(3, 7)), int(generator.integers(2, 6)))
    return random_network(generator, box=box, widths=widths), box


def bent_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A small network with leaky units and clips, some of which stay on one piece."""
    box = Box(-1, 1).spread(int(generator.integers(1, 3)))
    return bent(generator, random_network(generator, box=box, widths=(4, 2), outputs=1)), box


CASES = random_case, wide_case, bent_case
HARD_CASES = *CASES, opposite_case, convolution_case


def disturb(draft: Draft, generator: np.random.Generator) -> Draft:
    """The draft after a rewrite that is as inexact as no real one: a layer's biases move a lot."""
    layer = int(generator.integers(len(draft.network.layers)))
    current = draft.network.layers[layer]
    size = float(generator.choice([1e-12, 1e-3, 0.5]))
    bias = current.bias + size * generator.choice([-1.0, 0.0, 1.0], size=current.n_out)
    moved = Layer(current.weight, bias, current.activation)
    layers = (*draft.network.layers[:layer], moved, *draft.network.layers[layer + 1 :])
    error = np.nextafter(np.abs(bias - current.bias), np.inf) * (bias != current.bias)
    changed = replace(draft, network=Network(layers, draft.network.signature))
    return changed.note(layer, error, layer, ("noise", np.empty(0, dtype=np.int64), 0))


@pytest.mark.system
@pytest.mark.parametrize("chunk", seeds(1, of=12))
def test_what_earlier_steps_moved_is_accounted_for(chunk: int) -> None:
    """Verdicts and intervals are those of the original: a rewrite pays for what moved since."""
    for seed in range(chunk * 20, (chunk + 1) * 20):
        generator = np.random.default_rng(seed)
        network, box = CASES[seed % 3](generator)
        draft = Draft.begin(network, exact_stability(rectified(network), box))
        for _ in range(8):
            if not draft.last:
                break
            changed = disturb(draft, generator)
            check_step(draft, changed)
            draft = changed
            rewrite = REWRITES[generator.integers(len(REWRITES))]
            changed = rewrite(draft, int(generator.integers(draft.last)))
            if changed is not draft:
                check_step(draft, changed)
            check_draft(network, changed)
            draft = changed


@pytest.mark.parametrize("chunk", seeds(1, of=20))
def test_any_order_of_rewrites_keeps_the_law(chunk: int) -> None:
    tally: Counter[str] = Counter()
    for seed in range(chunk * 25, (chunk + 1) * 25):
        generator = np.random.default_rng(seed)
        network, box = CASES[seed % 3](generator)
        loose = bool(generator.random() < 0.5)
        draft = Draft.begin(network, exact_stability(rectified(network), box, loose=loose))
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


@lru_cache
def begin(seed: int) -> Draft:
    """The draft of a random network with true verdicts, before the first rewrite."""
    generator = np.random.default_rng(1000 + seed)
    network, box = HARD_CASES[seed % len(HARD_CASES)](generator)
    return Draft.begin(network, exact_stability(rectified(network), box))


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda r: r.__name__)
@pytest.mark.parametrize("chunk", seeds(1, of=50))
def test_each_rewrite_keeps_its_law_and_finds_nothing_twice(rewrite, chunk: int) -> None:
    """Rows that are multiples, opposites or nearly so, kernels at several places, lanes, clips."""
    found = 0
    for seed in range(40 * chunk, 40 * (chunk + 1)):
        draft = begin(seed)
        for layer in range(draft.last):
            changed = rewrite(draft, layer)
            if changed is draft:
                continue
            found += 1
            check_step(draft, changed)
            check_draft(draft.network, changed)
            if layer < changed.last and rewrite not in (
                fold_layer,
                reduce_rank,
                fold_network_outputs,
            ):
                assert rewrite(changed, layer) is changed
    # Not every draw of a few networks has what a rewrite looks for.
    assert found or chunk or rewrite is pass_slopes
