"""`partition`: what its parts are bounded by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from random_networks import random_case

from leo_opt import Box, Network, formulate, propagate
from leo_opt.enclosure import evaluate
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import Partition
from leo_opt.formulations.partition import Part
from leo_opt.solvers import compile_model, find
from leo_opt.testing import check_formulation


def dense_case(seed: int) -> tuple[Network, Box]:
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=(m, n)) for n, m in pairwise((4, 8, 8, 8, 1))]
    biases = [0.3 * generator.normal(size=len(w)) for w in weights]
    return Network.from_arrays(weights, biases), Box(-0.5, 0.5).spread(4)


def cases() -> Iterator[tuple[int, Network, Box]]:
    for seed in range(40):
        network, box = random_case(np.random.default_rng(seed))
        yield seed, network, box.spread(network.input_size)
    for seed in range(6):
        yield seed, *dense_case(seed)


def sums_at(
    block: Any, network: Network, inputs: np.ndarray, layer: int, part: Part
) -> tuple[np.ndarray, float]:
    """A part's sum at inputs (N, n), and what float64 may have made of it.

    Weights over the scaled post-activations of layer - 1.
    """
    pre, radius = list(evaluate(network, inputs))[layer - 1]
    post = network.layers[layer - 1].activate(pre)
    held = block.posts[layer - 1].scaling.kept.tolist()
    scale = np.array([block.scale[layer - 1, u] for u in held])
    shift = np.array([block.shift[layer - 1, u] for u in held])
    values = (scale * (post[:, held] - shift))[:, part.members] @ part.weights
    # Activations enlarge no error.
    errors = (scale * (radius[:, held] + 1e-15 * np.abs(shift)))[:, part.members]
    return values, 1e-9 + float((errors @ np.abs(part.weights)).max())


def test_no_input_of_the_domain_leaves_the_bounds_of_a_part() -> None:
    tight = 0
    for seed, network, box in cases():
        generator = np.random.default_rng(seed)
        block = formulate(network, box, formulation=Partition(3, part_bounds="crown"))
        loose = Partition(3).split_units(block.units)
        corners = box.vertices(generator.normal(size=(40, box.size)))
        inputs = np.vstack([box.sample(40, generator), corners])
        for index, (_, part) in block.formulation.split_units(block.units).items():
            wide = loose[index][1]
            assert wide.lower <= part.lower <= part.upper <= wide.upper
            if index[0] == 0:
                assert (part.lower, part.upper) == (wide.lower, wide.upper)
                continue
            values, slack = sums_at(block, network, inputs, index[0], part)
            assert part.lower - slack <= values.min()
            assert values.max() <= part.upper + slack
            tight += part.upper - part.lower < 0.95 * (wide.upper - wide.lower)
    assert tight > 20


def test_a_smaller_box_than_that_of_the_bounds_gives_tighter_parts() -> None:
    network, box = dense_case(0)
    bounds = propagate(network, box)
    small = Box(0.2, 0.25).spread(4)
    block = formulate(network, small, formulation=Partition(2, part_bounds="crown"), bounds=bounds)
    whole = formulate(network, box, formulation=Partition(2, part_bounds="crown"), bounds=bounds)
    wide = whole.formulation.split_units(whole.units)
    parts = block.formulation.split_units(block.units)
    deep = [index for index in parts if index[0] == 1]
    assert deep
    for index in deep:
        assert parts[index][1].upper - parts[index][1].lower < 0.95 * (
            wide[index][1].upper - wide[index][1].lower
        )
        inputs = small.sample(50, np.random.default_rng(0))
        values, slack = sums_at(block, network, inputs, index[0], parts[index][1])
        assert parts[index][1].lower - slack <= values.min()
        assert values.max() <= parts[index][1].upper + slack


@pytest.mark.parametrize("parts", [2, 4])
def test_tighter_parts_make_a_tighter_relaxation_of_the_same_size(parts: int) -> None:
    gains = []
    for seed in range(4):
        network, box = dense_case(seed)
        bounds, sizes = [], []
        for how in ("interval", "crown"):
            block = formulate(network, box, formulation=Partition(parts, part_bounds=how))
            compiled = compile_model(block)
            objective, constant = compiled.linear(block.outputs[0])
            with find("highs").open(compiled.form) as session:
                answer = session.maximize(objective, constant=constant, relaxation=True)
            bounds.append(answer.objective_bound)
            sizes.append((compiled.form.rows, compiled.form.columns))
        assert sizes[0] == sizes[1]
        assert bounds[1] <= bounds[0] + 1e-6
        gains.append(bounds[0] - bounds[1])
    assert max(gains) > 1e-3


@pytest.mark.slow
def test_the_suite_passes_with_tighter_parts() -> None:
    check_formulation(Partition(parts=3, split="uneven-magnitudes", part_bounds="crown"))


def test_options_that_are_none() -> None:
    with pytest.raises(InvalidInputError, match="interval, crown"):
        Partition(part_bounds="lp")
    with pytest.raises(InvalidInputError, match="uneven-magnitudes"):
        Partition(split="snake")
    with pytest.raises(InvalidInputError, match="parts is 0; it must be positive"):
        Partition(parts=0)
