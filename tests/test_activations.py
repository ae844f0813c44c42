"""What an activation says of itself follows from its pieces."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from leo_opt.activations import ACTIVATIONS, Activation, LinearPiece


def steps(*pieces: tuple[float, float, float]) -> Activation:
    return Activation(tuple(LinearPiece(*piece) for piece in pieces))


CLIP = steps((-np.inf, -1.0, 0.0), (-1.0, 2.0, 1.0), (2.0, np.inf, 0.0))
LEAKY = steps((-np.inf, 0.0, 0.25), (0.0, np.inf, 1.0))
VALUES = [Fraction(-7, 3), Fraction(-1), Fraction(-1, 3), Fraction(0), Fraction(5, 2), Fraction(4)]


@pytest.mark.parametrize("value", VALUES)
def test_values_in_rationals(value: Fraction) -> None:
    assert ACTIVATIONS["linear"].exact(value) == value
    assert ACTIVATIONS["relu"].exact(value) == max(value, 0)
    assert CLIP.exact(value) == min(max(value, Fraction(-1)), Fraction(2))
    assert LEAKY.exact(value) == max(value, value / 4)


@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), CLIP, LEAKY])
def test_floats_and_rationals_agree(activation: Activation) -> None:
    pre = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 2.0, 3.0])
    exact = [float(activation.exact(Fraction(float(x)))) for x in pre]
    assert activation(pre).tolist() == exact


@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), CLIP, LEAKY])
def test_facts_are_what_values_show(activation: Activation) -> None:
    pairs = [(x, y) for x in VALUES for y in VALUES if x < y]
    middle = all(
        2 * activation.exact((x + y) / 2) <= activation.exact(x) + activation.exact(y)
        for x, y in pairs
    )
    assert activation.convex == middle
    scaled = all(activation.exact(3 * x) == 3 * activation.exact(x) for x in VALUES)
    assert activation.homogeneous == scaled
    steepest = max((activation.exact(y) - activation.exact(x)) / (y - x) for x, y in pairs)
    assert activation.lipschitz == steepest
