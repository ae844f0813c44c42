"""The lowest row of a unit is that of brute force over all sets, and the unit satisfies it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from leo_opt.formulations.facets import lowest_rows


@pytest.mark.parametrize("seed", range(5))
def test_no_set_of_inputs_gives_a_lower_row(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(3, 5)) * (generator.random((3, 5)) < 0.8)
    constant, lower = generator.normal(size=3), generator.normal(size=5)
    upper = lower + generator.random(5)
    inputs = generator.uniform(lower, upper)
    phase = generator.random(3)
    rows = lowest_rows(weight, constant, (lower, upper), inputs, phase)
    least = np.minimum(weight * lower, weight * upper)
    most = np.maximum(weight * lower, weight * upper)
    corners = [
        lower + np.array(end) * (upper - lower) for end in itertools.product((0, 1), repeat=5)
    ]
    for unit, (w, z) in enumerate(zip(weight, phase, strict=True)):
        sums = []
        for some in itertools.product((False, True), repeat=5):
            inside = np.array(some)
            held = (w * inputs - least[unit] * (1 - z))[inside].sum()
            sums.append(held + (constant[unit] + most[unit][~inside].sum()) * z)
        assert rows.limit[unit] == pytest.approx(min(sums))
        taken, slope, base = w * rows.chosen[unit], rows.slope[unit], rows.base[unit]
        assert taken @ inputs + slope * z - base == pytest.approx(rows.limit[unit])
        for x in corners:
            pre = w @ x + constant[unit]
            assert max(pre, 0.0) <= taken @ x + slope * (pre > 0.0) - base + 1e-12
    assert not rows.chosen[weight == 0.0].any()
