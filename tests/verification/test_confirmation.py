"""The network's own answer about an input, exact where rounding would leave it open."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_output
from random_networks import random_case

from leo_opt import exact_evaluation
from leo_opt.arithmetic import float_above, float_below
from leo_opt.deadline import Deadline
from leo_opt.exact_evaluation import exact_outputs
from leo_opt.inequalities import Inequality, Rationals
from leo_opt.network import Network
from leo_opt.verification.confirmation import confirm


def rational(point: np.ndarray) -> Rationals:
    """A float64 point."""
    return tuple(map(Fraction, point.tolist()))


@pytest.mark.parametrize("seed", range(20))
def test_ties_are_decided_to_the_last_bit(seed: int) -> None:
    generator = np.random.default_rng((131, seed))
    network, box = random_case(generator)
    point = box.spread(network.input_size).sample(1, generator)[0]
    outputs = exact_output(network, point)
    factors = [Fraction(int(k), 7) for k in generator.integers(1, 5, size=len(outputs))]
    value = sum((f * y for f, y in zip(factors, outputs, strict=True)), Fraction(0))
    terms = tuple((("Y", k), factor) for k, factor in enumerate(factors))
    tiny = Fraction(1, 2**200)
    for bound, answer in ((value, True), (value + tiny, True), (value - tiny, False)):
        assert confirm(network, (Inequality(terms, bound),), rational(point)) is answer


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("small", [True, False])
def test_rational_points_are_decided_in_rationals(
    seed: int, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng((132, seed))
    network, box = random_case(generator)
    if not small:
        monkeypatch.setattr(exact_evaluation, "_EXACT_WORK", 0)
    sample = box.spread(network.input_size).sample(1, generator)[0]
    point = tuple(Fraction(round(1000 * float(value)), 1000) for value in sample)
    outputs = exact_output(network, point)
    if small:
        assert exact_outputs(network, point) == outputs
    terms = tuple((("Y", k), Fraction(1, 3)) for k in range(len(outputs)))
    value = sum(outputs, Fraction(0)) / 3
    far = Fraction(1, 1000) * max(1, abs(value))
    assert confirm(network, (Inequality(terms, value + far, strict=True),), point)
    assert not confirm(network, (Inequality(terms, value - far),), point)
    # Where a network is too large for rationals, what hangs on the last bits stays open.
    if small:
        assert confirm(network, (Inequality(terms, value),), point)
    assert not confirm(network, (Inequality(terms, value, strict=True),), point)
    assert not confirm(network, (Inequality(terms, value - Fraction(1, 2**200)),), point)


def test_what_takes_too_long_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers grow with the denominators of a point, and a limit counts between layers."""
    network, box = random_case(np.random.default_rng(133))
    sample = box.spread(network.input_size).sample(1, np.random.default_rng(0))[0]
    point = rational(sample)
    longer = (point[0] + Fraction(1, 3**10_000), *point[1:])
    monkeypatch.setattr(exact_evaluation, "_EXACT_WORK", 2 * network.parameters)
    assert exact_outputs(network, point) is not None
    assert exact_outputs(network, longer) is None
    assert exact_outputs(network, point, Deadline(0.0)) is None
    value = exact_output(network, sample)[0]
    tie = (Inequality(((("Y", 0), Fraction(1)),), value),)
    assert confirm(network, tie, point)
    assert not confirm(network, tie, point, Deadline(0.0))


def test_a_rational_point_is_not_its_float_neighbour() -> None:
    network = Network.from_arrays([[[1.0]]], [[0.0]])
    third = Fraction(1, 3)
    for sign in (-1, 1):
        end = float_below(third) if sign > 0 else float_above(third)
        asked = (Inequality(((("Y", 0), Fraction(sign)),), sign * Fraction(end)),)
        assert not confirm(network, asked, (third,))
