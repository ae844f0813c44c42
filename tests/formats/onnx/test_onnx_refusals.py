"""`load` on ONNX files that hold no network: errors of one line that name what is wrong."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
import pytest
from formats.onnx.onnx_models import chain, node, session, store
from formats.onnx.random_onnx import random_inputs, random_model
from networks import network_folder
from onnx import TensorProto, helper

from leo_opt.errors import FileFormatError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats import load

UNSUPPORTED = {
    "operator": (
        [node("Sigmoid", "x", "a"), node("Relu", "a", "y")],
        "Sigmoid .mySigmoid. is not supported",
    ),
    "domain": ([node("Relu", "x", "y", domain="ai.test")], "ai.test.Relu"),
    "square": ([node("Mul", "x x", "y")], "multiplies two tensors"),
    "inverse": ([node("Div", "w x", "y")], "divides by a tensor"),
    "sign": ([node("Sign", "x", "y")], "Sign 'mySign' is not supported"),
    "integers": ([node("Cast", "x", "y", to=TensorProto.INT32)], "casts"),
    "half": ([node("Cast", "x", "y", to=TensorProto.FLOAT16)], "casts"),
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
    "output constant": ([node("Identity", "w", "y")], "does not depend on the input"),
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
        (tmp_path / "net.h5", r"known are \.onnx, \.onnx\.gz, \.nnet, \.npz"),
        (tmp_path / "net", r"known are \.onnx, \.onnx\.gz, \.nnet, \.npz"),
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
    generator, messages = np.random.default_rng(0), []
    path = tmp_path / "model.onnx"
    for _ in range(40):
        whole = random_model(generator).SerializeToString()
        for _ in range(5):
            content = bytearray(whole)
            for position in generator.integers(len(content), size=3):
                content[position] = generator.integers(256)
            path.write_bytes(content)
            try:
                load(path)
            except LeoOptError as error:
                messages.append(str(error))
    assert messages
    # No place in a source of ONNX reaches the user.
    assert not [text for text in messages if re.search(r"\.(h|cc|cpp|cu|py):\d", text)]


LINE = re.compile(r"onnx\.utils\.extract_model\(('.*?'), 'part\.onnx', \[('.*?')\], \[('.*?')\]\)")


def cut_out(message: str, folder: Path) -> list[Path]:
    """The files that the lines of a message make."""
    paths = []
    for line in LINE.finditer(message):
        source, start, end = map(ast.literal_eval, line.groups())
        paths.append(folder / f"part{len(paths)}.onnx")
        onnx.utils.extract_model(source, paths[-1], [start], [end])
    return paths


def refusal(model: Any, folder: Path) -> str:
    """What is said of a model that is no chain."""
    with pytest.raises(UnsupportedOperatorError) as caught:
        load(store(model, folder))
    return str(caught.value)


def test_all_that_is_in_the_way_is_named(tmp_path: Path):
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name="first"),
        helper.make_node("Tanh", ["a"], ["b"], name="one"),
        helper.make_node("Softmax", ["w"], ["v"], name="constant"),
        helper.make_node("MatMul", ["b", "v"], ["c"], name="second"),
        helper.make_node("Add", ["b", "c"], ["d"], name="join"),
        helper.make_node("Tanh", ["d"], ["e"]),
        helper.make_node("Shape", ["e"], ["s"], name="size"),
        helper.make_node("Reshape", ["e", "s"], ["f"], name="harmless"),
        helper.make_node("Gemm", ["f", "w"], ["y"], name="last"),
        helper.make_node("Sigmoid", ["d"], ["unused"], name="unused"),
    ]
    message = refusal(chain(*nodes), tmp_path)
    assert "Tanh 'one' is not supported; also in the way: Softmax 'constant', " in message
    assert "Tanh that computes 'e'; supported are Concat" in message
    for harmless in ("first", "second", "harmless", "size", "last", "unused"):
        assert f"'{harmless}'" not in message
    first, last = (load(path) for path in cut_out(message, tmp_path))
    assert first.signature.output_name == "a"
    assert (last.signature.input_name, last.signature.output_name) == ("e", "y")


def test_no_line_where_no_part_has_a_matrix_or_functions_hide_the_nodes(tmp_path: Path):
    nodes = [node("Relu", "x", "a"), node("Tanh", "a", "b"), node("Relu", "b", "y")]
    assert "extract_model" not in refusal(chain(*nodes), tmp_path)
    model = chain(helper.make_node("Dense", ["x", "w"], ["y"], domain="local", name="dense"))
    body = [node("MatMul", "a b", "c"), node("Tanh", "c", "d")]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    model.functions.append(
        helper.make_function("local", "Dense", ["a", "b"], ["d"], body, opsets[:1])
    )
    model.opset_import.append(opsets[1])
    message = refusal(model, tmp_path)
    assert re.search(r"Tanh .* is not supported; supported", message)
    assert "extract_model" not in message


def test_what_many_nodes_are_in_the_way_is_counted(tmp_path: Path):
    nodes = [helper.make_node("Erf", [f"t{k}"], [f"t{k + 1}"], name=f"n{k}") for k in range(30)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    assert "'n20' and 9 more; supported" in refusal(chain(*nodes), tmp_path)


@pytest.mark.slow
def test_real_networks_are_cut_where_they_can_be_read(tmp_path: Path):
    """With what onnxruntime makes of a part as the judge."""
    cut = 0
    for path in sorted(network_folder().rglob("*.onnx")):
        try:
            load(path)
        except UnsupportedOperatorError as error:
            for part in cut_out(str(error), tmp_path):
                signature = load(part).signature
                inputs = random_inputs(np.random.default_rng(0), signature.input_shape, "float32")
                rows = inputs.reshape(-1, load(part).input_size)
                [outputs] = session(onnx.load(part)).run(None, {signature.input_name: inputs})
                assert np.allclose(load(part)(rows).ravel(), outputs.ravel(), rtol=1e-3, atol=1e-3)
                cut += 1
        except FileFormatError:
            continue
    assert cut > 15
