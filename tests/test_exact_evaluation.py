"""Outputs without rounding are those of rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_output
from random_networks import random_case

from leo_opt.exact_evaluation import exact_outputs


@pytest.mark.parametrize("seed", range(40))
def test_outputs_are_exact(seed: int) -> None:
    generator = np.random.default_rng((130, seed))
    network, box = random_case(generator)
    for point in box.spread(network.input_size).sample(3, generator):
        assert exact_outputs(network, tuple(map(Fraction, point.tolist()))) == exact_output(
            network, point
        )
