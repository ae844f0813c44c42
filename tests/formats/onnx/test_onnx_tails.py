"""What files make of the outputs of their networks: read, told and written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from formats.onnx.onnx_models import chain, session, store
from onnx import helper

from leo_opt.cli import main
from leo_opt.errors import FileFormatError, InvalidInputError, UnsupportedOperatorError
from leo_opt.formats import load, save
from leo_opt.formats.onnx.runtime import check_file, compare_files
from leo_opt.formats.outputs import file_outputs
from leo_opt.tails import OPERATORS


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node without a name, so that there may be several of a kind."""
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


FRONT = (
    node("MatMul", "x w", "a"),
    node("Relu", "a", "b"),
    node("MatMul", "b v", "logits"),
)
NUMBERS = {
    "w": np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32),
    "v": np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32),
    "row": np.array([-1, 3], np.int64),
}


def ending(*nodes: Any, out: Any = ("N", 3), first: Any = "N", opset: int = 13) -> Any:
    """A classifier that ends with the nodes."""
    return chain(*FRONT, *nodes, shape=(first, 4), out=out, opset=opset, **NUMBERS)


ENDINGS: dict[str, tuple[Any, str]] = {
    "softmax": (ending(node("Softmax", "logits", "y", axis=1)), "Softmax"),
    "default axis": (ending(node("Softmax", "logits", "y")), "Softmax"),
    "old softmax": (ending(node("Softmax", "logits", "y"), opset=11), "Softmax"),
    "log": (ending(node("LogSoftmax", "logits", "z"), node("Identity", "z", "y")), "LogSoftmax"),
    "sigmoid": (ending(node("Sigmoid", "logits", "y")), "Sigmoid"),
    "tanh": (ending(node("Tanh", "logits", "y")), "Tanh"),
    "hardmax": (ending(node("Hardmax", "logits", "y", axis=-1)), "Hardmax"),
    "one at a time": (ending(node("Softmax", "logits", "y"), out=(1, 3), first=1), "Softmax"),
    "three at once": (ending(node("Softmax", "logits", "y"), out=(3, 3), first=3), "Softmax"),
    "shaped": (
        ending(
            node("Reshape", "logits row", "z"),
            node("Softmax", "z", "t"),
            node("Reshape", "t row", "y"),
        ),
        "Softmax",
    ),
    "winner": (
        ending(
            node("Softmax", "logits", "z"),
            node("ArgMax", "z", "t", axis=1, keepdims=0),
            node("Cast", "t", "y", to=1),
            out=("N",),
        ),
        "Softmax and ArgMax",
    ),
}


def whole_number() -> Any:
    """A classifier that gives the number of its winner."""
    model = ending(node("ArgMax", "logits", "y", axis=1), out=("N", 1))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    return model


def both() -> Any:
    """A classifier with a label, probabilities and scores."""
    model = ending(
        node("ArgMax", "logits", "label", axis=1, keepdims=0), node("Softmax", "logits", "y")
    )
    kinds = (("label", onnx.TensorProto.INT64, ["N"]), ("logits", onnx.TensorProto.FLOAT, ["N", 3]))
    model.graph.output.extend(helper.make_tensor_value_info(*kind) for kind in kinds)
    return model


ALL = {name: model for name, (model, _) in ENDINGS.items()} | {
    "whole number": whole_number(),
    "several": both(),
}


@pytest.mark.parametrize("name", ALL)
def test_a_written_file_ends_as_the_one_that_was_read(name: str, tmp_path: Path):
    model = ALL[name]
    network = load(store(model, tmp_path))
    save(network, tmp_path / "back.onnx")
    again = load(tmp_path / "back.onnx")
    assert again == network
    assert again.signature == network.signature
    count = 1 if name == "one at a time" else 3
    inputs = np.random.default_rng(2).standard_normal((count, 4)).astype(np.float32)
    files = [session(model), session(onnx.load(tmp_path / "back.onnx"))]
    (mine, ours), ports = (file.run(None, {"x": inputs}) for file in files), files[0].get_outputs()
    for port, left, right in zip(ports, mine, ours, strict=True):
        assert left.dtype == right.dtype, port.name
        assert left.shape == right.shape, port.name
        np.testing.assert_allclose(left, right, 1e-5, 1e-6)
    rows = file_outputs(network, network(inputs.astype(np.float64)))
    flat = np.hstack([np.reshape(part, (count, -1)) for part in mine])
    np.testing.assert_allclose(rows, flat, 1e-4, 1e-5)


@pytest.mark.parametrize("name", ENDINGS)
def test_the_network_is_what_stands_in_front(name: str, tmp_path: Path):
    model, said = ENDINGS[name]
    network = load(store(model, tmp_path))
    [tail] = network.signature.tails
    assert str(tail) == said
    assert tail.name == "y"
    source = network.signature.output_name
    assert source == tail.source == ("z" if name == "shaped" else "logits")
    inputs = np.random.default_rng(2).standard_normal((3, 4))
    expected = np.maximum(inputs @ NUMBERS["w"], 0.0) @ NUMBERS["v"].astype(np.float64)
    np.testing.assert_allclose(network(inputs), expected, 1e-12)
    assert load(tmp_path / "model.onnx", output_tensor=source).signature.tails == ()
    save(network, tmp_path / "back.npz")
    assert load(tmp_path / "back.npz").signature == network.signature


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ending(node("Softmax", "logits", "y", axis=0)), "works along the axis of the batch"),
        (ending(node("ArgMax", "logits", "y", axis=1, select_last_index=1), out=("N", 1)), "last"),
        (
            ending(
                node("ArgMax", "logits", "z", axis=1),
                node("Cast", "z", "t", to=1),
                node("Softmax", "t", "y"),
                out=("N", 1),
            ),
            "does not follow another tail",
        ),
        (
            ending(node("Softmax", "logits", "z"), node("Cast", "z", "y", to=10)),
            "rounds",
        ),
    ],
)
def test_other_ends_are_refused_with_the_tensor_in_front(model: Any, said: str, tmp_path: Path):
    with pytest.raises(UnsupportedOperatorError, match=said) as caught:
        load(store(model, tmp_path))
    assert "--output-tensor 'logits'" in str(caught.value)
    assert load(tmp_path / "model.onnx", output_tensor="logits").output_size == 3


def test_any_tensor_may_be_chosen(tmp_path: Path):
    path = store(both(), tmp_path)
    assert load(path).output_size == 3
    assert load(path, output_tensor="b").layers[-1].activation == "relu"
    assert [t.name for t in load(path, output_tensor="label").signature.tails] == ["label"]
    with pytest.raises(FileFormatError, match=r"tensor 'lagits' is unknown; .* mean logits\?"):
        load(path, output_tensor="lagits")
    save(load(path), tmp_path / "net.npz")
    assert load(tmp_path / "net.npz", output_tensor="logits").signature.tails == ()
    assert len(load(tmp_path / "net.npz", output_tensor="y").signature.tails) == 1
    with pytest.raises(FileFormatError, match="output 'b' is unknown"):
        load(tmp_path / "net.npz", output_tensor="b")


def test_outputs_that_are_no_floats_may_be_left_out(tmp_path: Path):
    model = ending(
        node("Softmax", "logits", "y"),
        node("Cast", "logits", "whole", to=7),
    )
    port = helper.make_tensor_value_info("whole", onnx.TensorProto.INT64, ["N", 3])
    model.graph.output.append(port)
    path = store(model, tmp_path)
    with pytest.raises(UnsupportedOperatorError, match="another output with --output-tensor"):
        load(path)
    assert str(load(path, output_tensor="y").signature.tails[0]) == "Softmax"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("classes", [[3, 5, 9], [b"a", b"b", b"c"]])
def test_labels_beside_scores_are_left_out(zipped: bool, classes: list, tmp_path: Path):
    table = {"keys_int64s": [0, 1, 2]} | (
        {"values_strings": classes} if isinstance(classes[0], bytes) else {"values_int64s": classes}
    )
    labels = {"classlabels_int64s": [3, 5, 9]}
    model = ending(
        node("Softmax", "logits", "y"),
        node("ArgMax", "logits", "winner", axis=1, keepdims=0),
        node("LabelEncoder", "winner", "label", domain="ai.onnx.ml", **table),
        *([node("ZipMap", "y", "named", domain="ai.onnx.ml", **labels)] if zipped else []),
    )
    text = isinstance(classes[0], bytes)
    kind = onnx.TensorProto.STRING if text else onnx.TensorProto.INT64
    model.graph.output.insert(0, helper.make_tensor_value_info("label", kind, ["N"]))
    if zipped:
        model.graph.output[1].CopyFrom(onnx.ValueInfoProto(name="named"))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    plain = load(store(ALL["softmax"], tmp_path))
    network = load(path := store(model, tmp_path))
    assert network == plain
    assert network.signature.tails == plain.signature.tails
    assert network.signature.left_out == ("label",)
    done = CliRunner().invoke(main, ["info", str(path)])
    assert "output 'label' of the file is left out: it is a label" in done.output


def test_one_of_several_outputs_is_chosen_from_an_archive(tmp_path: Path):
    model = ending(node("MatMul", "b v", "y"))
    model.graph.output.append(helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, ["N", 6]))
    network = load(store(model, tmp_path))
    save(network, tmp_path / "net.npz")
    for name in ("y", "b"):
        left, right = (load(tmp_path / f, output_tensor=name) for f in ("model.onnx", "net.npz"))
        points = np.random.default_rng(0).standard_normal((4, 4))
        np.testing.assert_allclose(left(points), right(points), 1e-12)
        assert left.signature == right.signature


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_wrong_tail_is_found_out(operator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    attributes = {} if operator in ("Sigmoid", "Tanh") else {"axis": 1}
    model = ending(node(operator, "logits", "y", **attributes))
    wrong = {**OPERATORS, operator: lambda values, axis: OPERATORS["Softmax"](2 * values, axis)}
    monkeypatch.setattr("leo_opt.tails.OPERATORS", wrong)
    with pytest.raises(UnsupportedOperatorError, match="not known"):
        load(store(model, tmp_path))
    monkeypatch.undo()
    network = load(tmp_path / "model.onnx")
    monkeypatch.setattr("leo_opt.tails.OPERATORS", wrong)
    if operator not in ("ArgMax", "Hardmax"):
        with pytest.raises(InvalidInputError, match="onnxruntime"):
            check_file(onnx.load(tmp_path / "model.onnx"), network)


def test_a_file_written_wrongly_is_found_out(tmp_path: Path):
    network = load(store(ending(node("Softmax", "logits", "y")), tmp_path))
    points = np.random.default_rng(0).random((9, 4))
    save(network, tmp_path / "good.onnx")
    files = (tmp_path / "model.onnx", tmp_path / "good.onnx")
    off = compare_files(*files, (network, network), points, 1e-5)
    assert off is not None
    assert off < 1e-5
    other = load(store(ending(node("Sigmoid", "logits", "y")), tmp_path))
    with pytest.raises(InvalidInputError, match="is off by"):
        compare_files(*files, (other, network), points, 1e-5)


def test_commands_tell_of_the_tail(tmp_path: Path):
    path, out = store(ending(node("Softmax", "logits", "y")), tmp_path), tmp_path / "out.onnx"

    def run(*words: Any) -> str:
        done = CliRunner().invoke(main, list(map(str, words)))
        assert done.exit_code == 0, done.output
        return done.output

    told = "output 'y' of the file is Softmax of 'logits'"
    assert told in run("info", path)
    assert told not in run("info", path, "--output-tensor", "logits")
    box = ("--box", -1, 1)
    assert told in run("classify", path, *box, "-q")
    assert told in run("formulate", path, *box, "-o", tmp_path / "net.mps")
    said = run("compress", path, *box, "-q", "-o", out)
    assert told in said
    assert "onnxruntime: the files differ by at most" in said
    assert onnx.load(out).graph.node[-1].op_type == "Softmax"
    run("compress", path, *box, "-q", "-o", tmp_path / "bare.onnx.gz", "--drop-tail")
    assert load(tmp_path / "bare.onnx.gz").signature.output_name == "logits"
    assert load(tmp_path / "bare.onnx.gz").signature.tails == ()
