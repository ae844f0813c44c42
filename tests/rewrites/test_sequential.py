"""Networks made sequential: rectifiers alone, the same function, and the numbers told of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability
from laws import check_draft
from oracle import exact_deviation
from random_networks import bent, random_case, random_network, structured
from seeds import seeds

from leo_opt import Box, Network, classify, compress
from leo_opt.rewrites import Draft, make_sequential
from leo_opt.rewrites.sequential import PASSED, SHIFTED, SPLIT


def sequential(network: Network, box: Box) -> Draft:
    """The draft of a network that nothing was done with but this."""
    return make_sequential(Draft.begin(network, classify(network, box, time_limit=0)))


def told(draft: Draft) -> Counter[str]:
    """How many units each step made."""
    counts: Counter[str] = Counter()
    for step in draft.steps:
        counts[step.rewrite] += step.added
    return counts


def check_tags(network: Network) -> None:
    assert all(layer.activation == "relu" for layer in network.layers[:-1])
    assert isinstance(network.layers[-1].activation, str)


@pytest.mark.parametrize("chunk", seeds(3, of=40))
def test_the_law_on_random_networks(chunk: int) -> None:
    tally: Counter[str] = Counter()
    for seed in range(chunk * 25, (chunk + 1) * 25):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        network = structured(generator, network)
        draft = Draft.begin(network, exact_stability(network, box, loose=bool(seed % 2)))
        changed = make_sequential(draft)
        check_tags(changed.network)
        check_draft(network, changed)
        tally += told(changed)
    print(dict(tally))
    assert set(tally) == {PASSED, SHIFTED, "fold"} or set(tally) == {PASSED, SHIFTED}


@pytest.mark.parametrize("chunk", seeds(2, of=40))
def test_the_law_behind_compression(chunk: int) -> None:
    for seed in range(chunk * 25, (chunk + 1) * 25):
        generator = np.random.default_rng(seed)
        box = Box(-1, 1).spread(int(generator.integers(1, 4)))
        network = random_network(generator, box=box, widths=(4, 3))
        network = (bent if seed % 2 else structured)(generator, network)
        result = compress(network, box, sequential=True)
        check_tags(result.network)
        worst = exact_deviation(result.original, result.network, box)
        allowed = as_fractions(result.max_deviation)
        assert all(a <= b for a, b in zip(worst, allowed, strict=True)), result.steps
        assert result.network.signature == network.signature
