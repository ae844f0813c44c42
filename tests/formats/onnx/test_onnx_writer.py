"""`save` to ONNX files: what is read back, and what onnxruntime makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from formats.onnx.random_onnx import SHAPES, random_inputs, random_model
from networks import find_network
from random_networks import structured
from seeds import seeds

from leo_opt.errors import InvalidInputError, OutputError
from leo_opt.formats import load, save, written
from leo_opt.formats.onnx import writer as onnx_writer
from leo_opt.network import Layer, Network, Signature

INPUTS = (*SHAPES, None, ("batch", 3, 2, 1), (2, 3), (7, 2, 3))
OUTPUTS = {
    True: (("N", 4), ("N", 2, 2), (None, 1, 4), None),
    False: ((1, 4), (4,), (4, 1), (1, 1, 4), ("N", 4), (2, 2), None),
}


def random_network(generator: np.random.Generator) -> Network:
    """Layers of all kinds that a file could confuse: diagonal, identity, linear in a row."""
    layers, width = [], 6
    for last in (False,) * int(generator.integers(3)) + (True,):
        wide = 4 if last else int(generator.integers(1, 7))
        weight = generator.standard_normal((wide, width))
        kind = generator.integers(4)
        if kind == 0 and not last:
            wide, weight = width, np.diag(generator.standard_normal(width))
        if kind == 1 and not last:
            wide, weight = width, np.eye(width)
        bias = generator.standard_normal(wide) * generator.integers(2)
        layers.append(Layer(weight, bias, str(generator.choice(["linear", "relu"]))))
        width = wide
    return Network(tuple(layers), random_signature(generator))


def random_signature(generator: np.random.Generator) -> Signature:
    """Any pair of shapes that hold 6 inputs and 4 outputs."""
    shape = INPUTS[generator.integers(len(INPUTS))]
    batched = shape is None or not isinstance(shape[0], int) or shape[0] in (3, 7)
    outputs = OUTPUTS[batched]
    output = outputs[generator.integers(len(outputs))]
    if output is not None and isinstance(shape and shape[0], int) and batched:
        output = (shape[0], *output[1:])
    dtype = str(generator.choice(["float32", "float64"]))
    return Signature("the input", "layers.0.weight", shape, output, dtype)


def run(path: Path, inputs: np.ndarray) -> np.ndarray:
    """The only output of a file under onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [source] = session.get_inputs()
    return session.run(None, {source.name: inputs})[0]


@pytest.mark.parametrize("seed", seeds(40, of=100))
def test_what_is_read_back_is_what_was_said_to_be_written(seed: int, tmp_path: Path):
    generator = np.random.default_rng(seed)
    network, path = random_network(generator), tmp_path / "net.onnx"
    dtype = str(generator.choice(["float32", "float64"])) if seed % 3 else None
    save(network, path, dtype=dtype)
    stored, back = written(network, dtype), load(path)
    assert back == stored
    assert back.signature == stored.signature
    onnx.checker.check_model(path, full_check=True)
    inputs = random_inputs(generator, stored.signature.input_shape, stored.signature.dtype)
    outputs = run(path, inputs)
    assert outputs.ndim == len(stored.signature.output_shape)
    rows = inputs.reshape(-1, 6).astype(np.float64)
    tolerance = {"float32": 1e-4, "float64": 1e-12}[stored.signature.dtype]
    assert np.allclose(outputs.reshape(-1, 4), stored(rows), rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("seed", seeds(25, of=60))
def test_a_file_that_was_read_can_be_replaced(seed: int, tmp_path: Path):
    generator = np.random.default_rng(5000 + seed)
    model = random_model(generator)
    onnx.save(model, tmp_path / "before.onnx")
    network = load(tmp_path / "before.onnx")
    save(network, tmp_path / "after.onnx")
    options = onnxruntime.SessionOptions()
    # Older versions fuse products in float64 that they then cannot compute.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    before, after = (
        onnxruntime.InferenceSession(tmp_path / name, options, providers=["CPUExecutionProvider"])
        for name in ("before.onnx", "after.onnx")
    )
    for side in ("get_inputs", "get_outputs"):
        [old], [new] = getattr(before, side)(), getattr(after, side)()
        assert (new.name, new.shape, new.type) == (old.name, old.shape, old.type)
    inputs = random_inputs(generator, network.signature.input_shape, network.signature.dtype)
    old, new = (session.run(None, {"input": inputs})[0] for session in (before, after))
    assert new.shape == old.shape
    scale = max(np.abs(p).max() for p in network.pre_activations(inputs.reshape(-1, 6))) + 1.0
    assert np.abs(new - old).max() <= {"float32": 2e-4, "float64": 1e-11}[new.dtype.name] * scale


def test_weights_are_the_only_constants_and_gemm_and_relu_the_only_operators(tmp_path: Path):
    network = Network.from_arrays([np.ones((3, 2)), np.ones((1, 3))], [None, None])
    save(network, tmp_path / "net.onnx", provenance={"summary": "from a test", "box": "[0, 1]"})
    model = onnx.load(tmp_path / "net.onnx")
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm"]
    assert sorted(tensor.name for tensor in model.graph.initializer) == [
        f"layers.{index}.{kind}" for index in range(2) for kind in ("bias", "weight")
    ]
    assert model.doc_string == "from a test"
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "leo_opt.summary": "from a test",
        "leo_opt.box": "[0, 1]",
    }


@pytest.mark.parametrize("seed", seeds(12, of=60))
def test_layers_of_several_activations_come_back_without_further_layers(seed: int, tmp_path: Path):
    """Numbers are small integers, so that nothing rounds and outputs are equal."""
    generator = np.random.default_rng(7000 + seed)
    shapes = (5, 4), (4, 5), (2, 4)
    weights = [generator.integers(-3, 4, shape) * 1.0 for shape in shapes]
    biases = [generator.integers(-2, 3, shape[0]) * 1.0 for shape in shapes]
    network = structured(generator, Network.from_arrays(weights, biases))
    path = tmp_path / "net.onnx"
    save(network, path)
    back = load(path)
    inputs = generator.integers(-4, 5, (60, 4)) * 1.0
    assert np.array_equal(back(inputs), network(inputs))
    assert np.array_equal(run(path, inputs.astype(np.float32)), network(inputs))
    assert len(back.layers) == len(network.layers)
    for mine, theirs in zip(back.layers, network.layers, strict=True):
        assert mine.n_out <= theirs.n_out


PARTS = {
    "batched": ((("a", ("n", 3)), ("b", ("n", 2, 2))), (("y", ("n", 2)), ("a_shape", ("n", 1, 3)))),
    "one": ((("a", (1, 3)), ("b", (2, 2))), (("y", (2,)), ("z", (1, 3)))),
}


@pytest.mark.parametrize("parts", PARTS)
def test_several_inputs_and_outputs_keep_their_names_and_shapes(parts: str, tmp_path: Path):
    inputs, outputs = PARTS[parts]
    generator = np.random.default_rng(0)
    weights = [generator.integers(-3, 4, shape) * 1.0 for shape in ((6, 7), (5, 6))]
    network = Network.from_arrays(weights, [None, None])
    network = replace(network, signature=Signature(inputs=inputs, outputs=outputs))
    path = tmp_path / "net.onnx"
    save(network, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for given, stated in ((session.get_inputs(), inputs), (session.get_outputs(), outputs)):
        assert [(tensor.name, tuple(tensor.shape)) for tensor in given] == list(stated)
    count = 3 if parts == "batched" else 1
    rows = generator.integers(-4, 5, (count, 7)) * 1.0
    shapes = [[count if size == "n" else size for size in shape] for _, shape in inputs]
    ends = rows[:, :3], rows[:, 3:]
    fed = {
        name: values.reshape(shape).astype(np.float32)
        for (name, _), values, shape in zip(inputs, ends, shapes, strict=True)
    }
    made = [values.reshape(count, -1) for values in session.run(None, fed)]
    assert np.array_equal(np.hstack(made), network(rows))
    back = load(path)
    assert (back.signature.inputs, back.signature.outputs) == (inputs, outputs)
    assert np.array_equal(back(rows), network(rows))


def test_parts_that_do_not_hold_the_input_are_refused(tmp_path: Path):
    network = Network.from_arrays([np.ones((1, 4))], [None])
    signature = Signature(inputs=(("a", (1, 3)), ("b", (1, 2))))
    with pytest.raises(InvalidInputError, match=r"a \[1, 3\], b \[1, 2\] do not hold 4 values"):
        save(replace(network, signature=signature), tmp_path / "net.onnx")


def test_a_layer_of_one_unit_is_no_preprocessing(tmp_path: Path):
    save(Network.from_arrays([[[0.5]], [[1.0]]], [None, None], ["linear"] * 2), tmp_path / "n.onnx")
    assert [n.op_type for n in onnx.load(tmp_path / "n.onnx").graph.node] == ["Gemm", "Gemm"]


def test_a_model_beyond_the_limit_of_the_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(onnx_writer, "LARGEST", 100)
    with pytest.raises(OutputError, match="holds at most 100"):
        save(Network.from_arrays([np.ones((9, 9))], [None]), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_signature_that_onnx_refuses_leaves_no_file(tmp_path: Path):
    network = Network.from_arrays([np.ones((2, 2))], [None])
    network = replace(network, signature=Signature("same", "same"))
    with pytest.raises(OutputError, match="choose other names"):
        save(network, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
        "mnist/mnist_25-25_l1_0.001_s0.onnx",
        "mnistfc/mnist-net_256x2.onnx",
    ],
)
def test_trained_networks_are_replaced_without_a_change(name: str, tmp_path: Path):
    path, copy = find_network(name), tmp_path / "copy.onnx"
    network = load(path)
    save(network, copy)
    assert load(copy) == network
    assert load(copy).signature == network.signature
    inputs = random_inputs(np.random.default_rng(0), network.signature.input_shape, "float32")
    before, after = run(path, inputs), run(copy, inputs)
    assert after.shape == before.shape
    assert np.allclose(after, before, rtol=1e-5, atol=1e-5)
    save(network, copy, dtype="float64")
    assert load(copy) == network
    precise = run(copy, inputs.astype(np.float64)).reshape(-1, network.output_size)
    rows = inputs.astype(np.float64).reshape(-1, network.input_size)
    assert np.allclose(precise, network(rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", seeds(10, of=300))
def test_low_rank_plus_sparse_is_written_as_a_sum(seed: int, tmp_path: Path):
    """[V; I] and [U | S] are Gemm, Gemm, a product of the inputs that S reads, and Add."""
    generator = np.random.default_rng(seed)
    rank, width, height = (int(k) for k in generator.integers(1, 6, size=3))
    read = generator.random(width) < 0.6
    first = np.vstack([generator.normal(size=(rank, width)), np.eye(width)[read]])
    sums = generator.normal(size=(height, len(first)))
    tag = str(generator.choice(["relu", "linear"]))
    layers = [Layer(first, np.zeros(len(first))), Layer(sums, np.ones(height), tag)]
    network = Network((*layers, Layer(generator.normal(size=(2, height)), np.zeros(2))))
    save(network, tmp_path / "net.onnx")
    assert load(tmp_path / "net.onnx") == written(network, "float32")
    shapes = [list(one.dims) for one in onnx.load(tmp_path / "net.onnx").graph.initializer]
    if 0 < read.sum() <= height and rank > 1:
        assert [rank, width] in shapes
        assert [height, read.sum()] in shapes
