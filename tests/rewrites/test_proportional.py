"""Which rows count as multiples of each other, exactly or up to rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array

from leo_opt.network import Layer
from leo_opt.rewrites.proportional import LayerRows, Multiple

SINGLE, DOUBLE = 2.0**-24, 2.0**-53


def multiples(layer: Layer, roundoff: float = DOUBLE) -> dict[int, list[Multiple]]:
    """All multiples on the box from -0.5 to 1.5."""
    middle = np.append(np.full(layer.n_in, 0.5), 1.0)
    radius = np.append(np.ones(layer.n_in), 0.0)
    return LayerRows(layer, middle, radius, roundoff).groups(lambda first, other: True)


@pytest.mark.parametrize("seed", range(10))
def test_exact_multiples_are_found(seed: int) -> None:
    generator = np.random.default_rng(seed)
    base = generator.integers(-9, 10, size=(3, 4)) + 20.0 * np.eye(3, 4)
    sources = generator.integers(3, size=8)
    factors = generator.choice([1.0, 2.0, 3.0, 7.0, 0.25, -1.0, -5.0], size=8)
    rows = factors[:, None] * base[sources]
    groups = multiples(Layer(rows[:, :-1], rows[:, -1], "relu"))
    found = {other.unit: (first, other) for first, units in groups.items() for other in units}
    for unit in range(8):
        first = int(np.flatnonzero(sources == sources[unit])[0])
        if unit != first:
            assert found[unit][0] == first
            assert found[unit][1].factor == Fraction(factors[unit]) / Fraction(factors[first])
            assert found[unit][1].error == 0.0


def test_rows_of_zeros_and_other_places_belong_to_nobody() -> None:
    rows = np.array([[0.1, 0.7, 0.0], [0.1, 0.7, 1e-30], np.zeros(3), np.zeros(3), [0.2, 1.4, 0]])
    for weight in (rows, csr_array(rows)):
        found = multiples(Layer(weight, np.zeros(5), "relu"))
        assert found == {0: [Multiple(4, Fraction(2), 0.0)]}


@pytest.mark.parametrize("roundoff", [SINGLE, DOUBLE])
def test_multiples_up_to_rounding_are_found_with_what_they_are_off(roundoff: float) -> None:
    generator = np.random.default_rng(4)
    kind = np.float32 if roundoff == SINGLE else np.float64
    for _ in range(50):
        row = generator.normal(size=7).astype(kind)
        factor = kind(generator.normal())
        rows = np.vstack([row, (factor * row).astype(kind)]).astype(np.float64)
        (found,) = multiples(Layer(rows[:, :-1], rows[:, -1]), roundoff)[0]
        off = [
            Fraction(mine) - found.factor * Fraction(theirs)
            for theirs, mine in zip(*rows.tolist(), strict=True)
        ]
        largest = abs(sum(off[:-1]) / 2 + off[-1]) + sum(map(abs, off[:-1]))
        assert largest <= Fraction(found.error) <= largest * (1 + Fraction(1, 10**6))
        # A change beyond rounding is none any more.
        rows[1, 2] *= 1.0 + 16.0 * roundoff
        assert not multiples(Layer(rows[:, :-1], rows[:, -1]), roundoff)


def test_numbers_near_the_ends_of_the_range_belong_to_nobody_or_are_multiples() -> None:
    for size in (1e300, 1e-300, 5e-324):
        layer = Layer(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]) * size, np.zeros(3))
        assert set(multiples(layer)) <= {0}
