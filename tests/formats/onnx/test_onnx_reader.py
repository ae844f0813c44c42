"""`load` on ONNX files, against onnxruntime and ONNX's reference evaluator."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import chain, node, session, store
from formats.onnx.random_onnx import KINDS, random_inputs, random_model
from networks import find_network, network_folder
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from oracle import exact_output
from seeds import seeds

from leo_opt import Box, Cascade, classify, compress
from leo_opt.errors import FileFormatError, LeoOptError
from leo_opt.formats import load
from leo_opt.formats.onnx import layout
from leo_opt.formats.onnx import operators as onnx_operators
from leo_opt.network import Network
from leo_opt.report.compression_run import measure

TOLERANCE = {"float32": 2e-4, "float64": 1e-11}


def assert_agree(network: Network, inputs: np.ndarray, outputs: np.ndarray) -> None:
    """Outputs of another evaluation must be those of the network, to the rounding of its dtype."""
    rows = inputs.reshape(-1, network.input_size).astype(np.float64)
    actual, expected = network(rows), outputs.reshape(-1, network.output_size)
    scale = 1.0 + max(np.abs(pre).max() for pre in network.pre_activations(rows))
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= TOLERANCE[network.signature.dtype] * scale


@pytest.mark.parametrize("seed", seeds(50, of=150))
def test_random_chains_compute_what_runtime_and_reference_compute(seed: int, tmp_path: Path):
    generator = np.random.default_rng(seed)
    model = random_model(generator)
    network = load(store(model, tmp_path))
    signature = network.signature
    inputs = random_inputs(generator, signature.input_shape, signature.dtype)
    assert_agree(network, inputs, session(model).run(None, {"input": inputs})[0])
    assert_agree(network, inputs, ReferenceEvaluator(model).run(None, {"input": inputs})[0])


@pytest.mark.parametrize("seed", range(30))
def test_order_and_names_of_nodes_do_not_matter(seed: int, tmp_path: Path):
    generator = np.random.default_rng(1000 + seed)
    model = random_model(generator)
    before = load(store(model, tmp_path))
    graph = model.graph
    nodes = [graph.node[k] for k in generator.permutation(len(graph.node))]
    names = {name for entry in nodes for name in (*entry.input, *entry.output)}
    names -= {"input", "output"}
    labels = generator.permutation(len(names))
    new = {name: f"x{labels[k]}" for k, name in enumerate(sorted(names))}
    for entry in nodes:
        entry.name = f"{generator.integers(3)}"  # Names of nodes need not even be unique.
        entry.input[:] = [new.get(name, name) for name in entry.input]
        entry.output[:] = [new.get(name, name) for name in entry.output]
    for value in (*graph.initializer, *graph.input):
        value.name = new.get(value.name, value.name)
    del graph.node[:]
    graph.node.extend(nodes)
    after = load(store(model, tmp_path))
    assert after == before
    assert after.signature == before.signature


def test_external_data_is_read_and_missed(tmp_path: Path):
    weight = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    model = chain(node("MatMul", "x v", "y"), shape=("N", 64), out=("N", 64), v=weight)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert np.array_equal(load(path).layers[0].weight, weight.T)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(FileFormatError, match="external data"):
        load(path)


@pytest.mark.parametrize("opset", [1, 6])
def test_opsets_without_broadcasting_are_converted(opset: int, tmp_path: Path):
    bias = np.array([0.5, -0.5], np.float32)
    nodes = [
        node("MatMul", "x w", "a"),
        node("Add", "a b", "c", broadcast=1, axis=1),
        node("Relu", "c", "y"),
    ]
    network = load(store(chain(*nodes, shape=(1, 2), out=(1, 2), opset=opset, b=bias), tmp_path))
    assert np.array_equal(network.layers[0].bias, bias)
    assert np.array_equal(network([1.0, 1.0]), [4.5, 1.5])


def test_local_functions_are_inlined(tmp_path: Path):
    model = chain(helper.make_node("Dense", ["x", "w"], ["y"], domain="local"))
    body = [node("MatMul", "a b", "c"), node("Relu", "c", "d")]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    model.functions.append(
        helper.make_function("local", "Dense", ["a", "b"], ["d"], body, opsets[:1])
    )
    model.opset_import.append(opsets[1])
    assert load(store(model, tmp_path))([1.0, 1.0]).tolist() == [4.0, 2.0]


@pytest.mark.parametrize("opset", [7, 8, 9, 13, 14, 15, 19])
def test_batch_normalisation_is_folded_into_the_layer_before_it(opset: int, tmp_path: Path):
    generator = np.random.default_rng(opset)
    names = ("scale", "shift", "mean", "variance")
    values = {name: generator.random(2).astype(np.float32) for name in names}
    nodes = [node("MatMul", "x w", "a"), node("BatchNormalization", f"a {' '.join(names)}", "y")]
    model = chain(*nodes, opset=opset, **values)
    network = load(store(model, tmp_path))
    assert len(network.layers) == 1
    inputs = generator.standard_normal((5, 2)).astype(np.float32)
    assert_agree(network, inputs, session(model).run(None, {"x": inputs})[0])


def test_batch_normalisation_of_channels_in_front(tmp_path: Path):
    generator = np.random.default_rng(0)
    names = ("scale", "shift", "mean", "variance")
    values = {name: generator.random(2).astype(np.float32) for name in names}
    nodes = [node("BatchNormalization", f"x {' '.join(names)}", "a"), node("Flatten", "a", "y")]
    model = chain(*nodes, shape=("N", 2, 3), out=("N", 6), **values)
    inputs = generator.standard_normal((5, 2, 3)).astype(np.float32)
    assert_agree(load(store(model, tmp_path)), inputs, session(model).run(None, {"x": inputs})[0])


def test_an_import_that_computes_something_else_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = dict(onnx_operators.OPERATORS)
    table["Add"] = lambda step: [step.tensor()]
    monkeypatch.setattr("leo_opt.formats.onnx.reader.OPERATORS", table)
    tiny = np.array([0.0, 1e-6], np.float32)
    path = store(chain(node("MatMul", "x w", "a"), node("Add", "a b", "y"), b=tiny), tmp_path)
    with pytest.raises(FileFormatError, match="disagrees with ONNX's reference evaluator"):
        load(path)


def random_preprocessing(generator: np.random.Generator) -> tuple[Any, dict[str, np.ndarray]]:
    """Sub, Div, MatMul, Add, Relu, BatchNormalization, MatMul with any float32 constants."""
    names = ("mean", "w", "bias", "scale", "shift", "centre", "v")
    given = {
        name: generator.standard_normal((2, 2) if len(name) == 1 else 2).astype(np.float32)
        for name in names
    }
    for name in ("deviation", "variance"):
        given[name] = (generator.random(2) + 0.3).astype(np.float32)
    nodes = [
        node("Sub", "x mean", "a"),
        node("Div", "a deviation", "b"),
        node("MatMul", "b w", "c"),
        node("Add", "bias c", "d"),
        node("Relu", "d", "e"),
        node("BatchNormalization", "e scale shift centre variance", "f", epsilon=1e-3),
        node("MatMul", "f v", "y"),
    ]
    return chain(*nodes, **given), given


def exact_outputs(given: dict[str, np.ndarray], point: list[Fraction]) -> list[Fraction]:
    """What the operators of `random_preprocessing` compute, to 60 digits."""
    exact = np.vectorize(lambda value: Fraction(float(value)), otypes=[object])
    numbers = {name: exact(values) for name, values in given.items()}
    row = (np.array(point) - numbers["mean"]) / numbers["deviation"]
    row = np.maximum(row @ numbers["w"] + numbers["bias"], Fraction(0))
    digits = 10**60
    variances = numbers["variance"] + Fraction(float(np.float32(1e-3)))
    roots = np.array([Fraction(isqrt(int(v * digits**2)), digits) for v in variances])
    row = numbers["scale"] * (row - numbers["centre"]) / roots + numbers["shift"]
    return list(row @ numbers["v"])


def test_normalisation_goes_into_the_matrices_and_its_rounding_counts(tmp_path: Path):
    generator = np.random.default_rng(5)
    for turn in range(12):
        dtype, rounding = ("float64", 1e-13) if turn % 2 else ("float32", 1e-4)
        model, given = random_preprocessing(generator)
        path, copy = store(model, tmp_path), tmp_path / "copy.onnx"
        network = load(path)
        assert [layer.activation for layer in network.layers] == ["relu", "linear"]
        box = Box(-1, 1)
        stability = classify(network, box, strategy=Cascade(stages=[]))
        run = measure(network, stability, compress(network, stability), dtype, 0.0)
        run.save(copy)
        assert run.deviation_read > 0.0
        written, missed = load(copy), Fraction(0)
        for point in generator.uniform(-1, 1, (5, 2)):
            exact = [Fraction(x) for x in point.tolist()]
            pairs = zip(exact_outputs(given, exact), exact_output(written, exact), strict=True)
            missed = max(missed, *(abs(want - have) for want, have in pairs))
        # What was read was rounded, and the bound from file to file says so.
        assert 0 < missed <= Fraction(run.deviation_written)
        assert run.deviation_written < rounding


def test_rectifiers_are_idempotent_and_may_come_last(tmp_path: Path):
    nodes = [node("Relu", "x", "a"), node("Relu", "a", "b"), node("MatMul", "b w", "c")]
    nodes += [node("Relu", "c", "d"), node("Identity", "d", "e"), node("Relu", "e", "y")]
    network = load(store(chain(*nodes), tmp_path))
    assert [layer.activation for layer in network.layers] == ["relu", "relu"]


def test_steps_that_change_nothing_leave_no_layer(tmp_path: Path):
    zero, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    nodes = [node("Sub", "x zero", "a"), node("Div", "a one", "b"), node("MatMul", "b w", "y")]
    assert len(load(store(chain(*nodes, zero=zero, one=one), tmp_path)).layers) == 1


def test_a_free_batch_that_a_reshape_fixes_is_one(tmp_path: Path):
    model = chain(node("Reshape", "x one", "a"), node("MatMul", "a w", "y"), one=np.array([1, 2]))
    assert load(store(model, tmp_path)).signature.input_shape == (1, 2)


CHAINS = ("acasxu", "cifar10", "exactcompression", "mnist", "mnistfc")
"""Folders of dense networks alone; elsewhere there are others, too."""


@pytest.mark.slow
def test_every_network_of_the_folder_is_read_or_refused():
    paths = sorted(network_folder().rglob("*.onnx"))
    assert paths
    for path in paths:
        try:
            network = load(path)
        except LeoOptError:
            assert path.parent.name not in CHAINS
            continue
        model = onnx.load(path)
        if path.parent.name in CHAINS:
            matrices = [numpy_helper.to_array(w) for w in model.graph.initializer]
            assert sum(matrix.ndim == 2 for matrix in matrices) == len(network.layers)
        if path.parent.name == "drones":
            continue  # Its inputs are doubles and its weights floats; no runtime takes it.
        runner = session(model)
        [source], [target] = runner.get_inputs(), runner.get_outputs()
        signature = network.signature
        assert (source.name, target.name) == (signature.input_name, signature.output_name)
        generator = np.random.default_rng(0)
        inputs = random_inputs(generator, signature.input_shape, signature.dtype)
        assert_agree(network, inputs, runner.run(None, {source.name: inputs})[0])


def test_weights_of_a_trained_network_are_exact():
    path = find_network("acasxu/ACASXU_run2a_1_1_batch_2000.onnx")
    stored = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    network = load(path)
    for index, name in enumerate([f"Operation_{k}" for k in range(1, 7)] + ["linear_7"]):
        assert np.array_equal(network.layers[index].weight, stored[f"{name}_MatMul_W"].T)
        assert np.array_equal(network.layers[index].bias, stored[f"{name}_Add_B"])


def test_the_kinds_are_onnx_numbers():
    assert (KINDS["float32"], KINDS["float64"]) == (layout._FLOAT, layout._DOUBLE)
