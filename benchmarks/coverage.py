"""Which network files of a folder load, agree with onnxruntime, or are refused and why.

    python benchmarks/coverage.py FOLDER
    python benchmarks/coverage.py --operators

The first form prints a table of the families (folders) of .onnx, .onnx.gz and .nnet files; .nnet
files are judged when they are read. The second runs the node tests that the installed `onnx`
package ships for every operator that is read, tails included. The exit code is 0 if nothing
disagrees.
"""

from __future__ import annotations

import argparse
import gzip
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import leo_opt
from leo_opt import tails
from leo_opt.errors import LeoOptError
from leo_opt.formats.dtypes import input_parts
from leo_opt.formats.onnx.operators import OPERATORS
from leo_opt.formats.outputs import file_outputs
from leo_opt.network import Network

TOLERANCE = 1e-3
"""Relative difference granted to an evaluation in float32."""


def agrees(network: Network, path: Path) -> str:
    """What onnxruntime says of a network at random inputs: yes, NO, or that it does not run."""
    import onnxruntime

    if path.suffix == ".nnet":
        return "when read"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        if path.suffix == ".gz":
            session = onnxruntime.InferenceSession(gzip.decompress(path.read_bytes()), options)
        else:
            session = onnxruntime.InferenceSession(str(path), options)
        generator = np.random.default_rng(1)
        feed, flat = {}, []
        shapes = dict(input_parts(network))
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
    actual = file_outputs(network, network(rows))
    near = np.allclose(actual, expected, TOLERANCE, TOLERANCE * np.abs(expected).max(initial=1.0))
    return "yes" if near else "NO"


def families(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The folders that hold networks."""
    kinds = (".onnx", ".onnx.gz", ".nnet")
    paths = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(kinds))
    for parent in dict.fromkeys(path.parent for path in paths):
        yield str(parent.relative_to(folder)), [path for path in paths if path.parent == parent]


def files(folder: Path) -> int:
    """The table of a folder; how many files disagree."""
    print(
        "| family | files | loaded | agree | seconds to load | refused |\n|---|---|---|---|---|---|"
    )
    wrong = 0
    for name, paths in families(folder):
        verdicts, reasons, seconds = [], [], 0.0
        for path in paths:
            start = time.perf_counter()
            try:
                network = leo_opt.load(path)
            except LeoOptError as error:
                text = str(error).removeprefix(f"{path}: ").split(";")[0]
                reasons.append(f"{path.name}: {text}")
                continue
            finally:
                seconds += time.perf_counter() - start
            verdicts.append(agrees(network, path))
        wrong += verdicts.count("NO")
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        print(
            f"| {name} | {len(paths)} | {len(verdicts)} | {counts} | {seconds:.1f} | "
            f"{'<br>'.join(reasons)} |"
        )
    return wrong


def operator_tests() -> Iterator[Any]:
    """The node tests of the operators that are read."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Making the tests divides by zero here and there.
        cases = load_model_tests(kind="node")
    for case in cases:
        names = {
            f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
            for node in case.model.graph.node
        }
        if names <= {*OPERATORS, *tails.OPERATORS}:
            [data, *_] = case.data_sets
            yield case.name, case.model, *data


def constant(model: Any, arrays: list[Any]) -> tuple[Any, np.ndarray]:
    """A model with all inputs made constant but the first one of floats."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    kinds = [getattr(array, "dtype", None) for array in arrays]
    free = next((k for k, kind in enumerate(kinds) if kind in (np.float32, np.float64)), 0)
    for index, (port, array) in enumerate(zip(model.graph.input, arrays, strict=True)):
        if index != free:
            changed.graph.initializer.append(numpy_helper.from_array(array, port.name))
    del changed.graph.input[:]
    changed.graph.input.append(model.graph.input[free])
    return changed, arrays[free]


def operators() -> int:
    """The table of ONNX's node tests; how many disagree."""
    wrong = 0
    for name, model, arrays, outputs in operator_tests():
        try:
            changed, source = constant(model, arrays)
        except (AttributeError, TypeError, ValueError) as error:
            print(f"{name}: refused: no plain tensors ({error})")
            continue
        with TemporaryDirectory() as place:
            path = Path(place) / "model.onnx"
            onnx.save(changed, path)
            try:
                network = leo_opt.load(path)
            except LeoOptError as error:
                print(f"{name}: refused: {str(error).removeprefix(f'{path}: ').split(';')[0]}")
                continue
        rows = source.reshape(-1, network.input_size).astype(np.float64)
        flat = np.hstack([np.reshape(output, (len(rows), -1)) for output in outputs]).ravel()
        actual = file_outputs(network, network(rows)).ravel()
        good = actual.shape == flat.shape and np.allclose(actual, flat, TOLERANCE, TOLERANCE)
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
        raise SystemExit(min(operators(), 1))
    if given.folder is None:
        parser.error("name a folder, or say --operators")
    raise SystemExit(min(files(given.folder), 1))


if __name__ == "__main__":
    main()
