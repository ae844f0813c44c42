"""Which network files of a folder load, agree with onnxruntime, or are refused and why.

    python benchmarks/coverage.py FOLDER
    python benchmarks/coverage.py --operators

The first form prints a table of the families (folders) of .onnx files. The second runs the node
tests that the installed `onnx` package ships for every operator that is read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import leo_opt
from leo_opt.errors import LeoOptError
from leo_opt.formats.onnx.operators import OPERATORS
from leo_opt.network import Network

TOLERANCE = 1e-3
"""Relative difference granted to an evaluation in float32."""


def agrees(network: Network, path: Path) -> str:
    """What onnxruntime says of a network at random inputs: yes, NO, or that it does not run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options)
        generator = np.random.default_rng(1)
        feed, flat = {}, []
        shapes = dict(network.signature.inputs) or {
            network.signature.input_name: network.signature.input_shape or ()
        }
        for port in session.get_inputs():
            sizes = [size if isinstance(size, int) else 1 for size in shapes[port.name]]
            kind = np.float64 if "double" in port.type else np.float32
            feed[port.name] = generator.random(sizes).astype(kind)
            flat.append(feed[port.name].ravel())
        outputs = session.run(None, feed)
    except Exception:  # The border to a foreign binding.
        return "does not run"
    rows = np.concatenate(flat).astype(np.float64).reshape(-1, network.input_size)
    expected = np.hstack([np.reshape(output, (len(rows), -1)) for output in outputs])
    actual = network(rows)
    near = np.allclose(actual, expected, TOLERANCE, TOLERANCE * np.abs(expected).max(initial=1.0))
    return "yes" if near else "NO"


def families(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The folders that hold networks."""
    paths = sorted(folder.rglob("*.onnx"))
    for parent in dict.fromkeys(path.parent for path in paths):
        yield str(parent.relative_to(folder)), [path for path in paths if path.parent == parent]


def files(folder: Path) -> None:
    """The table of a folder."""
    print("| family | files | loaded | agree | seconds | refused |\n|---|---|---|---|---|---|")
    for name, paths in families(folder):
        loaded, verdicts, reasons, start = 0, [], [], time.perf_counter()
        for path in paths:
            try:
                network = leo_opt.load(path)
            except LeoOptError as error:
                text = str(error).removeprefix(f"{path}: ").split(";")[0]
                reasons.append(f"{path.name}: {text}")
                continue
            loaded += 1
            verdicts.append(agrees(network, path))
        seconds = time.perf_counter() - start
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        print(
            f"| {name} | {len(paths)} | {loaded} | {counts} | {seconds:.1f} | "
            f"{'<br>'.join(reasons)} |"
        )


def operator_tests() -> Iterator[Any]:
    """The node tests of the operators that are read."""
    from onnx.backend.test.loader import load_model_tests

    for case in load_model_tests(kind="node"):
        if case.model_dir is None:
            continue
        model = onnx.load(Path(case.model_dir) / "model.onnx")
        names = {
            f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
            for node in model.graph.node
        }
        if names <= set(OPERATORS):
            yield case.name, Path(case.model_dir), model


def constant(model: Any, data: Path) -> tuple[Any, list[np.ndarray]]:
    """A model with all inputs but the first made constant, and the inputs as they were."""
    arrays = []
    for index in range(len(model.graph.input)):
        tensor = onnx.load_tensor(str(data / f"input_{index}.pb"))
        arrays.append(numpy_helper.to_array(tensor))
        if index:
            model.graph.initializer.append(
                numpy_helper.from_array(arrays[-1], model.graph.input[index].name)
            )
    del model.graph.input[1:]
    return model, arrays


def operators() -> int:
    """The table of ONNX's node tests; how many disagree."""
    wrong = 0
    for name, folder, model in operator_tests():
        data = folder / "test_data_set_0"
        try:
            changed, arrays = constant(model, data)
            expected = numpy_helper.to_array(onnx.load_tensor(str(data / "output_0.pb")))
        except (OSError, TypeError, ValueError) as error:
            print(f"{name}: no plain tensors ({type(error).__name__})")
            continue
        with TemporaryDirectory() as place:
            path = Path(place) / "model.onnx"
            onnx.save(changed, path)
            try:
                network = leo_opt.load(path)
            except LeoOptError as error:
                print(f"{name}: refused: {str(error).removeprefix(f'{path}: ').split(';')[0]}")
                continue
        rows = arrays[0].reshape(-1, network.input_size).astype(np.float64)
        good = np.allclose(network(rows).ravel(), expected.ravel(), TOLERANCE, TOLERANCE)
        wrong += not good
        print(f"{name}: {'agrees' if good else 'DISAGREES'}")
    return wrong


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--operators", action="store_true")
    given = parser.parse_args()
    if given.operators:
        raise SystemExit(operators())
    if given.folder is None:
        parser.error("name a folder, or say --operators")
    files(given.folder)


if __name__ == "__main__":
    main()
