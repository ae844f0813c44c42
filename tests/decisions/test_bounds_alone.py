"""Verdicts of bounds alone."""

from __future__ import annotations

import numpy as np
from random_networks import random_case

from leo_opt import Box, Cascade, Phase, classify, compress


def test_what_is_stable_is_what_compression_needs() -> None:
    """Of random networks the same units are proved as with witnesses, and none is shown."""
    unstable = 0
    for seed in range(20):
        network, box = random_case(np.random.default_rng(seed))
        alone = classify(network, box, strategy="bounds")
        shown = classify(network, box, strategy=Cascade(stages=()))
        unstable += sum(Phase.UNSTABLE in phases for phases in shown.phases)
        for phases, others in zip(alone.phases, shown.phases, strict=True):
            expected = [Phase.UNDECIDED if p is Phase.UNSTABLE else p for p in others]
            assert list(phases) == expected
        assert not len(alone.witnesses)
        assert compress(network, alone).network == compress(network, shown).network
    assert unstable


def test_it_goes_by_its_name() -> None:
    network, box = random_case(np.random.default_rng(1))
    stability = classify(network, Box(box.lower, box.upper), strategy="bounds")
    assert stability.statistics.strategy == "bounds"
