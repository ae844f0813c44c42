"""Graphs made smaller in the ways in which files come: tails, packed files, stated shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, session, store

from leo_opt import Box, classify, load
from leo_opt.deviation import reading_deviation
from leo_opt.errors import FileFormatError, MismatchError
from leo_opt.formats import load_provenance
from leo_opt.formats.onnx.file import parse
from leo_opt.graphs import GraphCompression, compress_graph, is_structured

WEIGHT = np.array([[[[1.0]]], [[[-1.0]]], [[[2.0]]]])
"""Of [0, 1] the second channel is 0, the third is 1 for any input with this bias."""


def image(*behind: Any, **given: Any) -> Any:
    """Three channels of one, of which one is always 0 and one of constant weights; a dense end."""
    weight = WEIGHT.copy()
    weight[2] = 0.0
    return chain(
        node("Conv", "x w b", "c"),
        node("Relu", "c", "r"),
        node("Flatten", "r", "f", axis=1),
        node("Gemm", "f m", "y" if not behind else "z", transB=1),
        *behind,
        shape=("N", 1, 2, 2),
        w=np.float32(weight),
        b=np.float32([0.0, -0.5, 1.0]),
        m=np.arange(24, dtype=np.float32).reshape(2, 12),
        **given,
    )


def smaller(model: Any, folder: Path, **options: Any) -> GraphCompression:
    path = store(model, folder)
    return compress_graph(path, classify(load(path), Box(0, 1)), **options)


def shape_of(model: Any, name: str) -> list[int]:
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == name]
    return list(tensor.dims)


def test_constant_channels_go(tmp_path: Path) -> None:
    found = smaller(image(), tmp_path)
    assert [(part.before, part.after) for part in found.parts] == [(3, 1), (2, 2)]
    assert shape_of(found.model, "w") == [1, 1, 1, 1]
    assert shape_of(found.model, "m") == [2, 4]
    assert found.parameters == (30, 12)
    assert not found.max_deviation.any()


@pytest.mark.parametrize("name", ["net.onnx", "net.onnx.gz"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    found = smaller(image(), tmp_path)
    found.save(tmp_path / name)
    assert load(tmp_path / name) == found.network
    with pytest.raises(FileFormatError, match=r"net\.npz: a graph can be written as \.onnx"):
        found.save(tmp_path / "net.npz")
    told = load_provenance(tmp_path / name)
    assert told["source_hash"] == found.original.content_hash
    assert float(told["max_deviation_written"]) == found.max_deviation_written.max()
    again = compress_graph(tmp_path / name, classify(found.network, found.domain))
    again.save(tmp_path / name)
    keys = [entry.key for entry in parse(tmp_path / name).metadata_props]
    assert len(set(keys)) == len(keys)


def test_a_tail_stays_unless_it_is_dropped(tmp_path: Path) -> None:
    model = image(node("Softmax", "z", "y", axis=1))
    kept, dropped = smaller(model, tmp_path), smaller(model, tmp_path, drop_tail=True)
    assert [value.name for value in kept.model.graph.output] == ["y"]
    assert kept.network.signature.tails
    assert [value.name for value in dropped.model.graph.output] == ["z"]
    assert "Softmax" not in {proto.op_type for proto in dropped.model.graph.node}
    assert kept.network == dropped.network


def test_one_tensor_may_be_the_output(tmp_path: Path) -> None:
    path = store(image(node("Relu", "z", "y")), tmp_path)
    network = load(path, output_tensor="z")
    found = compress_graph(path, classify(network, Box(0, 1)), output_tensor="z")
    assert [value.name for value in found.model.graph.output] == ["z"]
    assert found.network.hidden_widths == (4,)


def test_the_output_may_be_chosen_behind_a_tail(tmp_path: Path) -> None:
    path = store(image(node("Softmax", "z", "p", axis=1), node("Relu", "z", "y")), tmp_path)
    stability = classify(load(path, output_tensor="p"), Box(0, 1))
    found = compress_graph(path, stability, output_tensor="p")
    assert [value.name for value in found.model.graph.output] == ["p"]
    assert [tail.name for tail in found.network.signature.tails] == ["p"]


def test_what_reading_rounded_is_counted(tmp_path: Path) -> None:
    """Verdicts are of the network, in which a batch normalisation is rounded."""
    model = two_convolutions(
        [1.0, -1.0],
        [-0.5, 0.5],
        node("BatchNormalization", "r g h h t", "n"),
        node("Conv", "n k e", "a"),
        node("Relu", "a", "q"),
        out="q",
    )
    for name, values in (("g", [1.0, 3.0]), ("h", [0.1, 0.2]), ("t", [0.7, 0.3])):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(values), name))
    kernel = np.float32([[1.0, 1.0], [-1.0, -1.0]]).reshape(2, 2, 1, 1)
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "k"))
    path = store(model, tmp_path)
    network = load(path)
    stability = classify(network, Box(0, 1))
    found = compress_graph(path, stability)
    bounds = stability.own_bounds(network, certified_only=True)
    reading = reading_deviation(network, bounds)
    assert reading.all()
    assert [part.after for part in found.parts] == [2, 1, 1]
    assert (found.max_deviation >= reading).all()


def test_wrong_statements_of_shapes_are_left_out(tmp_path: Path) -> None:
    model = image()
    wrong = onnx.helper.make_tensor_value_info("f", onnx.TensorProto.FLOAT, ("N", 1, 1, 12))
    model.graph.value_info.append(wrong)
    assert not smaller(model, tmp_path).model.graph.value_info


def test_old_models_state_initializers_as_inputs(tmp_path: Path) -> None:
    model = image()
    for tensor in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    found = smaller(model, tmp_path)
    sizes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in found.model.graph.input
    }
    assert sizes["w"] == [1, 1, 1, 1]


def test_the_stability_of_another_network_is_refused(tmp_path: Path) -> None:
    path = store(image(), tmp_path)
    other = load(path, output_tensor="r")
    with pytest.raises(MismatchError, match="classify this network"):
        compress_graph(path, classify(other, Box(0, 1)))


def two_convolutions(rows: list[float], shifts: list[float], *between: Any, out: str = "r") -> Any:
    """Channels with these weights and biases, rectified; what is between; a sum of channels."""
    count = len(rows)
    return chain(
        node("Conv", "x w b", "c"),
        node("Relu", "c", "r"),
        *between,
        node("Conv", f"{out} v", "s"),
        node("Flatten", "s", "y", axis=1),
        shape=("N", 1, 2, 2),
        out=("N", 4),
        w=np.float32(rows).reshape(-1, 1, 1, 1),
        b=np.float32(shifts),
        v=np.arange(1, count + 1, dtype=np.float32).reshape(1, -1, 1, 1),
        u=np.float32([[2.0, 0.0], [0.0, 0.0]]).reshape(2, 2, 1, 1),
        e=np.float32([0.0, -9.0]),
    )


def check_equal(model: Any, folder: Path, box: Box, *channels: tuple[int, int]) -> GraphCompression:
    """The smaller graph has so many channels, and the same outputs."""
    path = store(model, folder)
    network = load(path)
    found = compress_graph(path, classify(network, box))
    points = box.spread(4).sample(20, np.random.default_rng(0))
    assert [(part.before, part.after) for part in found.parts] == list(channels)
    assert np.abs(found.network(points) - network(points)).max() <= 1e-6
    return found


@pytest.mark.parametrize(("size", "structured"), [(1, False), (2, True)])
def test_a_convolution_of_a_whole_image_is_dense(
    size: int, structured: bool, tmp_path: Path
) -> None:
    """As MATLAB writes dense layers."""
    weight = np.ones((2, 1, size, size), np.float32)
    model = chain(
        node("Conv", "x w", "c"), node("Flatten", "c", "y"), shape=("N", 1, 1, 1), w=weight
    )
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    for axis in (2, 3):
        sizes[axis].dim_value = 3 * size - 2
    assert is_structured(store(model, tmp_path)) == structured


def test_channels_that_vary_stay(tmp_path: Path) -> None:
    check_equal(two_convolutions([1.0, -1.0], [-0.5, 0.5]), tmp_path, Box(0, 1), (2, 2), (1, 1))


def test_a_channel_stays_for_one_place_that_varies(tmp_path: Path) -> None:
    box = Box([0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0])
    check_equal(two_convolutions([1.0, -1.0], [0.0, 0.5]), tmp_path, box, (2, 2), (1, 1))


def test_multiples_merge_and_opposites_do_not(tmp_path: Path) -> None:
    model = two_convolutions([1.0, -1.0, 2.0], [-0.5, 0.5, -1.0])
    check_equal(model, tmp_path, Box(0, 1), (3, 2), (1, 1))


def test_a_channel_goes_from_a_whole_residual_stream(tmp_path: Path) -> None:
    between = node("Conv", "r u", "d"), node("Add", "d r", "a")
    model = two_convolutions([1.0, -1.0], [0.0, -0.5], *between, out="a")
    check_equal(model, tmp_path, Box(0, 1), (2, 1), (2, 1), (1, 1))


def test_a_channel_of_a_residual_stream_stays_for_one_reader(tmp_path: Path) -> None:
    between = node("Conv", "r u e", "d"), node("Add", "d r", "a"), node("Relu", "a", "q")
    model = two_convolutions([1.0, -1.0], [0.0, 0.5], *between, out="q")
    model.graph.initializer[3].CopyFrom(
        onnx.numpy_helper.from_array(np.ones((2, 2, 1, 1), np.float32), "u")
    )
    check_equal(model, tmp_path, Box(0, 1), (2, 2), (2, 2), (1, 1))


def test_a_channel_that_is_an_output_stays(tmp_path: Path) -> None:
    model = two_convolutions([1.0, -1.0], [0.0, -0.5])
    model.graph.output.append(onnx.helper.make_tensor_value_info("r", 1, ("N", 2, 2, 2)))
    check_equal(model, tmp_path, Box(0, 1), (2, 2), (1, 1))


def test_constants_go_into_biases(tmp_path: Path) -> None:
    model = two_convolutions([1.0, 0.0], [-0.5, 0.3])
    check_equal(model, tmp_path, Box(0, 1), (2, 1), (1, 1))


def test_channels_that_are_counted_stay(tmp_path: Path) -> None:
    """What a graph computes from the number of channels would be something else with fewer."""
    counted = (
        node("Shape", "r", "n"),
        node("Gather", "n one", "k"),
        node("Cast", "k", "q", to=1),
        node("Div", "r q", "d"),
    )
    model = two_convolutions([1.0, 0.0], [-0.5, 0.3], *counted, out="d")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1), "one"))
    check_equal(model, tmp_path, Box(0, 1), (2, 2), (1, 1))


def test_a_product_of_an_old_model_gets_a_bias(tmp_path: Path) -> None:
    model = chain(
        node("Conv", "x w b", "c"),
        node("Relu", "c", "r"),
        node("Reshape", "r s", "f"),
        node("MatMul", "f m", "y"),
        shape=(1, 1, 2, 2),
        out=(1, 2),
        opset=6,
        w=np.float32([1.0, 0.0]).reshape(2, 1, 1, 1),
        b=np.float32([0.0, 1.0]),
        s=np.array([1, 8]),
        m=np.arange(16, dtype=np.float32).reshape(8, 2),
    )
    found = check_equal(model, tmp_path, Box(0, 1), (2, 1), (2, 2))
    [made] = [proto for proto in found.model.graph.node if proto.op_type == "Gemm"]
    assert list(made.input) == ["f", "m", "y.2"]


@pytest.mark.parametrize(
    ("source", "made", "sizes", "left"),
    [("r", 4, (4, 1), 1), ("t", 4, (4, 2), 2), ("t", 1, (1, 2), 1)],
    ids=["same loss", "a copy is more", "a copy is less"],
)
def test_a_shared_weight(
    source: str, made: int, sizes: tuple[int, int], left: int, tmp_path: Path
) -> None:
    """It is copied for readers that do not lose the same only where the file is smaller then."""
    model = two_convolutions(
        [1.0, -1.0],
        [0.0, -1.5],
        node("Conv", "r p k", "d"),
        node("Conv", "d n o", "t"),
        node("Conv", f"{source} p k", "z"),
        node("Conv", "r h k", "l"),
        node("Conv", f"{source} h k", "j"),
        node("Sum", "d z l j", "a"),
        node("Conv", "a n", "q"),
        out="q",
    )
    for name, values in {
        "p": np.arange(2.0 * made).reshape(made, 2, 1, 1) - 3.5,
        "h": np.arange(2.0 * made).reshape(made, 2, 1, 1) + 0.5,
        "n": np.arange(1.0, 2.0 * made + 1.0).reshape(2, made, 1, 1),
        "o": np.ones(2),
        "k": np.arange(9.0, 9.0 - made, -1.0),
    }.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(values), name))
    path = store(model, tmp_path)
    network = load(path)
    found = compress_graph(path, classify(network, Box(0, 1)))
    points = np.random.default_rng(0).random((20, 4))
    assert np.abs(found.network(points) - network(points)).max() <= 1e-4
    assert found.parts[0].after == left
    assert shape_of(found.model, "p") == [*sizes, 1, 1]
    assert found.parameters[1] <= found.parameters[0]


SLOW = pytest.mark.slow
JOIN = node("Concat", "q p", "d", axis=1)
SHUFFLE = (
    node("Reshape", "r rows", "p"),
    node("Transpose", "p", "q", perm=[0, 2, 1, 3, 4]),
    node("Reshape", "q whole", "d"),
)
MOVES = {
    "stated": (13, node("Split", "r n", "p q", axis=1), JOIN),
    "equal": (13, node("Split", "r", "p q", axis=1), JOIN),
    "counted": (18, node("Split", "r", "p q", axis=1, num_outputs=2), JOIN),
    "attribute": (11, node("Split", "r", "p q", axis=1, split=[2, 2]), JOIN),
    "slices": (13, node("Slice", "r f t o", "p"), node("Slice", "r m i o", "q"), JOIN),
    "gather": (13, node("Gather", "r g", "d", axis=1)),
    "tile": (13, node("Tile", "r k", "p"), node("Gather", "p l", "d", axis=1)),
    "expand": (13, node("GlobalMaxPool", "r", "p"), node("Expand", "p size", "d")),
    "shuffle": (13, *SHUFFLE),
}
NUMBERS = {
    **{"n": [2, 2], "f": [0], "t": [2], "m": [-2], "i": [9], "o": [1]},
    **{"g": [2, -1, 0, 1], "k": [1, 2, 1, 1], "l": [7, 6, 1, 0], "size": [4, 2, 2]},
    **{"rows": [0, 2, 2, 2, 2], "whole": [-1, 4, 2, 2]},
}
QUICK = ("counted", "slices", "gather", "tile", "expand", "shuffle")


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way in QUICK else SLOW) for way in MOVES]
)
def test_channels_that_are_moved(way: str, tmp_path: Path) -> None:
    """Of four channels the first and the last are 0, and all change places."""
    opset, *nodes = MOVES[way]
    model = two_convolutions([1.0, -1.0, 2.0, 1.0], [-2.0, 1.0, 0.5, -1.5], *nodes, out="d")
    for name, values in NUMBERS.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    model.opset_import[0].version = opset
    for proto in model.graph.node:
        proto.ClearField("name")  # onnxruntime wants each but once.
    found = check_equal(model, tmp_path, Box(0, 1), (4, 2), (1, 1))
    images = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 1, 2, 2)
    after, before = (session(m).run(None, {"x": images})[0] for m in (found.model, model))
    assert np.allclose(after, before, atol=1e-5)


def test_a_shuffle_through_which_nothing_goes_stays(tmp_path: Path) -> None:
    """Of two shuffles one is a Gather afterwards, and the other what it was."""
    again = (
        node("Conv", "d h", "c2"),
        node("Reshape", "c2 rows", "p2"),
        node("Transpose", "p2", "q2", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "q2 whole", "d2"),
    )
    model = two_convolutions(
        [1.0, -1.0, 2.0, 1.0], [-2.0, 1.0, 0.5, -1.5], *SHUFFLE, *again, out="d2"
    )
    given = {**NUMBERS, "h": np.arange(16, dtype=np.float32).reshape(4, 4, 1, 1) - 7.5}
    for name, values in given.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    found = check_equal(model, tmp_path, Box(0, 1), (4, 2), (4, 4), (1, 1))
    kinds = [proto.op_type for proto in found.model.graph.node]
    assert [kinds.count(kind) for kind in ("Gather", "Reshape", "Transpose")] == [1, 2, 1]


@pytest.mark.parametrize("target", ["stated", "computed"])
def test_a_flattened_image_whose_sizes_are_numbers(target: str, tmp_path: Path) -> None:
    """As the exporters of PyTorch write it, for batches of any size."""
    computed = (
        node("Shape", "r", "n"),
        node("Gather", "n zero", "k"),
        node("Unsqueeze", "k axes", "i"),
        node("Concat", "i width", "t", axis=0),
    )
    model = image(node("Relu", "z", "a"), node("Gemm", "a o", "y"), o=np.float32([[1, 2], [3, 4]]))
    place = [proto.op_type for proto in model.graph.node].index("Flatten")
    stated = node("Reshape", "r t", "f", **({"allowzero": 1} if target == "stated" else {}))
    model.graph.node[place].CopyFrom(stated)
    for proto in reversed(computed if target == "computed" else ()):
        model.graph.node.insert(place, proto)
    numbers = {"zero": 0, "axes": [0], "width": [12]} if target == "computed" else {"t": [-1, 12]}
    for name, values in numbers.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    model.opset_import[0].version = 14
    found = check_equal(model, tmp_path, Box(0, 1), (3, 1), (2, 0))
    [made] = session(found.model).run(None, {"x": np.zeros((3, 1, 2, 2), np.float32)})
    assert made.shape == (3, 2)
    assert "Shape" not in {proto.op_type for proto in found.model.graph.node}


@pytest.mark.parametrize(("third", "left"), [(0.5, 2), (-0.5, 1)])
def test_rows_of_a_matrix_lose_entries(third: float, left: int, tmp_path: Path) -> None:
    """A product of each row of an image, as of tokens, takes up no constant but 0."""
    model = two_convolutions(
        [1.0, -1.0, 0.0],
        [0.0, -1.5, third],
        node("Reshape", "r j", "t"),
        node("Transpose", "t", "k", perm=[0, 2, 1]),
        node("MatMul", "k l", "m"),
        node("Add", "m a", "h"),
        node("Relu", "h", "g"),
        node("Transpose", "g", "d", perm=[0, 2, 1]),
        node("Reshape", "d z", "q"),
        out="q",
    )
    matrix = np.float32([[1.0, 2.0, -1.0], [3.0, 4.0, 5.0], [0.5, 1.0, 0.0]])
    for name, values in {
        "j": np.array([0, 3, 4]),
        "z": np.array([0, 3, 2, 2]),
        "l": matrix,
        "a": np.float32([0.5, 0.25, -9.0]),
    }.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    check_equal(model, tmp_path, Box(0, 1), (3, left), (3, 2), (1, 1))
