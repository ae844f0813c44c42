"""Graphs of parts compute what the parts do, and cost what is stored of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, store
from graphs.random_convolutions import random_convolutions
from seeds import seeds

from leo_opt import Box, approximate, frontier, load, propagate
from leo_opt.approximation import MultiplyAdds, Parameters
from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.stages import relative
from leo_opt.approximation.targets import LayerTarget
from leo_opt.deviation import reading_deviation
from leo_opt.errors import InvalidInputError
from leo_opt.formats.onnx.reader import lower
from leo_opt.graphs import imitation
from leo_opt.graphs.imitation import GraphCalibration, cost_of
from leo_opt.report.approximation_run import describe_approximation


@dataclass(frozen=True)
class AnyParts(Method):
    """Parts of every form, which are near nothing."""

    generator: np.random.Generator

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        draw, (height, width) = self.generator, target.weight.shape
        count = int(draw.integers(1, 3))
        groups: tuple[Any, ...] = ()
        rank = int(draw.integers(0, 3))
        right = draw.normal(size=(rank, width))
        left, sparse = draw.normal(size=(height, rank)), draw.normal(size=(height, width))
        if rank == 2 and target.channels and target.channels % count == 0 and count > 1:
            groups = tuple(np.split(draw.permutation(target.channels), count))
            for row, own in zip(right.reshape(rank, target.channels, -1), groups, strict=True):
                row[np.setdiff1d(np.arange(target.channels), own)] = 0.0
        form = draw.integers(4)
        if form == 0:
            sparse[:] = 0.0
        elif form == 1:
            sparse.reshape(height, width // target.window, -1)[
                :, draw.random(width // target.window) < 0.7
            ] = 0.0
        elif form == 2:
            rows = draw.random(height) < 0.5
            sparse[rows], left[~rows] = 0.0, 0.0
        return replace(Parts.of(draw.normal(size=height), left, right, sparse), groups=groups)


@pytest.mark.parametrize("seed", seeds(1, 60))
def test_what_is_built_computes_the_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imitation, "FEWEST", 1)
    generator = np.random.default_rng(seed)
    lowered = lower(random_convolutions(generator))
    data = generator.normal(size=(6, lowered.network.input_size))
    calibration = GraphCalibration(lowered, data)
    assert np.allclose(calibration.tensors["y"], lowered.network(data))
    rooms = {index: Room(10) for index in calibration.matrices}
    made = calibration.imitate(AnyParts(generator), rooms)
    built = calibration.build(made)
    off = built.network(data) - lowered.network(data)
    size = np.linalg.norm(lowered.network(data)) or 1.0
    assert np.linalg.norm(off) / size == pytest.approx(made.error, rel=1e-6, abs=1e-9)
    # What nothing reads any more has gone, so that it may be less.
    parts = sum(one.cost.parameters for one in made.substitutes)
    whole = sum(one.matrix.cost(None).parameters for one in made.substitutes)
    others = cost_of(lowered, sparse=False).parameters - whole
    assert calibration.cost(built).parameters <= parts + others


def small(folder: Path, seed: int = 0) -> tuple[Path, np.ndarray]:
    """A convolution whose channels fall into two groups, pooled, and a dense end."""
    generator = np.random.default_rng(seed)
    second = generator.normal(size=(12, 8, 3, 3)) / 9
    # Of either half of the channels two filters are enough.
    for half in np.split(np.arange(8), 2):
        filters = generator.normal(size=(2, 4 * 9))
        second[:, half] = (generator.normal(size=(12, 2)) @ filters).reshape(12, 4, 3, 3) / 9
    path = store(
        chain(
            node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("Conv", "r v d", "s", strides=[2, 2], pads=[1, 1, 1, 1]),
            node("Relu", "s", "t"),
            node("AveragePool", "t", "p", kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", "p", "f", axis=1),
            node("Gemm", "f m", "y", transB=1),
            shape=("N", 1, 8, 8),
            w=np.float32(generator.normal(size=(8, 1, 3, 3))),
            b=np.float32(generator.normal(size=8)),
            v=np.float32(second),
            d=np.float32(generator.normal(size=12)),
            m=np.float32(generator.normal(size=(3, 48)) / 7),
        ),
        folder,
    )
    return path, generator.random((60, 1, 8, 8))


def test_units_count_by_what_reads_them(tmp_path: Path) -> None:
    path, data = small(tmp_path)
    lowered = lower(onnx.load(path))
    matrices = GraphCalibration(lowered, data.reshape(60, -1)).matrices
    constants = {
        one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer
    }
    second = np.einsum("oikl,ojkl->ij", constants["v"], constants["v"], dtype=float)
    end = np.einsum("oip,ojp->ij", *2 * [constants["m"].reshape(3, 12, 4)], dtype=float)
    for made, products in zip(matrices.values(), (second, end), strict=False):
        assert np.allclose(made.readers, relative(products, made.units))


def test_a_convolution_becomes_one_in_groups_and_one_of_1x1(tmp_path: Path) -> None:
    path, data = small(tmp_path)
    sizes = frontier(path, data, method="filter-groups:groups=2")
    made = sizes.pick(0.7)
    operators = Counter(proto.op_type for proto in made.model.graph.node)
    assert operators["Conv"] == 3
    groups = [
        entry.i
        for proto in made.model.graph.node
        for entry in proto.attribute
        if entry.name == "group"
    ]
    assert 2 in groups
    # Nothing is lost where the ranks allow it.
    assert made.response_error < 0.02
    stored = sum(int(np.prod(tensor.dims)) for tensor in made.model.graph.initializer)
    assert stored == made.cost.parameters
    assert made.share == stored / made.cost_before.parameters <= 0.7
    assert made.cost_before.parameters == 72 + 8 + 864 + 12 + 144
    # Windows count as often as they are multiplied.
    assert made.cost_before.multiply_adds == 72 * 64 + 864 * 16 + 144
    onnx.save(made.model, tmp_path / "made.onnx")
    assert np.allclose(
        load(tmp_path / "made.onnx")(data.reshape(60, -1)), made.network(data.reshape(60, -1))
    )
    with pytest.raises(InvalidInputError, match="make another frontier"):
        sizes.pick(MultiplyAdds(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hard:rounds=1", "svd", "magnitude", "low-rank-sparse:steps=5"])
def test_other_methods_keep_budgets_and_bounds(method: str, tmp_path: Path) -> None:
    path, data = small(tmp_path)
    budget = MultiplyAdds(0.6) if method == "svd" else Parameters(0.6)
    domain = (0, 1) if method == "magnitude" else None
    made = approximate(path, data, method=method, budget=budget, domain=domain)
    assert budget.cost(made.cost) <= 0.6 * budget.cost(made.cost_before)
    points = np.random.default_rng(1).random((200, 64))
    apart = np.abs(made.network(points) - load(path)(points)).max(axis=0)
    if domain:
        assert made.max_deviation is not None
        assert (apart <= made.max_deviation).all()
    assert made.response_error < 0.6


@pytest.mark.system
def test_sizes_of_a_graph_can_be_chosen_by_proof(tmp_path: Path) -> None:
    """Each step of the walk is weighed by the bound with one matrix alone replaced."""
    path, data = small(tmp_path)
    domain = Box(0.0, 1.0)
    sizes = frontier(path, data, method="svd", domain=domain, allocation="deviation")
    calibration, price = sizes.search.calibration, sizes.search.price
    assert price is not None
    network = sizes.subject.network(calibration.build_alone())
    bounds = propagate(network, domain)
    largest = max(np.abs(side[-1]).max() for side in (bounds.lower, bounds.upper))
    points = domain.spread(network.input_size).sample(500, np.random.default_rng(0))
    for index, matrix in calibration.matrices.items():
        room = sizes.search.budget.room(0.4 * matrix.cost(None).parameters, matrix.positions)
        parts = sizes.search.method.fit(calibration.target(index), room)
        alone = sizes.subject.network(calibration.build_alone(index, parts))
        off = np.abs(alone(points) - network(points)).max()
        assert 0.0 < off / largest <= price(index, parts)
    made = sizes.pick(0.6)
    assert made.share <= 0.6
    assert (made.difference.found <= made.max_deviation).all()


def test_what_reading_the_new_graph_rounds_counts(tmp_path: Path) -> None:
    """Pooling divides by 9, which no float64 is: what is proved from file to file says so."""
    generator = np.random.default_rng(0)
    path = store(
        chain(
            node("AveragePool", "x", "p", kernel_shape=[3, 3], strides=[3, 3]),
            node("Conv", "p w b", "c"),
            node("Relu", "c", "r"),
            node("Flatten", "r", "f", axis=1),
            node("Gemm", "f m", "y", transB=1),
            shape=("N", 1, 9, 9),
            w=np.float32(generator.normal(size=(6, 1, 2, 2))),
            b=np.float32(generator.normal(size=6)),
            m=np.float32(generator.normal(size=(3, 24))),
        ),
        tmp_path,
    )
    data = generator.random((60, 1, 9, 9))
    made = approximate(path, data, method="svd", budget=Parameters(0.8), domain=(0, 1))
    told = describe_approximation(made, "float32")
    again = reading_deviation(made.network, propagate(made.network, made.domain))
    assert made.model is not None
    assert again.max() > 0.0
    apart = np.array([told["max_deviation_read"], told["max_deviation"], again.min()])
    assert told["max_deviation_written"] >= apart.sum() > told["max_deviation"]
