"""Graphs with branches, joins, convolutions and pools against onnxruntime, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, session, store
from networks import find_network

from leo_opt.errors import UnsupportedOperatorError
from leo_opt.formats import load

GENERATOR = np.random.default_rng(0)
IMAGE = (1, 2, 6, 5)


def floats(*shape: int) -> np.ndarray:
    return GENERATOR.standard_normal(shape).astype(np.float32)


CASES: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "residual": ([node("Relu", "x", "a"), node("Add", "a x", "y")], {}),
    "conv": (
        [node("Conv", "x k b", "y", pads=[1, 0, 2, 1], strides=[2, 1])],
        {"k": floats(4, 2, 3, 2), "b": floats(4)},
    ),
    "groups": (
        [node("Conv", "x k", "y", group=2, strides=[2, 1], auto_pad="SAME_UPPER")],
        {"k": floats(4, 1, 2, 3)},
    ),
    "transposed": (
        [
            node(
                "ConvTranspose",
                "x k b",
                "y",
                strides=[2, 3],
                pads=[1, 0, 0, 1],
                output_padding=[1, 0],
            )
        ],
        {"k": floats(2, 3, 3, 3), "b": floats(3)},
    ),
    "conv of conv": (
        [node("Conv", "x k", "a"), node("Conv", "a l", "y")],
        {"k": floats(3, 2, 2, 2), "l": floats(2, 3, 2, 2)},
    ),
    "max pool": (
        [node("MaxPool", "x", "y", kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 2])],
        {},
    ),
    "ceiling": ([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], {}),
    "ceiling of nothing": (
        [node("MaxPool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)],
        {},
    ),
    "average pool": ([node("AveragePool", "x", "y", kernel_shape=[3, 2], pads=[1, 0, 1, 1])], {}),
    "padded average": (
        [
            node(
                "AveragePool", "x", "y", kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1
            )
        ],
        {},
    ),
    "global": (
        [
            node("GlobalAveragePool", "x", "a"),
            node("GlobalMaxPool", "x", "b"),
            node("Sub", "a b", "y"),
        ],
        {},
    ),
    "leaky": (
        [node("LeakyRelu", "x", "a", alpha=0.2), node("PRelu", "a s", "y")],
        {"s": floats(2, 1, 1)},
    ),
    "leaky by default": ([node("LeakyRelu", "x", "y")], {}),
    "abs": ([node("Abs", "x", "a"), node("Neg", "a", "y")], {}),
    "clip": (
        [node("Clip", "x lo hi", "a"), node("HardSigmoid", "a", "y")],
        {"lo": np.float32(-0.5), "hi": np.float32(6.0)},
    ),
    "max": (
        [node("Max", "x c", "a"), node("Neg", "x", "b"), node("Min", "a b c", "y")],
        {"c": floats(5)},
    ),
    "layout": (
        [
            node("Transpose", "x", "a", perm=[0, 2, 3, 1]),
            node("Slice", "a from to", "b"),
            node("Pad", "b pads v", "c"),
            node("Concat", "c c", "y", axis=1),
        ],
        {
            "from": np.array([0, 1]),
            "to": np.array([1, 6]),
            "v": np.float32(0.5),
            "pads": np.array([0, 1, 0, 2, 0, 0, 1, 0]),
        },
    ),
    "where": (
        [node("Relu", "x", "a"), node("Where", "mask a x", "y")],
        {"mask": np.arange(60).reshape(IMAGE) % 2 == 0},
    ),
    "matmul": (
        [node("MatMul", "w x", "a"), node("MatMul", "a v", "y")],
        {"w": floats(2, 3, 6), "v": floats(5, 4)},
    ),
    "einsum": (
        [
            node("Einsum", "x w", "a", equation="nchw,kw->hkn"),
            node("Einsum", "a", "b", equation="hkn->kh"),
            node("Relu", "b", "c"),
            node("Einsum", "v c", "y", equation="kh,kh"),
        ],
        {"w": floats(4, 5), "v": floats(4, 6)},
    ),
    "cumulated": (
        [
            node("CumSum", "x one", "a"),
            node("CumSum", "a last", "y", reverse=1, exclusive=1),
        ],
        {"one": np.array(2), "last": np.array(-1)},
    ),
    "means": (
        [
            node("ReduceMean", "x", "a", axes=[1, 3], keepdims=0),
            node("ReduceMax", "x", "b", axes=[1, 3], keepdims=0),
            node("Sum", "a b", "y"),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_compute_what_the_runtime_computes(name: str, tmp_path: Path):
    nodes, given = CASES[name]
    for index, entry in enumerate(nodes):
        entry.name = f"node{index}"
    model = chain(*nodes, shape=IMAGE, out=None, opset=13, **given)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    network = load(store(model, tmp_path))
    runner = session(model)
    for _ in range(5):
        image = GENERATOR.standard_normal(IMAGE).astype(np.float32)
        [expected] = runner.run(None, {"x": image})
        actual = network(image.ravel().astype(np.float64))
        assert network.signature.output_shape == expected.shape
        assert np.abs(actual - expected.ravel()).max() <= 1e-4


LOWERED = {"linear", "relu"}


@pytest.mark.parametrize(
    ("step", "constants", "tags"),
    [
        (node("LeakyRelu", "x", "y", alpha=0.1), [], {f"leaky-relu({float(np.float32(0.1))})"}),
        (node("PRelu", "x a", "y"), [[[[0.25]], [[0.0]]] * 2], {"leaky-relu(0.25)", "relu"}),
        (node("PRelu", "x a", "y"), [-1.0], LOWERED),
        (node("PRelu", "x a", "y"), np.linspace(0, 0.9, 120).reshape(1, 4, 6, 5), LOWERED),
        (node("Clip", "x a b", "y"), [-1.0, 6.0], {"clip(-1,6)"}),
        (node("Clip", "x a b", "y"), [1.0, 6.0], LOWERED),
        (node("HardSigmoid", "x", "y"), [], {"clip(0,1)"}),
    ],
)
def test_activations_of_the_table_are_kept(step: Any, constants: Any, tags: set, tmp_path: Path):
    given = dict(zip("ab", map(np.float32, constants), strict=False))
    network = load(store(chain(step, shape=(1, 4, 6, 5), out=None, **given), tmp_path))
    assert {tag for layer in network.layers for tag in layer.tags} == tags


def test_slopes_that_a_float32_file_would_round_are_lowered(tmp_path: Path):
    model = chain(node("PRelu", "x a", "y"), shape=(1, 3), out=None, a=np.array([0.1]))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    assert {tag for k in load(store(model, tmp_path)).layers for tag in k.tags} == LOWERED


def test_models_of_scikit_learn_are_read(tmp_path: Path):
    """Their scaler computes in float32 whatever it is given, and a linear model is one node."""
    learned = {"domain": "ai.onnx.ml"}
    scaler = node("Scaler", "x", "a", offset=[0.3, -1.7], scale=[0.37, 2.9], **learned)
    regressor = node(
        "LinearRegressor", "b", "y", coefficients=[0.5, -2.0, 3.1, 1.0], targets=2, **learned
    )
    model = chain(scaler, node("MatMul", "a w", "c"), node("Relu", "c", "b"), regressor)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 1))
    network = load(store(model, tmp_path))
    sample = GENERATOR.standard_normal((5, 2)).astype(np.float32)
    [expected] = session(model).run(None, {"x": sample})
    assert np.abs(network(sample.astype(np.float64)) - expected).max() <= 1e-4


def test_several_inputs_and_outputs_are_one_vector_with_named_parts(tmp_path: Path):
    model = chain(node("MatMul", "x w", "a"), node("Add", "a u", "y"), node("Relu", "y", "z"))
    for side, name in (("input", "u"), ("output", "z")):
        extra = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("N", 2))
        getattr(model.graph, side).append(extra)
    network = load(store(model, tmp_path))
    assert network([1.0, 1.0, -5.0, 1.0]).tolist() == [-1.0, 3.0, 0.0, 3.0]
    assert [name for name, _ in network.signature.inputs] == ["x", "u"]
    assert [name for name, _ in network.signature.outputs] == ["y", "z"]


def test_a_graph_that_keeps_inputs_apart_but_no_batch_is_read_as_one_input(tmp_path: Path):
    model = chain(node("Reshape", "x other", "y"), other=np.array([2, -1]))
    assert load(store(model, tmp_path)).signature.input_shape == (1, 2)


MIXED = {
    "ReduceMean": [node("ReduceMean", "a", "m", axes=[0], keepdims=1), node("Sub", "a m", "y")],
    "ReduceMax": [node("ReduceMax", "a", "m", axes=[0]), node("Sub", "a m", "y")],
    "CumSum": [node("CumSum", "a first", "y")],
    "Gather": [node("Gather", "a first", "m", axis=0), node("Add", "a m", "y")],
    "ReduceProd": [
        node("Shape", "a", "s"),
        node("Cast", "s", "f", to=1),
        node("ReduceProd", "f", "p", keepdims=0),
        node("Mul", "a p", "y"),
    ],
    "Concat": [node("Concat", "a a", "y", axis=0)],
}


@pytest.mark.parametrize("operator", MIXED)
def test_a_batch_that_the_graph_mixes_is_refused(operator: str, tmp_path: Path):
    nodes = [node("MatMul", "x w", "a"), *MIXED[operator]]
    path = store(chain(*nodes, first=np.array(0)), tmp_path)
    who = {"ReduceProd": "Cast", "Concat": "the graph"}.get(operator, operator)
    with pytest.raises(UnsupportedOperatorError, match=rf"{who} .*mixes the inputs of a batch"):
        load(path)
    # One input at a time is what it says.
    assert load(store(chain(*nodes, shape=(1, 2), out=None, first=np.array(0)), tmp_path))


def test_weights_of_a_residual_block_are_exact(tmp_path: Path):
    nodes = [
        node("Relu", "x", "a"),
        node("MatMul", "a w", "b"),
        node("Relu", "b", "c"),
        node("MatMul", "c w", "d"),
        node("Add", "d a", "e"),
        node("Relu", "e", "y"),
    ]
    network = load(store(chain(*nodes), tmp_path))
    assert network.rounding == ()
    assert [layer.label for layer in network.layers] == ["relu", "2 relu + 2 linear", "relu"]
    assert network.layers[1].lanes.tolist() == [-1, -1, 0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10_resnet/resnet_2b", "oval21/cifar_base_kw"])
def test_real_convolutions_load(name: str):
    network = load(find_network(f"real/{name}.onnx"))
    assert network.input_size == 3072


def test_a_runtime_that_fails_on_a_file_has_no_opinion(tmp_path: Path) -> None:
    """onnxruntime takes no dilations with `auto_pad`, and says so only while it runs."""
    conv = node("Conv", "x k", "y", auto_pad="SAME_UPPER", dilations=[2], kernel_shape=[3])
    kernel = np.array([[[1.0, 10.0, 100.0]]], np.float32)
    model = chain(conv, shape=(1, 1, 5), out=(1, 1, 5), k=kernel)
    network = load(store(model, tmp_path))
    np.testing.assert_allclose(network(np.eye(5)[2]), [100.0, 0.0, 10.0, 0.0, 1.0])
