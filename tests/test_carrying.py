"""Verdicts that a rewritten network comes with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from exact_stability import as_fractions, exact_stability
from oracle import exact_ranges
from random_networks import bent, random_case, random_network
from seeds import seeds

from leo_opt import Box, Cascade, Network, Phase, Stability, classify, rectified
from leo_opt.bounds import propagate
from leo_opt.compression import compress
from leo_opt.errors import MismatchError
from leo_opt.evidence import ARITHMETIC, Evidence, Premise
from leo_opt.formats import written

SOLVER = Premise("a solver", "1", 1e-6)


def believed(network: Network, box: Box) -> Stability:
    """The best verdicts, of which a solver vouches for those that bounds do not prove."""
    known = exact_stability(network, box, loose=True)

    def vouch(ends, proofs) -> tuple[tuple[Evidence, ...], ...]:
        return tuple(
            tuple(Evidence(premise=ARITHMETIC if k else SOLVER) for k in (end == proof).tolist())
            for end, proof in zip(ends, proofs, strict=True)
        )

    trusted, certified = known.trusted, known.certified
    return replace(
        known,
        lower_evidence=vouch(trusted.lower, certified.lower),
        upper_evidence=vouch(trusted.upper, certified.upper),
    )


def carried_case(generator: np.random.Generator) -> tuple[Network, Box]:
    """A random network, some with leaky units and clips."""
    if generator.random() < 0.7:
        return random_case(generator)
    box = Box(-1, 1).spread(int(generator.integers(1, 3)))
    return bent(generator, random_network(generator, box=box, widths=(4, 2), outputs=1)), box


@pytest.mark.parametrize("chunk", seeds(1, of=400))
def test_what_is_carried_is_true(chunk: int) -> None:
    """Every interval holds in rationals; what a solver's phases had a part in says so."""
    tally: Counter[str] = Counter()
    for seed in [*range(5 * chunk + 1, 5 * chunk + 6), 181]:
        generator = np.random.default_rng(seed)
        network, box = carried_case(generator)
        stability = believed(rectified(network), box)
        only = bool(generator.random() < 0.3)
        result = compress(
            network,
            stability,
            certified_only=only,
            sequential=bool(generator.random() < 0.4),
            tolerance=float(generator.choice([0.0, 0.0, 1e-3])),
        )
        stored = written(result.network, "float32") if generator.random() < 0.5 else result.network
        carried = result.carry(stored)
        carried.check(stored, box)
        solver_used = not (only or stability.premise.certified)
        assert carried.premise.certified or solver_used
        assert bool(result.bounds.proved_for) != solver_used
        if solver_used:
            alone = propagate(rectified(stored), box)
            assert all(map(np.array_equal, carried.certified.lower, alone.lower))
            assert all(map(np.array_equal, carried.certified.upper, alone.upper))
        sides = (
            (carried.lower_evidence, carried.trusted.lower, carried.certified.lower),
            (carried.upper_evidence, carried.trusted.upper, carried.certified.upper),
        )
        for side in sides:
            for entries, ends, proofs in zip(*side, strict=True):
                arithmetic = np.array([entry.premise.certified for entry in entries])
                assert (arithmetic <= (ends == proofs)).all()
        ranges_of = exact_ranges(rectified(stored), box)
        for bounds in (carried.trusted, carried.certified):
            for *sides, ranges in zip(bounds.lower, bounds.upper, ranges_of, strict=True):
                lows, highs = map(as_fractions, sides)
                for low, high, (least, most) in zip(lows, highs, ranges, strict=True):
                    assert low <= least <= most <= high, seed
        for phases in carried.phases:
            tally.update(str(phase) for phase in phases)
        tally["solver"] += solver_used
    assert tally["solver"] or chunk
    assert tally["stably_active"] or chunk


def test_what_a_file_rounds_makes_intervals_wider() -> None:
    """0.1 is less than the nearest number of float32."""
    network = Network.from_arrays([[[0.1], [-0.1]], [[1.0, 2.0]]], [None, None])
    result = compress(network, classify(network, Box(-1, 1)))
    stored = written(result.network, "float32")
    size = np.abs(stored.layers[0].weight[:, 0])
    assert (size > 0.1).all()
    carried = result.carry(stored).certified
    assert (carried.upper[0] >= size).all()
    assert (carried.lower[0] <= -size).all()


def test_classify_goes_on_from_them() -> None:
    """Nothing is asked where nothing is open, and else only about what is."""
    generator, box = np.random.default_rng(0), Box(-1, 1).spread(3)
    network = Network.from_arrays(
        [generator.normal(size=shape) for shape in ((8, 3), (6, 8), (2, 6))],
        [generator.normal(size=count) for count in (8, 6, 2)],
    )
    result = compress(network, classify(network, box))
    carried = result.carry()
    again = classify(result.network, box, stability=carried)
    assert again.phases == classify(result.network, box).phases
    found = Counter(phase for phases in again.phases for phase in phases)
    assert found[Phase.UNSTABLE] > 0
    assert not found[Phase.UNDECIDED]
    assert {entry.method for layer in again.lower_evidence for entry in layer} == {"carried"}
    assert again.statistics.lps_solved == again.statistics.milps_solved == 0
    unseen = [
        tuple(tuple(replace(entry, witness=None) for entry in layer) for layer in side)
        for side in (carried.lower_evidence, carried.upper_evidence)
    ]
    blind = replace(
        carried, witnesses=np.empty((0, 3)), lower_evidence=unseen[0], upper_evidence=unseen[1]
    )
    assert any(Phase.UNDECIDED in phases for phases in blind.phases)
    found_again = classify(result.network, box, strategy=Cascade(stages=()), stability=blind)
    assert found_again.phases == again.phases
    # On a part of the box what was shown elsewhere has to be shown anew.
    part = Box(0, 1).spread(3)
    fewer = classify(result.network, part, stability=carried)
    assert fewer.phases == classify(result.network, part).phases
    for wrong, where in ((network, box), (result.network, Box(-2, 1))):
        with pytest.raises(MismatchError):
            classify(wrong, where, stability=carried)
