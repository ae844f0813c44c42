"""The law of networks read from graphs: what the graph computes, exact phases, lossless rewriting.

By default a few graphs; `pytest -m slow` tries 2,000.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exact_stability import exact_stability, make_stability
from formats.onnx.onnx_models import session, store
from formats.onnx.random_graphs import IMAGE, random_graph
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel
from oracle import exact_deviation, exact_ranges
from seeds import seeds
from truth import check_intervals, count_phases

from leo_opt import Box, Cascade, Network, Stability, classify, compress, load, save
from leo_opt.bounds import propagate
from leo_opt.decisions import STAGES
from leo_opt.formats.onnx.evaluator import evaluate

_PHASED = 8
"""So many units are decided by every stage of `classify`."""
_EXACT = 24
"""With so many units brute force takes less than a second or two."""


def run(model: Any, points: np.ndarray) -> np.ndarray:
    """Outputs in float64, by onnxruntime where it has the operators in this type."""
    try:
        runner = session(model)
    except NoKernel:
        opsets = {"": model.opset_import[0].version}
        rows = [evaluate(model.graph, opsets, {"x": point[None]}, "the graph") for point in points]
        return np.concatenate([row[0] for row in rows])
    return np.concatenate([runner.run(None, {"x": point[None]})[0] for point in points])


def slab(generator: np.random.Generator, size: int) -> Box:
    """A box with two free inputs, small enough for brute force."""
    lower = generator.integers(-4, 5, size) / 4.0
    upper = lower.copy()
    upper[generator.choice(size, 2, replace=False)] += generator.integers(1, 5, 2) / 4.0
    return Box(lower, upper)


@pytest.mark.parametrize("seed", seeds(3, of=2000))
def test_random_graphs(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(seed)
    model = random_graph(generator)
    network = load(store(model, tmp_path))
    points = generator.standard_normal((4, *IMAGE[1:]))
    expected = run(model, points)
    actual = network(points.reshape(4, -1))
    assert np.abs(actual - expected).max() <= 1e-9 * (1.0 + np.abs(expected).max())
    check_laws(generator, network)


@pytest.mark.parametrize("seed", seeds(1, of=1000))
def test_random_graphs_as_sequential_networks(seed: int, tmp_path: Path) -> None:
    """Written as Gemm and Relu alone they do the same in onnxruntime, and in rationals if small."""
    generator = np.random.default_rng((9, seed))
    model = random_graph(generator)
    network = load(store(model, tmp_path))
    box, small = slab(generator, network.input_size), count_phased(network) <= _EXACT
    known = exact_stability(network, box) if small else cheap_stability(network, box)
    found = compress(network, known, form="chain")
    target = tmp_path / "chain.onnx"
    save(found.network, target, dtype="float64")
    made = onnx.load(target)
    operators = [node.op_type for node in made.graph.node]
    operators = [word for word in operators if word not in ("Flatten", "Reshape")]
    assert operators == (["Gemm", "Relu"] * len(operators))[: len(operators)]
    points = box.sample(8, generator).reshape(-1, *IMAGE[1:])
    before, after = run(model, points), run(made, points)
    room = 1e-9 * (1.0 + np.abs(before).max())
    assert (np.abs(before - after) <= found.max_deviation + room).all()
    if small:
        worst = exact_deviation(found.original, found.network, box)
        limits = map(Fraction, found.max_deviation.tolist())
        assert all(moved <= limit for moved, limit in zip(worst, limits, strict=True))


def cheap_stability(network: Network, box: Box) -> Stability:
    return classify(network, box, strategy=Cascade(stages=()))


def check_laws(generator: np.random.Generator, network: Network) -> None:
    """Bounds hold, verdicts are those of brute force, `compress` changes what it says at most."""
    box, phased = slab(generator, network.input_size), count_phased(network)
    if phased > _EXACT or any(set(layer.tags) - {"relu", "linear"} for layer in network.layers):
        check_at_points(generator, network, box)
        return
    best, ranges = exact_stability(network, box), exact_ranges(network, box)
    for method in ("interval", "crown"):
        bounds = propagate(network, box, method)
        for layer in range(len(network.layers)):
            check_intervals(make_stability(network, bounds, bounds), layer, ranges[layer])
    found = classify(network, box, strategy=Cascade(stages=STAGES if phased <= _PHASED else ()))
    if phased <= _PHASED:
        count_phases(network, box, found, 2e-6)
    for stability in (best, found):
        compression = compress(network, stability)
        worst = exact_deviation(network, compression.network, box)
        for moved, limit in zip(worst, compression.max_deviation.tolist(), strict=True):
            assert moved <= Fraction(limit)


def count_phased(network: Network) -> int:
    """Number of units with more than one piece."""
    return sum(int(layer.phased.sum()) for layer in network.layers)


def check_at_points(generator: np.random.Generator, network: Network, box: Box) -> None:
    """The laws at some points, with room for the rounding of evaluation."""
    points = box.sample(50, generator)
    bounds = propagate(network, box)
    pairs = zip(network.pre_activations(points), bounds.lower, bounds.upper, strict=True)
    for pre, low, high in pairs:
        room = 1e-9 * (1.0 + np.abs(pre))
        assert ((low <= pre + room) & (pre - room <= high)).all()
    compression = compress(network, classify(network, box, strategy=Cascade(stages=())))
    before, after = network(points), compression.network(points)
    room = 1e-9 * (1.0 + np.abs(before).max())
    assert (np.abs(before - after) <= compression.max_deviation + room).all()
