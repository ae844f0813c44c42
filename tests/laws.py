"""The laws of rewriting, checked in exact arithmetic over the whole box."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from exact_stability import as_fractions
from oracle import exact_deviation, exact_ranges

from leo_opt.network import Network, read_activation
from leo_opt.rewrites import Draft


def check_step(before: Draft, after: Draft) -> None:
    """A rewrite moves no output by more than its step says, and only ever removes."""
    assert len(after.steps) == len(before.steps) + 1
    assert after.steps[:-1] == before.steps
    step = after.steps[-1]
    worst = exact_deviation(before.network, after.network, before.domain)
    allowed = as_fractions(step.deviation)
    assert all(a <= b for a, b in zip(worst, allowed, strict=True)), (step, worst)
    assert after.network.kinds.total() <= before.network.kinds.total()
    assert len(after.network.layers) <= len(before.network.layers)
    assert after.network.signature == before.network.signature
    assert (after.deviation >= before.deviation).all()


def check_draft(original: Network, draft: Draft) -> None:
    """All that a draft claims of its network and of each unit is true."""
    worst = exact_deviation(original, draft.network, draft.domain)
    allowed = as_fractions(draft.deviation)
    assert all(a <= b for a, b in zip(worst, allowed, strict=True)), draft.steps
    widths = [layer.n_out for layer in draft.network.layers]
    assert [units.index.size for units in draft.units] == widths
    assert len(draft.origin) == len(widths)
    ranges_of = exact_ranges(draft.network, draft.domain)
    for layer, units, ranges in zip(draft.network.layers, draft.units, ranges_of, strict=True):
        lows, highs = (as_fractions(side) for side in units.interval)
        inner = zip(*map(as_fractions, units.trusted), strict=True)
        drifts = as_fractions(units.drift)
        assert not (units.active & units.inactive).any()
        for unit, (low, high) in enumerate(ranges):
            least, most = next(inner)
            assert lows[unit] <= least <= low <= high <= most <= highs[unit], unit
            activation, drift = read_activation(layer.tags[unit]), drifts[unit]
            below = Fraction(activation.slopes(np.array(-1.0)).item())
            for pre in (low, high):
                post = activation.exact(pre)
                assert not units.active[unit] or abs(post - pre) <= drift, unit
                assert not units.inactive[unit] or abs(post - below * pre) <= drift, unit


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers."""
    return bool(np.array_equal(left, right))
