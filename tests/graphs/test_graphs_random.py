"""The law of graphs made smaller: the same outputs on the domain, and nothing else is changed.

By default a few graphs; `pytest -m slow` tries 1,000.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exact_stability import exact_stability
from formats.onnx.onnx_models import store
from formats.onnx.random_graphs import random_graph
from formats.onnx.test_onnx_random_graphs import count_phased, run, slab
from graphs.random_convolutions import random_convolutions
from oracle import exact_deviation
from seeds import seeds

from leo_opt import Box, Cascade, classify, load, rectified
from leo_opt.bounds import propagate
from leo_opt.deviation import reading_deviation
from leo_opt.graphs import GraphCompression, compress_graph

_EXACT = 20
SIZED = ("Expand", "Gather", "Reshape", "Slice", "Split")
"""Operators with inputs that say how many there are, or which."""


@pytest.mark.parametrize("seed", seeds(2, of=300))
def test_random_graphs_made_smaller(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng((7, seed))
    model = random_graph(generator, dead=0.4)
    path = store(model, tmp_path)
    check_law(model, path, slab(generator, load(path).input_size), generator)


@pytest.mark.parametrize("seed", seeds(5, of=1000))
def test_random_convolutions_made_smaller(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng((8, seed))
    model = random_convolutions(generator)
    path = store(model, tmp_path)
    size = load(path).input_size
    box = slab(generator, size) if seed % 2 else Box(0, 1).spread(size)
    check_law(model, path, box, generator)


def check_law(model: Any, path: Path, box: Box, generator: np.random.Generator) -> None:
    """The smaller graph computes the same at points of the box, and in rationals if it is small."""
    network = load(path)
    exact = count_phased(network) <= _EXACT and np.count_nonzero(box.lower < box.upper) == 2
    stability = (
        exact_stability(rectified(network), box)
        if exact
        else classify(network, box, strategy=Cascade(stages=()))
    )
    found = compress_graph(path, stability)
    points = box.sample(8, generator)
    image = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim][1:]
    before, after = (run(m, points.reshape(-1, *image)) for m in (model, found.model))
    room = 1e-9 * (1.0 + np.abs(before).max())
    assert (np.abs(before - after) <= found.max_deviation + room).all()
    assert found.parameters[1] <= found.parameters[0] + sum(part.after for part in found.parts)
    check_untouched(model, found)
    if not exact:
        return
    # Both files are read with a rounding of their own.
    limits = [
        sum(map(Fraction, terms))
        for terms in zip(
            found.max_deviation.tolist(),
            reading_deviation(network, propagate(network, box)).tolist(),
            reading_deviation(found.network, propagate(found.network, box)).tolist(),
            strict=True,
        )
    ]
    worst = exact_deviation(network, found.network, box)
    assert all(moved <= limit for moved, limit in zip(worst, limits, strict=True))


def check_untouched(model: Any, found: GraphCompression) -> None:
    """What has lost no slice, and reads none that did, is the original's, byte for byte."""
    onnx.checker.check_model(found.model, full_check=True)
    nodes = {tuple(node.output): node for node in model.graph.node}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    same = all(part.before == part.after for part in found.parts)
    # What a node adds can be changed, and the sizes that a Reshape makes.
    changeable = {
        name
        for node in found.model.graph.node
        for name in (*node.input[2:], *(node.input[1:] if node.op_type in SIZED else ()))
    }
    for tensor in found.model.graph.initializer:
        before = stored.get(tensor.name)
        assert before is not None or not same
        if before is not None and (same or tensor.dims == before.dims):
            assert tensor == before or (tensor.name in changeable and not same)
    for node in found.model.graph.node:
        before = nodes.get(tuple(node.output))
        assert node == before or not same
        if before is not None and node.op_type == before.op_type not in ("Conv", "ConvTranspose"):
            assert node.attribute == before.attribute or node.output == model.graph.node[-1].output
