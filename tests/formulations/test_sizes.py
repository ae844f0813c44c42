"""Sizes of models that are told before they are made."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_box, random_network

from leo_opt import Box, Network, formulate
from leo_opt.bounds import propagate
from leo_opt.encoding import Encoding
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import FORMULATIONS, find
from leo_opt.formulations.sizes import size_of
from leo_opt.solvers import find as find_solver


@pytest.mark.parametrize("name", FORMULATIONS)
def test_the_size_that_is_told_beforehand_is_no_larger_than_the_model(name: str) -> None:
    exact = 0
    for seed in range(12):
        generator = np.random.default_rng(seed)
        network = random_network(generator)
        box = random_box(generator, network.input_size).spread(network.input_size)
        bounds, way = propagate(network, box), find(name)
        size, form = (
            size_of(way, network.layers, bounds),
            Encoding.of(network, box, bounds, way).form,
        )
        rows, columns = find_solver("highs").size(form)
        assert size.rows <= rows
        assert size.columns <= columns
        exact += (size.rows, size.columns) == (rows, columns)
    assert exact or name in ("convex-hull", "partition")


def test_a_model_without_room_is_not_formulated() -> None:
    network = Network.from_arrays([[[1.0], [2.0]], [[1.0, 1.0]]], [None, None])
    with pytest.raises(InvalidInputError, match="of 4 weights needs about"):
        formulate(network, Box(-1, 1), memory=1e-6)
    assert formulate(network, Box(-1, 1), memory=1e-5) is not None
