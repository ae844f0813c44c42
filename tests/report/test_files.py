"""What is written from Python is what the commands write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt import Box, Network, approximate, classify, compress, load, save
from leo_opt.approximation import Parameters
from leo_opt.cli import main
from leo_opt.errors import InvalidInputError
from leo_opt.formats import load_provenance
from leo_opt.graphs import compress_graph
from leo_opt.report.files import FILES

VARYING = {"seconds", "stage_seconds", "bytes"}


def write_network(path: Path) -> Path:
    generator = np.random.default_rng(0)
    shapes = ((30, 12), (20, 30), (3, 20))
    weights = [generator.standard_normal(shape) for shape in shapes]
    biases = [4.0 * generator.standard_normal(size) for size, _ in shapes]
    biases[1] += 30.0  # So that units are merged, whose new weights are rounded.
    save(Network.from_arrays(weights, biases), path)
    return path


def run(*arguments: object) -> None:
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output


def figures(path: Path) -> dict[str, object]:
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in VARYING}


@pytest.mark.parametrize("suffix", [".onnx", ".npz", ".onnx.gz"])
def test_a_compression_is_saved_as_the_command_saves_it(suffix: str, tmp_path: Path) -> None:
    source = write_network(tmp_path / "net.onnx")
    run("compress", source, "--box", 0, 1, "-o", tmp_path / f"by_command{suffix}",
        "--report", tmp_path / "by_command.json", "-q")  # fmt: skip
    compression = compress(source, Box(0.0, 1.0))
    compression.save(tmp_path / f"by_call{suffix}")
    same = [(tmp_path / f"{by}{suffix}").read_bytes() for by in ("by_command", "by_call")]
    assert same[0] == same[1]
    if suffix == ".onnx":
        compression.report(tmp_path / "by_call.json")
        mine, commands = figures(tmp_path / "by_call.json"), figures(tmp_path / "by_command.json")
        assert mine == commands
        assert commands["max_deviation_written"] == compression.max_deviation_written.max() > 0.0
        assert commands["max_deviation_read"] == compression.max_deviation_read.max()
        assert "file to file" in compression.summary()


def test_an_approximation_is_saved_as_the_command_saves_it(tmp_path: Path) -> None:
    source = write_network(tmp_path / "net.onnx")
    data = np.random.default_rng(1).random((100, 12))
    np.savez(tmp_path / "data.npz", data)
    run("approximate", source, "--data", tmp_path / "data.npz", "--parameters", 0.6, "--box", 0, 1,
        "-o", tmp_path / "by_command.onnx", "--report", tmp_path / "by_command.json")  # fmt: skip
    made = approximate(load(source), data, budget=Parameters(0.6), domain=(0.0, 1.0))
    made.save(tmp_path / "by_call.onnx")
    same = [(tmp_path / f"{by}.onnx").read_bytes() for by in ("by_command", "by_call")]
    assert same[0] == same[1]
    made.report(tmp_path / "by_call.json")
    assert figures(tmp_path / "by_call.json") == figures(tmp_path / "by_command.json")


def test_every_kind_says_where_its_file_comes_from(tmp_path: Path) -> None:
    source = write_network(tmp_path / "net.onnx")
    network = load(source)
    made = [
        compress(source, Box(0.0, 1.0)),
        compress_graph(source, classify(network, Box(0.0, 1.0))),
        approximate(network, np.random.default_rng(1).random((50, 12)), budget=Parameters(0.7)),
    ]
    assert {type(one) for one in made} == set(FILES)
    for one in made:
        one.save(tmp_path / "small.onnx")
        assert load_provenance(tmp_path / "small.onnx")["source_hash"] == network.content_hash
        one.report(tmp_path / "report.JSON")
        assert figures(tmp_path / "report.JSON")["network_hash"] == network.content_hash
        one.report(tmp_path / "report.HTML")
        assert (tmp_path / "report.HTML").read_text().startswith("<!")


def test_numbers_that_the_files_type_cannot_hold_are_told_of_in_double_precision(
    tmp_path: Path,
) -> None:
    """The default type of a network from arrays is float32."""
    arrays = [[[1e39, 1.0], [1.0, -1.0]], [[1e-3, 1.0], [2.0, 3.0]]]
    compression = compress(Network.from_arrays(arrays, [[0.0, 0.1], [0.0, 1.0]]), Box(-1.0, 1.0))
    assert "written in float64" in compression.summary()
    assert np.isfinite(compression.max_deviation_written).all()
    compression.report(tmp_path / "report.json")
    assert figures(tmp_path / "report.json")["dtype"] == "float64"
    with pytest.raises(InvalidInputError, match="too large for float32"):
        compression.save(tmp_path / "small.onnx")
