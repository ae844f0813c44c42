"""What else an ONNX file can be: each kind is read rightly or refused by name."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, session, store
from onnx import TensorProto, helper, numpy_helper

from leo_opt.errors import FileFormatError, LeoOptError, UnsupportedOperatorError
from leo_opt.formats import load, load_provenance, save
from leo_opt.formats.onnx import evaluator as onnx_evaluator
from leo_opt.formats.onnx import file as onnx_file
from leo_opt.formats.onnx.operators import OPERATORS
from leo_opt.network import Network

WEIGHT = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)


def refused(model: Any, folder: Path, words: str) -> str:
    """Loading a model is an error of one line with these words."""
    with pytest.raises(LeoOptError, match=words) as caught:
        load(store(model, folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("opset", [10, 13, 19, 21])
def test_quantised_weights_are_read_as_the_runtime_reads_them(opset: int, tmp_path: Path):
    generator = np.random.default_rng(opset)
    scales = np.float32([0.1, 0.3]) if opset >= 13 else np.float32(0.3)
    zeros = np.array([3, -5], np.int8) if opset >= 13 else np.int8(3)
    nodes = [
        node("DequantizeLinear", "q s z", "v", **({"axis": 0} if opset >= 13 else {})),
        node("MatMul", "x v", "a"),
        node("Relu", "a", "y"),
    ]
    quantised = generator.integers(-100, 100, (2, 2)).astype(np.int8)
    model = chain(*nodes, opset=opset, q=quantised, s=np.array(scales), z=np.array(zeros))
    network = load(store(model, tmp_path))
    inputs = generator.standard_normal((5, 2)).astype(np.float32)
    assert np.allclose(network(inputs), session(model).run(None, {"x": inputs})[0], 1e-5, 1e-4)


def test_quantised_activations_are_refused_by_name(tmp_path: Path):
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "a"),
        node("MatMul", "a w", "y"),
    ]
    given = {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)}
    refused(chain(*nodes, **given), tmp_path, "QuantizeLinear 'myQuantizeLinear'.* not supported")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_weights_are_read_behind_a_cast_and_refused_without(
    dtype: Any, tmp_path: Path
):
    half = np.array([[0.1, 0.3], [-7.0, 1e-3]], dtype)
    nodes = [node("Cast", "h", "v", to=TensorProto.FLOAT), node("MatMul", "x v", "y")]
    network = load(store(chain(*nodes, h=half), tmp_path))
    assert np.array_equal(network.layers[0].weight, half.astype(np.float64).T)
    model = chain(node("MatMul", "x h", "y"), h=half)
    refused(model, tmp_path, f"weights of type {np.dtype(dtype).name}.*convert the model")


@pytest.fixture
def beside(tmp_path: Path) -> Any:
    """A model whose weight is in weights.bin, and its path."""
    model = chain(node("MatMul", "x v", "y"), v=np.arange(4, dtype=np.float32).reshape(2, 2))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert load(path).layers[0].weight.tolist() == [[0.0, 2.0], [1.0, 3.0]]
    return path


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../weights.bin", "a/../../weights.bin", "C:\\weights.bin", "..\\weights.bin"],
)
def test_external_data_outside_the_folder_is_refused(location: str, beside: Path):
    model = onnx.load(beside, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    beside.write_bytes(model.SerializeToString())
    (beside.parent.parent / "weights.bin").write_bytes(bytes(100))
    with pytest.raises(FileFormatError, match=r"tensor '[vw]' .* must be a file in the model's"):
        load(beside)


def test_external_data_that_is_missing_short_or_a_pointer_is_refused(beside: Path):
    data = beside.with_name("weights.bin")
    data.write_bytes(data.read_bytes()[:-3])
    with pytest.raises(FileFormatError, match=r"external data of tensor '[vw]' in weights\.bin"):
        load(beside)
    data.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(FileFormatError, match="Git LFS pointer"):
        load(beside)
    data.unlink()
    with pytest.raises(FileFormatError, match=r"tensor '[vw]' cannot be read: .* does not exist"):
        load(beside)


def test_external_data_of_a_constant_node_is_looked_at_as_well(tmp_path: Path):
    tensor = numpy_helper.from_array(WEIGHT, "v")
    onnx.external_data_helper.set_external_data(tensor, "../weights.bin")
    tensor.ClearField("raw_data")
    nodes = [node("Constant", "", "v", value=tensor), node("MatMul", "x v", "y")]
    (tmp_path / "model.onnx").write_bytes(chain(*nodes).SerializeToString())
    with pytest.raises(FileFormatError, match="must be a file in the model's folder"):
        load(tmp_path / "model.onnx")


def test_a_name_that_stands_for_several_tensors_is_refused(tmp_path: Path):
    other = numpy_helper.from_array(2 * WEIGHT, "w")
    model = chain(node("MatMul", "x w", "y"))
    model.graph.initializer.append(other)
    refused(model, tmp_path, "2 things give the tensor 'w': an initializer, an initializer")
    model = chain(node("Identity", "v", "w"), node("MatMul", "x w", "y"), v=WEIGHT)
    refused(model, tmp_path, "tensor 'w': an initializer, Identity 'myIdentity'")
    model = chain(node("Relu", "x", "x"), node("MatMul", "x w", "y"))
    refused(model, tmp_path, "tensor 'x': an input, Relu 'myRelu'")
    # Also where the output does not depend on it, since other tools may see it otherwise.
    model = chain(node("MatMul", "x w", "y"), node("Relu", "x", "a"), node("Relu", "y", "a"))
    refused(model, tmp_path, "tensor 'a': Relu 'myRelu', Relu 'myRelu'")


def test_a_file_beyond_the_limit_of_the_format_is_refused(tmp_path: Path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), 2**31 + 5)
    with pytest.raises(FileFormatError, match=r"has 2147483653 bytes .* holds at most 2147483647"):
        load(path)


def test_sparse_initializers_are_refused_by_name(tmp_path: Path):
    model = chain(node("MatMul", "x v", "y"))
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    where = numpy_helper.from_array(np.array([2]), "where")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [2, 2]))
    refused(model, tmp_path, "initializer 'v' is sparse")


def branch(tensor: str) -> Any:
    """A subgraph that gives a tensor of the graph around it."""
    output = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    return helper.make_graph([node("Identity", tensor, "b")], "branch", [], [output])


@pytest.mark.parametrize("tensor", ["x", "w"])
def test_subgraphs_are_refused_by_name(tensor: str, tmp_path: Path):
    """Whatever they read from the graph around them, which no input of their node tells."""
    choice = node("If", "c", "v", then_branch=branch(tensor), else_branch=branch(tensor))
    model = chain(choice, node("MatMul", "x v", "y"), c=np.array(True))
    refused(model, tmp_path, "If 'myIf' .*constant")


def test_operators_of_another_domain_are_refused_by_name(tmp_path: Path):
    fused = node("FusedMatMul", "x w", "y", domain="com.microsoft")
    model = chain(fused)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    refused(model, tmp_path, "com.microsoft.FusedMatMul 'myFusedMatMul'")


@pytest.mark.parametrize(
    ("opsets", "words"),
    [([], "states no opset"), ([99], "has opset 99"), ([13, 17], "states opset 13 and 17 at once")],
)
def test_opsets_that_are_not_known_are_refused(opsets: list[int], words: str, tmp_path: Path):
    model = chain(node("MatMul", "x w", "y"))
    del model.opset_import[:]
    for name, version in zip(["", "ai.onnx"], opsets, strict=False):
        model.opset_import.append(helper.make_opsetid(name, version))
    refused(model, tmp_path, words)


def test_no_place_in_a_source_of_onnx_reaches_the_user():
    for text in (
        "/project/onnx/defs/schema.cc:12: check: Assertion `a > b` failed: wrong rank",
        "C:\\build\\onnx\\defs\\schema.h:1: wrong rank",
    ):
        assert onnx_file.said(ValueError(text)) == "wrong rank"
    assert onnx_file.said(ValueError("")) == "ValueError"


def test_flatten_counts_a_negative_axis_from_the_rank(tmp_path: Path):
    for axis, shape in ((-1, (1, 2)), (-2, (1, 2)), (2, (2, 1)), (0, (1, 2))):
        nodes = [node("Flatten", "x", "a", axis=axis), node("Reshape", "a rows", "b")]
        nodes.append(node("MatMul", "b w", "y"))
        model = chain(*nodes, shape=(1, 2), out=(1, 2), rows=np.array([1, 2]))
        assert load(store(model, tmp_path)).input_size == 2
        model = chain(node("Flatten", "x", "y", axis=axis), shape=(1, 2), out=shape)
        assert load(store(model, tmp_path)).signature.output_shape == shape


def constant_softmax(opset: int) -> Any:
    """A weight that only a softmax over two axes at once, as it was before opset 13, gives."""
    cube = np.arange(8, dtype=np.float32).reshape(2, 2, 2) / 4
    nodes = [
        node("Softmax", "cube", "soft", axis=1),
        node("Reshape", "soft target", "v"),
        node("MatMul", "x v", "y"),
    ]
    return chain(*nodes, opset=opset, cube=cube, target=np.array([2, 4]), out=("N", 4))


def test_a_constant_softmax_is_refused_and_the_runtime_would_notice_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = store(constant_softmax(11), tmp_path)
    with pytest.raises(UnsupportedOperatorError, match="Softmax 'mySoftmax' computes a constant"):
        load(path)
    monkeypatch.setattr(onnx_evaluator, "EVALUATED", onnx_evaluator.EVALUATED | {"Softmax"})
    with pytest.raises(FileFormatError, match="disagrees with onnxruntime by"):
        load(path)
    load(store(constant_softmax(13), tmp_path))  # Here the evaluator is right.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    load(store(constant_softmax(11), tmp_path))  # Without a second opinion nobody notices.


def test_a_fault_of_the_reference_evaluator_is_noticed_in_float64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tiny = np.array([0.0, 1e-6], np.float32)
    path = store(chain(node("MatMul", "x w", "a"), node("Add", "a b", "y"), b=tiny), tmp_path)
    table = dict(OPERATORS)
    table["Add"] = lambda step: [step.tensor()]
    monkeypatch.setattr("leo_opt.formats.onnx.reader.OPERATORS", table)
    monkeypatch.setattr("leo_opt.formats.onnx.reader.check_against_reference", lambda *_: None)
    with pytest.raises(FileFormatError, match="disagrees with onnxruntime by 1e-06"):
        load(path)


def test_a_gemm_of_more_than_two_axes_takes_them_as_rows(tmp_path: Path):
    """As MATLAB exports it in opset 6."""
    bias = np.array([0.5, -0.5], np.float32)
    nodes = [node("Gemm", "x w b", "a", broadcast=1), node("Relu", "a", "y")]
    model = chain(*nodes, shape=(1, 1, 1, 2), out=(1, 2), opset=6, b=bias)
    assert load(store(model, tmp_path))([1.0, 1.0]).tolist() == [4.5, 1.5]


def test_packed_files_are_read_and_written(tmp_path: Path):
    network = Network.from_arrays([[[1.5, -2.0]], [[0.5]]], [[0.25], [1.0]])
    save(network, tmp_path / "net.onnx.gz", provenance={"summary": "a test's"})
    save(network, tmp_path / "net.onnx", provenance={"summary": "a test's"})
    content = (tmp_path / "net.onnx.gz").read_bytes()
    assert gzip.decompress(content) == (tmp_path / "net.onnx").read_bytes()
    assert load(tmp_path / "net.onnx.gz") == load(tmp_path / "net.onnx")
    assert load_provenance(tmp_path / "net.onnx.gz") == {"summary": "a test's"}
    save(network, tmp_path / "net.onnx.gz", provenance={"summary": "a test's"})
    assert (tmp_path / "net.onnx.gz").read_bytes() == content
    (tmp_path / "net.onnx.gz").write_bytes(content[:-9])
    with pytest.raises(FileFormatError, match="cannot be read"):
        load(tmp_path / "net.onnx.gz")


@pytest.mark.parametrize("length", [None, 2**30])
def test_external_data_beyond_the_limit_is_refused_before_it_is_read(
    length: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = chain(node("MatMul", "x w", "a"), node("Add", "a v", "y"), v=np.ones(2, np.float32))
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, "big.bin", 0, length)
        tensor.ClearField("raw_data")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with (tmp_path / "big.bin").open("wb") as stream:
        stream.truncate(2**31 + 1)  # Nothing of it is stored.
    name = "onnx.external_data_helper.load_external_data_for_tensor"
    monkeypatch.setattr(name, lambda *_: pytest.fail("it was read"))
    big = "v" if length else "w"
    with pytest.raises(
        FileFormatError, match=rf"tensor '{big}' in big.bin has 214748364[89] bytes"
    ):
        load(path)
