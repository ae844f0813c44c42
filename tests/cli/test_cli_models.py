"""`leo-opt formulate`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from model_readers import reader_for

from leo_opt import Box, Network, classify, propagate, save
from leo_opt.cli import main
from leo_opt.model_files import Sidecar


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a network, bounds and a stability file."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(2)
    weights = [generator.normal(size=shape) for shape in ((5, 3), (4, 5), (2, 4))]
    network = Network.from_arrays(weights, [0.2 * generator.normal(size=len(w)) for w in weights])
    save(network, "net.npz")
    propagate(network, Box(0, 1), "interval").save("bounds.npz")
    classify(network, Box(0, 1)).save("stability.json")
    np.savez("box.npz", lower=np.zeros(3), upper=np.full(3, 0.5))
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["formulate", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_every_way_to_bounds_gives_the_same_optimum(folder: Path) -> None:
    reader = reader_for("highs")
    optima = {}
    for name, options in {
        "crown": ["--box", "0", "1"],
        "interval": ["--box", "0", "1", "--method", "interval"],
        "bounds": ["--bounds", "bounds.npz"],
        "decided": ["--stability", "stability.json"],
        "certified": ["--stability", "stability.json", "--certified-only"],
        "parts": ["--box", "0", "1", "--formulation", "partition", "--parts", "4"],
        "split": ["--box", "0", "1", "--formulation", "partition:parts=3,split=equal-range"],
        "plain": ["--box", "0", "1", "--no-centre"],
    }.items():
        code, output = run(
            "net.npz", *options, "-o", f"{name}.mps", "--objective", "max output 0 - output 1"
        )
        assert code == 0, output
        assert f"written: {name}.mps" in output
        value, _ = reader.minimise(folder / f"{name}.mps", {})
        optima[name] = Sidecar.load(folder / f"{name}.mps").objective_value(value)
    assert max(optima.values()) - min(optima.values()) < 1e-5
    about = Sidecar.load("parts.json").about["formulation"]
    assert about["options"] == {
        "parts": 4,
        "split": "equal-size",
        "seed": 0,
        "part_bounds": "interval",
    }
    assert about["centred"]
    assert not Sidecar.load("plain.json").about["formulation"]["centred"]
    assert Sidecar.load("interval.json").about["bounds_source"] == "interval"
    assert Sidecar.load("decided.json").domain == Box(np.zeros(3), np.ones(3))


def test_phases_of_a_stability_file_are_kept(folder: Path) -> None:
    assert run("net.npz", "--stability", "stability.json", "-o", "m.lp")[0] == 0
    phases = json.loads(Path("stability.json").read_text())["phases"]
    assert [list(layer) for layer in Sidecar.load("m.lp").phases] == phases
    assert any("unstable" in layer for layer in phases)


def test_a_smaller_box_than_that_of_the_bounds(folder: Path) -> None:
    assert run("net.npz", "--bounds", "bounds.npz", "--domain", "box.npz", "-o", "m.lp")[0] == 0
    assert Sidecar.load("m.lp").domain == Box(np.zeros(3), np.full(3, 0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.mps"], "--box LOWER UPPER"),
        (["--box", "0", "1", "-o", "m.txt"], ".mps, .lp"),
        (["--box", "0", "1", "-o", "none/m.mps"], "folder"),
        (["--box", "0", "1", "-o", "stability.mps"], "another name"),
        (["--box", "0", "2", "--bounds", "bounds.npz", "-o", "m.mps"], "do not hold"),
        (["--bounds", "bounds.npz", "--stability", "stability.json", "-o", "m.mps"], "one of them"),
        (["--bounds", "net.npz", "-o", "m.mps"], "bounds"),
        (["--box", "0", "1", "--certified-only", "-o", "m.mps"], "--certified-only"),
        (["--box", "0", "1", "--parts", "3", "-o", "m.mps"], "no option"),
        (["--box", "0", "1", "--formulation", "partition:parts=0", "-o", "m.mps"], "parts is 0"),
        (["--box", "0", "1", "--formulation", "partition:parts", "-o", "m.mps"], "no option"),
        (["--box", "0", "1", "--formulation", "partition:n=3", "-o", "m.mps"], "parts, split"),
        (["--box", "0", "1", "--formulation", "form2", "-o", "m.mps"], "known are"),
        (["--box", "0", "1", "--objective", "max it", "-o", "m.mps"], "max output 3"),
        (["--box", "0", "1", "--formulation", "ideal", "-o", "m.mps"], "give an objective"),
    ],
)
def test_bad_requests_are_one_line(folder: Path, arguments: list[str], message: str) -> None:
    code, output = run("net.npz", *arguments)
    assert code == 2
    assert message in output
    assert output.startswith("Error: ")
    assert output.count("\n") == 1
    assert not Path("m.mps").exists()
    assert not Path("m.json").exists()
