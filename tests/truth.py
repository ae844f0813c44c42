"""Compare a `Stability` with the exact ranges of every unit."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
from oracle import exact_ranges

from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import Phase, Stability
from leo_opt.weights import dense, row


def count_phases(network: Network, box: Box, stability: Stability, margin: float) -> Counter[Phase]:
    """Assert that no verdict and no interval contradicts the exact ranges; count the phases.

    `undecided` is accepted only where an exact extreme lies within the margin of zero, in units
    of the pre-activation's range.
    """
    tally: Counter[Phase] = Counter()
    ranges = exact_ranges(network, box)
    for layer, phases in enumerate(stability.phases):
        check_intervals(stability, layer, ranges[layer])
        for unit, phase in enumerate(phases):
            low, high = ranges[layer][unit]
            where = (layer, unit, phase, float(low), float(high))
            if phase is Phase.LINEAR:
                continue
            tally[phase] += 1
            if phase is Phase.STABLY_ACTIVE:
                assert low >= 0, where
            elif phase is Phase.STABLY_INACTIVE:
                assert high <= 0, where
            elif phase is Phase.UNSTABLE:
                assert low < 0 < high, where
            else:
                near = Fraction(4 * margin * size_of(network, stability, layer, unit))
                assert min(abs(low), abs(high)) <= near + Fraction(1, 10**12), where
    check_witnesses(network, box, stability)
    return tally


def size_of(network: Network, stability: Stability, layer: int, unit: int) -> float:
    """What the margin counts in: the range of a unit, or a share of the terms that it sums."""
    bounds = stability.certified
    if layer == 0:
        ends = stability.domain.lower, stability.domain.upper
    else:
        ends = bounds.lower[layer - 1], bounds.upper[layer - 1]
    described = network.layers[layer]
    terms = np.abs(row(described.weight, unit)) @ np.maximum(*map(np.abs, ends))
    terms += abs(described.bias[unit])
    return float(
        max(abs(bounds.lower[layer][unit]), abs(bounds.upper[layer][unit]), terms * 2.0**-7)
    )


def check_intervals(stability: Stability, layer: int, ranges) -> None:
    """Both sets of intervals hold the exact ranges, and the trusted lie in the certified."""
    for bounds in (stability.certified, stability.trusted):
        for unit, (low, high) in enumerate(ranges):
            assert Fraction(float(bounds.lower[layer][unit])) <= low, (layer, unit)
            assert Fraction(float(bounds.upper[layer][unit])) >= high, (layer, unit)
    assert (stability.trusted.lower[layer] >= stability.certified.lower[layer]).all()
    assert (stability.trusted.upper[layer] <= stability.certified.upper[layer]).all()


def check_witnesses(network: Network, box: Box, stability: Stability) -> None:
    """Every witness lies in the box and shows its sign in exact arithmetic."""
    box = box.spread(network.input_size)
    for inputs in stability.witnesses:
        assert (inputs >= box.lower).all()
        assert (inputs <= box.upper).all()
    exact = [exact_pre_activations(network, inputs) for inputs in stability.witnesses]
    for side, sign in ((stability.lower_evidence, -1), (stability.upper_evidence, 1)):
        for layer, units in enumerate(side):
            for unit, evidence in enumerate(units):
                if evidence.witness is not None:
                    assert sign * exact[evidence.witness][layer][unit] > 0


def exact_pre_activations(network: Network, inputs: np.ndarray) -> list[list[Fraction]]:
    """Pre-activations of every layer at one input, in rationals."""
    values = [Fraction(float(x)) for x in inputs]
    pres = []
    for layer in network.layers:
        pre = [
            sum((Fraction(float(w)) * v for w, v in zip(row, values, strict=True)), Fraction(0))
            + Fraction(float(b))
            for row, b in zip(dense(layer.weight), layer.bias, strict=True)
        ]
        pres.append(pre)
        values = [
            max(g, Fraction(0)) if phased else g
            for g, phased in zip(pre, layer.phased, strict=True)
        ]
    return pres
