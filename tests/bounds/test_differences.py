"""Lines of differences hold at every pair of pre-activations, in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from seeds import seeds

from leo_opt.bounds.differences import DifferenceLines, difference_lines


def _sorted(generator: np.random.Generator, count: int, scale: float) -> np.ndarray:
    """Lower and upper ends (2, count): dyadic or any floats, some of them 0 or equal."""
    ends = generator.normal(size=(2, count)) * scale
    dyadic = generator.random(count) < 0.5
    ends = np.where(dyadic, np.round(4.0 * ends / scale) * scale / 4.0, ends)
    ends[:, generator.random(count) < 0.1] = 0.0
    ends[1] = np.where(generator.random(count) < 0.1, ends[0], ends[1])
    return np.sort(ends, axis=0)


def _post(value: Fraction, linear: bool) -> Fraction:
    return value if linear else max(value, Fraction(0))


def _violated(lines: DifferenceLines, unit: int, moved: Fraction, true: Fraction) -> bool:
    above, offset, below, under = (
        Fraction(float(side[unit]))
        for side in (lines.above, lines.offset, lines.below, lines.under)
    )
    low, high = (Fraction(float(side[unit])) for side in lines.ends)
    inside = below * moved + under <= true <= above * moved + offset
    return not (inside and low <= true <= high)


@pytest.mark.parametrize("seed", seeds(2, of=40))
@pytest.mark.parametrize("scale", [1.0, 2.0**-30])
def test_lines_hold_at_every_point_of_the_intervals(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    count = 40
    first, moved = _sorted(generator, count, 1.0), _sorted(generator, count, scale)
    passes = generator.random((2, count)) < 0.2
    # Points of q and d give p; what is proved of p is an interval that holds some of them.
    draws = []
    for ends in (first, moved):
        share = np.round(generator.random((6, count)) * 8.0) / 8.0
        draws.append(np.clip(ends[0] + share * (ends[1] - ends[0]), *ends))
        draws[-1][0], draws[-1][1] = ends
    own = [
        [Fraction(q) + Fraction(d) for q in draws[0][:, k] for d in draws[1][:, k]]
        for k in range(count)
    ]
    chosen = [
        sorted(sums)[int(generator.integers(10)) : 36 - int(generator.integers(10))] for sums in own
    ]
    second = np.array(
        [
            [np.nextafter(float(some[0]), -np.inf) for some in chosen],
            [np.nextafter(float(some[-1]), np.inf) for some in chosen],
        ]
    )
    lines = difference_lines(tuple(first), tuple(second), tuple(moved), tuple(passes))
    assert ((lines.above >= 0.0) & (lines.above <= 1.0)).all()
    assert ((lines.below >= 0.0) & (lines.below <= 1.0)).all()
    checked = 0
    for unit in range(count):
        low, high = (Fraction(end) for end in second[:, unit])
        for q in map(Fraction, draws[0][:, unit]):
            for d in map(Fraction, draws[1][:, unit]):
                if low <= q + d <= high:
                    checked += 1
                    true = _post(q + d, passes[1, unit]) - _post(q, passes[0, unit])
                    assert not _violated(lines, unit, d, true), (unit, q, d)
    assert checked > 10 * count


def test_of_units_that_keep_their_phase_the_lines_are_exact() -> None:
    first = np.array([1.0, -3.0]), np.array([2.0, -2.0])
    moved = np.array([-0.5, -0.5]), np.array([0.25, 0.25])
    second = first[0] + moved[0], first[1] + moved[1]
    linear = np.zeros(2, dtype=bool)
    lines = difference_lines(first, second, moved, (linear, linear))
    assert [lines.above.tolist(), lines.below.tolist()] == [[1.0, 0.0], [1.0, 0.0]]
    assert not lines.offset.any()
    assert not lines.under.any()


def test_where_units_can_change_phase_a_difference_costs_no_more_than_itself() -> None:
    moved = np.array([-1e-9]), np.array([3e-9])
    wide = np.array([-5.0]), np.array([7.0])
    linear = np.zeros(1, dtype=bool)
    lines = difference_lines(wide, wide, moved, (linear, linear))
    top = lines.above * moved[1] + lines.offset
    assert top == pytest.approx(3e-9, rel=1e-6)
    assert lines.below * moved[0] + lines.under == pytest.approx(-1e-9, rel=1e-6)
    assert lines.gap(moved) == pytest.approx(2e-9, rel=1e-6)
