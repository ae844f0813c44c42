"""`load` on ONNX files that hold no network: errors of one line that name what is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from formats.onnx_models import chain, node, store
from formats.random_onnx import random_model
from onnx import TensorProto, helper

from leo_opt.errors import FileFormatError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats import load

UNSUPPORTED = {
    "operator": ([node("Sigmoid", "x", "y")], "Sigmoid 'mySigmoid' is not supported"),
    "domain": ([node("Relu", "x", "y", domain="ai.test")], "ai.test.Relu"),
    "residual": ([node("MatMul", "x w", "a"), node("Add", "a x", "y")], "branches or joins"),
    "square": ([node("Mul", "x x", "y")], "branches or joins"),
    "inverse": ([node("Div", "w x", "y")], "divides a constant"),
    "integers": ([node("Cast", "x", "y", to=TensorProto.INT32)], "casts"),
    "half": ([node("Cast", "x", "y", to=TensorProto.FLOAT16)], "casts"),
    "permutation": (
        [
            node("Unsqueeze", "x axes", "a"),
            node("Concat", "a", "b", axis=1),
            node("Transpose", "b", "y", perm=[0, 2, 1]),
        ],
        "Concat",
    ),
    "random": (
        [node("RandomNormal", "", "r", shape=[2, 2]), node("MatMul", "x r", "y")],
        "RandomNormal 'myRandomNormal' computes a constant",
    ),
    "training": (
        [node("Identity", "true", "t"), node("Dropout", "x half t", "y")],
        "training mode",
    ),
    "statistics": (
        [node("BatchNormalization", "x one one one one", "y m v", training_mode=1)],
        "training mode",
    ),
    "old statistics": (
        [node("BatchNormalization", "x one one one one", "y m v sm sv")],
        "training mode",
    ),
    "batch": ([node("Reshape", "x mixed", "y")], "batch axis"),
    "repeat": ([node("Add", "x cube", "y")], "does not spread"),
    "output constant": ([node("Identity", "w", "y")], "not the end of the chain"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_is_no_chain_is_refused_by_name(case: str, tmp_path: Path):
    nodes, words = UNSUPPORTED[case]
    model = chain(
        *nodes,
        axes=np.array([1]),
        true=np.array(True),
        half=np.array(0.5, np.float32),
        mixed=np.array([2, -1]),
        one=np.ones(2, np.float32),
        cube=np.ones((3, 1, 2), np.float32),
    )
    with pytest.raises(UnsupportedOperatorError, match=words) as caught:
        load(store(model, tmp_path))
    assert "\n" not in str(caught.value)


def test_reordering_transpose_is_refused(tmp_path: Path):
    model = chain(node("Transpose", "x", "y", perm=[0, 2, 1]), shape=("N", 2, 3), out=("N", 3, 2))
    with pytest.raises(UnsupportedOperatorError, match="reorders the values"):
        load(store(model, tmp_path))


@pytest.mark.parametrize(("side", "name"), [("input", "u"), ("output", "z")])
def test_several_inputs_or_outputs_are_refused_by_name(side: str, name: str, tmp_path: Path):
    model = chain(node("MatMul", "x w", "y"), node("Relu", "y", "z"))
    extra = helper.make_tensor_value_info(name, TensorProto.FLOAT, ("N", 2))
    getattr(model.graph, side).append(extra)
    with pytest.raises(UnsupportedOperatorError, match=f"2 {side}s .*'{name}'"):
        load(store(model, tmp_path))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1, np.nan], [0, 0]], np.float32), "nan"),
        (np.array([[1, np.inf], [0, 0]], np.float32), "inf"),
        (np.ones((2, 2), np.float16), "float16"),
        (np.ones((2, 2), np.int64), "int64"),
    ],
)
def test_weights_must_be_finite_floats(array: np.ndarray, words: str, tmp_path: Path):
    model = chain(node("MatMul", "x v", "y"), v=array)
    with pytest.raises(FileFormatError, match=f"MatMul 'myMatMul' has .*{words}"):
        load(store(model, tmp_path))


def test_inputs_must_be_floats_of_known_size(tmp_path: Path):
    model = chain(node("MatMul", "x w", "y"))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    with pytest.raises(UnsupportedOperatorError, match="'x' has elements of type uint8"):
        load(store(model, tmp_path))
    model = chain(node("MatMul", "x w", "y"), shape=("N", "M"))
    with pytest.raises(UnsupportedOperatorError, match="only the first axis"):
        load(store(model, tmp_path))


BROKEN = {
    "missing": ([node("MatMul", "x v", "y")], "nothing computes the tensor 'v'"),
    "twice": (
        [node("MatMul", "x w", "y"), node("Relu", "x", "y")],
        "2 things give the tensor 'y': MatMul 'myMatMul', Relu 'myRelu'",
    ),
    "cycle": ([node("Add", "x a", "b"), node("Relu", "b", "a"), node("Relu", "b", "y")], "cycle"),
    "zero": ([node("Div", "x nought", "y")], "divides by 0"),
    "shape": ([node("Reshape", "x w", "y")], "Reshape"),
    "overflow": ([node("Mul", "x huge", "a"), node("Mul", "a huge", "y")], None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_contradictions_are_errors_of_one_line(case: str, tmp_path: Path):
    nodes, words = BROKEN[case]
    nought, huge = np.zeros(1, np.float32), np.full(1, 1e38, np.float32)
    path = store(chain(*nodes, nought=nought, huge=huge), tmp_path)
    if words is None:
        assert load(path).layers[0].weight[0, 0] == pytest.approx(1e76)
        return
    with pytest.raises(LeoOptError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_are_refused(share: float, tmp_path: Path):
    path = store(chain(node("MatMul", "x w", "y")), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match=r"model\.onnx: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_text_folders_missing_files_and_unknown_suffixes_are_refused(tmp_path: Path):
    text = tmp_path / "text.onnx"
    text.write_text("This is not a network.\n" * 20)
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    for path, words in (
        (text, "no ONNX model"),
        (folder, "is a folder"),
        (tmp_path / "none.onnx", "does not exist"),
        (tmp_path / "net.h5", r"known are \.onnx, \.npz"),
        (tmp_path / "net", r"known are \.onnx, \.npz"),
    ):
        with pytest.raises(FileFormatError, match=words):
            load(path)


def test_networks_that_overflow_are_refused(tmp_path: Path):
    huge = np.full((2, 2), 1e200)
    nodes = [node("MatMul", "x v", "a"), node("MatMul", "a v", "y")]
    model = chain(*nodes, v=huge)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(FileFormatError, match="overflows"):
        load(store(model, tmp_path))


def test_damaged_bytes_give_errors_or_a_network(tmp_path: Path):
    generator = np.random.default_rng(0)
    path = tmp_path / "model.onnx"
    for _ in range(40):
        whole = random_model(generator).SerializeToString()
        for _ in range(5):
            content = bytearray(whole)
            for position in generator.integers(len(content), size=3):
                content[position] = generator.integers(256)
            path.write_bytes(content)
            with contextlib.suppress(LeoOptError):
                load(path)
