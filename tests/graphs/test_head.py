"""The dense end of a graph gets the rewrites of a chain, whatever its activations are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, store

from leo_opt import Box, classify, load
from leo_opt.graphs import GraphCompression, compress_graph


def dense_end(*activate: Any, opset: int = 13, **constants: Any) -> Any:
    """A convolution, then from f rows of four units: two of which pass or are cut off, one that
    is a multiple of another, and one that varies."""
    return chain(
        node("Conv", "x w", "c"),
        node("Reshape", "c s", "f"),
        node("Gemm", "f m b", "h"),
        *activate,
        node("Gemm", "a v e", "y"),
        shape=(1, 1, 2, 2),
        out=(1, 2),
        opset=opset,
        w=np.ones((1, 1, 1, 1), np.float32),
        s=np.array([1, 4]),
        m=np.transpose(
            np.float32(
                [[1.0, 1.0, 1.0, 2.0], [-1.0, 0.5, 2.0, -2.0], [0.0] * 4, [2.0, 2.0, 2.0, 4.0]]
            )
        ),
        b=np.float32([-0.5, 9.0, -20.0, -1.0]),
        v=np.float32([[1.0, 2.0], [0.5, -1.0], [2.0, 0.25], [-1.0, 3.0]]),
        e=np.float32([0.5, 0.25]),
        **constants,
    )


def check(model: Any, folder: Path, widths: tuple[int, ...]) -> GraphCompression:
    """The smaller graph has hidden layers of these widths, and the same outputs."""
    path, box = store(model, folder), Box(0, 1)
    network = load(path)
    found = compress_graph(path, classify(network, box))
    points = box.spread(4).sample(50, np.random.default_rng(0))
    assert (np.abs(network(points) - found.network(points)) <= found.max_deviation + 1e-9).all()
    assert tuple(part.after for part in found.parts if part.name.startswith("dense")) == widths
    assert {proto.op_type for proto in found.model.graph.node} >= {"Conv", "Gemm"}
    onnx.checker.check_model(found.model, full_check=True)
    return found


@pytest.mark.parametrize(
    ("activate", "widths"),
    [
        pytest.param(node("Relu", "h", "a"), (2,), marks=pytest.mark.slow),
        (node("LeakyRelu", "h", "a", alpha=0.25), (2,)),
        pytest.param(node("PRelu", "h p", "a"), (3,), marks=pytest.mark.slow),
        (node("Clip", "h l u", "a"), (2,)),
    ],
    ids=lambda value: getattr(value, "op_type", ""),
)
def test_every_activation(activate: Any, widths: tuple[int, ...], tmp_path: Path) -> None:
    numbers = {"p": np.float32([0.25, 0.25, 0.5, 0.75])} if activate.op_type == "PRelu" else {}
    ends = {"l": np.float32(-1.0), "u": np.float32(6.0)} if activate.op_type == "Clip" else {}
    check(dense_end(activate, **numbers, **ends), tmp_path, widths)


def test_the_ends_of_a_clip_are_attributes_in_old_models(tmp_path: Path) -> None:
    found = check(dense_end(node("Clip", "h", "a", min=-1.0, max=6.0), opset=9), tmp_path, (2,))
    clips = [proto for proto in found.model.graph.node if proto.op_type == "Clip"]
    ends = {(end.name, end.f) for clip in clips for end in clip.attribute}
    assert ends == {("min", -1.0), ("max", 6.0)}
    assert {len(clip.input) for clip in clips} == {1}
