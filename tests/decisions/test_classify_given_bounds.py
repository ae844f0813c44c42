"""Intervals that the caller gives: used, and never believed more than they deserve."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from random_networks import random_case
from seeds import seeds

from leo_opt import Box, Cascade, Network, Phase, Stability, classify, compress, propagate
from leo_opt.bounds import Bounds
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.evidence import GIVEN

CHEAP = Cascade(stages=[], random_points=0)
HAT = Network.from_arrays(
    [[[1e4], [1e4], [1e4]], [[1.0, -2.0, 1.0]], [[1.0]]],
    [[-1234.0, -1235.0, -1236.0], [-0.5], [0.0]],
)
"""Positive about 0.1235 only, which no sample of [0, 1] comes near."""


def as_given(bounds: Bounds) -> Bounds:
    """The same numbers from somebody else."""
    return Bounds(bounds.domain, bounds.lower, bounds.upper)


def ends(stability: Stability) -> list[tuple[float, float]]:
    return [
        (low, high)
        for lower, upper in zip(stability.trusted.lower, stability.trusted.upper, strict=True)
        for low, high in zip(lower.tolist(), upper.tolist(), strict=True)
    ]


@pytest.mark.parametrize("seed", seeds(6, of=12))
def test_what_rests_on_given_bounds_says_so_and_is_not_certified(seed: int) -> None:
    network, box = random_case(np.random.default_rng(seed))
    full, plain = classify(network, box), classify(network, box, strategy=CHEAP)
    told = classify(network, box, bounds=as_given(full.trusted), strategy=CHEAP)
    for (low, high), (known_low, known_high) in zip(ends(told), ends(full), strict=True):
        assert low >= known_low
        assert high <= known_high
    for layer, phases in enumerate(full.phases):
        for unit, phase in enumerate(phases):
            stable = phase in (Phase.STABLY_ACTIVE, Phase.STABLY_INACTIVE)
            assert not stable or told.phases[layer][unit] is phase
            # Nothing certified has come from the bounds given.
            low, high = told.certified.lower[layer][unit], told.certified.upper[layer][unit]
            assert low == plain.certified.lower[layer][unit]
            assert high == plain.certified.upper[layer][unit]
            for side, certified, trusted in (
                (told.lower_evidence, low, told.trusted.lower[layer][unit]),
                (told.upper_evidence, high, told.trusted.upper[layer][unit]),
            ):
                evidence = side[layer][unit]
                assert (evidence.premise == GIVEN) == (certified != trusted)
                assert evidence.method != "given" or evidence.premise == GIVEN


def test_bounds_that_we_made_for_this_network_are_certified() -> None:
    network, box = random_case(np.random.default_rng(1))
    made = propagate(network, box)
    told = classify(network, box, bounds=made, strategy=CHEAP)
    premises = {e.premise for side in (told.lower_evidence, told.upper_evidence) for e in side[0]}
    assert all(premise.certified for premise in premises)
    assert made.intersect(made).proved_for == network.content_hash
    assert not made.intersect(as_given(made)).proved_for
    assert told.certified.proved_for == network.content_hash
    assert not told.trusted.proved_for
    # Those that are proved for another network are those of a stranger.
    full = classify(network, box).trusted
    foreign = Bounds(box, full.lower, full.upper, HAT.content_hash)
    told = classify(network, box, bounds=foreign, strategy=CHEAP)
    assert np.array_equal(told.certified.lower[-1], made.lower[-1])


def test_a_wrong_bound_misleads_only_those_who_believe_it() -> None:
    truth = propagate(HAT, Box(0, 1))
    assert HAT([0.1235])[0] > 0
    wrong = Bounds(truth.domain, truth.lower, (truth.upper[0], np.zeros(1), truth.upper[2]))
    told = classify(HAT, (0, 1), bounds=wrong, strategy=CHEAP)
    assert told.phases[1] == (Phase.STABLY_INACTIVE,)
    assert told.upper_evidence[1][0].premise == GIVEN
    assert told.certified_phases(1) == 0
    kept = compress(HAT, told, certified_only=True).network
    assert kept([0.1235])[0] > 0
    again = Stability.from_json(told.to_json())
    assert again.upper_evidence[1][0].premise == GIVEN


def test_a_bound_that_is_contradicted_is_refused() -> None:
    truth = propagate(HAT, Box(0, 1))
    wrong = Bounds(truth.domain, truth.lower, (truth.upper[0], np.zeros(1), truth.upper[2]))
    # A user's sample shows what the bound excludes.
    with pytest.raises(MismatchError, match=r"given for unit \(1, 0\) contradict what is proved"):
        classify(HAT, (0, 1), bounds=wrong, samples=[[0.1235]], strategy=CHEAP)
    low = Bounds(truth.domain, (truth.lower[0] + 1e4, *truth.lower[1:]), truth.upper)
    with pytest.raises(MismatchError, match=r"unit \(0, 0\) do not hold"):
        classify(HAT, (0, 1), bounds=low)
    with pytest.raises(MismatchError, match="do not hold on"):
        classify(HAT, (0, 2), bounds=truth)
    with pytest.raises(MismatchError, match="belong to another network"):
        classify(HAT, (0, 1), bounds=Bounds(truth.domain, truth.lower[:1], truth.upper[:1]))
    with pytest.raises(InvalidInputError, match="bounds is a tuple, not a Bounds"):
        classify(HAT, (0, 1), bounds=(0, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["per-unit", "joint"])
def test_every_strategy_takes_them(strategy: str) -> None:
    network, box = random_case(np.random.default_rng(3))
    full = classify(network, box)
    told = classify(network, box, bounds=as_given(full.trusted), strategy=strategy)
    assert told.phases == full.phases


def test_stages_and_anomalies_are_told_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    network, box = random_case(np.random.default_rng(5))
    with caplog.at_level(logging.INFO, "leo_opt"):
        classify(network, box)
    messages = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("bounds: ") and "settled" in text for text in messages)
    assert messages[-1].startswith("cascade: Stability(")
    assert {record.name for record in caplog.records} == {"leo_opt.decisions.run"}
    assert not logging.getLogger("leo_opt").isEnabledFor(logging.INFO)
    caplog.clear()
    wide = Network.from_arrays(
        [np.random.default_rng(0).standard_normal((20, 14)) for _ in range(1)]
        + [np.random.default_rng(k).standard_normal((20, 20)) for k in range(4)],
        [None] * 5,
    )
    with caplog.at_level(logging.WARNING, "leo_opt"):
        classify(wide, (-1, 1), time_limit=1e-9)
    assert "the time limit struck" in caplog.text
