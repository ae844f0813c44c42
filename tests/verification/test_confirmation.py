"""The network's own answer about an input, exact where rounding would leave it open."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_output
from random_networks import random_case

from leo_opt.formats.formulas import Inequality
from leo_opt.verification.confirmation import confirm, exact_outputs


@pytest.mark.parametrize("seed", range(40))
def test_outputs_are_exact(seed: int) -> None:
    generator = np.random.default_rng((130, seed))
    network, box = random_case(generator)
    for point in box.spread(network.input_size).sample(3, generator):
        assert exact_outputs(network, point) == exact_output(network, point)


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
        assert confirm(network, (Inequality(terms, bound),), point) is answer
