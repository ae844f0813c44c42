"""`leo-opt verify`: exit codes, files, and one line for bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from networks import find_network

from leo_opt import Network, load, save
from leo_opt.cli import main
from leo_opt.verification import load_property, verify

HOLDS, VIOLATED, BAD_INPUT, UNKNOWN = 0, 1, 2, 3


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *(str(argument) for argument in arguments)])


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """y = max(0, x_0 + x_1) - max(0, x_0 - x_1)."""
    path = tmp_path / "net.onnx"
    save(Network.from_arrays([[[1, 1], [1, -1]], [[1, -1]]], [None, None]), path)
    return path


def write(folder: Path, outputs: str) -> Path:
    """A property of it on the box [-1, 1]."""
    path = folder / "prop.vnnlib"
    lines = ["(declare-const X_0 Real)", "(declare-const X_1 Real)", "(declare-const Y_0 Real)"]
    lines += [f"(assert (<= X_{k} 1.0)) (assert (>= X_{k} -1.0))" for k in range(2)]
    path.write_text("\n".join([*lines, outputs]))
    return path


def test_holds_is_exit_code_0(network: Path, tmp_path: Path) -> None:
    kept, witness = tmp_path / "verdict.json", tmp_path / "w.npz"
    asked = write(tmp_path, "(assert (>= Y_0 2.1))")
    done = run(network, asked, "--json", kept, "--witness", witness)
    assert done.exit_code == HOLDS, done.output
    assert done.stdout.startswith("holds\ncertified")
    tree = json.loads(kept.read_text())
    assert tree["answer"] == "holds"
    assert tree["certified"] is True
    assert tree["network_hash"] == load(network).content_hash
    assert not witness.exists()


@pytest.mark.parametrize("suffix", [".npz", ".txt", ".counterexample"])
def test_violated_is_exit_code_1_and_the_witness_is_written(
    network: Path, tmp_path: Path, suffix: str
) -> None:
    witness = tmp_path / f"w{suffix}"
    done = run(network, write(tmp_path, "(assert (>= Y_0 1.9))"), "--witness", witness, "-q")
    assert done.exit_code == VIOLATED, done.output
    assert done.stdout.startswith("violated\n")
    assert done.stderr == ""
    if suffix == ".npz":
        with np.load(witness) as archive:
            inputs, outputs = archive["inputs"], archive["outputs"]
    else:
        pairs = re.findall(r"\(([XY])_(\d+) (\S+?)\)", witness.read_text())
        inputs = np.array([float(value) for kind, _, value in pairs if kind == "X"])
        outputs = np.array([float(value) for kind, _, value in pairs if kind == "Y"])
    assert (np.abs(inputs) <= 1.0).all()
    assert np.array_equal(load(network)(inputs), outputs)
    assert outputs[0] >= 1.9


@pytest.mark.system
def test_unknown_is_exit_code_3_and_says_why(network: Path, tmp_path: Path) -> None:
    # y = 1 / 3 everywhere it matters has float64 inputs on both sides and none in between.
    third = "(assert (<= (* 3 Y_0) 1.0)) (assert (>= (* 3 Y_0) 1.0))"
    done = run(network, write(tmp_path, third), "--time-limit", 5, "-q")
    assert done.exit_code == UNKNOWN, done.output
    assert re.search(r"^unknown: \w+", done.stdout, re.M)


@pytest.mark.parametrize(
    ("outputs", "options", "message"),
    [
        ("(assert (>= Y_0 ", (), "prop.vnnlib"),
        ("(declare-const Y_1 Real)", (), "2 outputs and the network 1"),
        ("", ("--time-limit", 0), "time_limit is 0"),
        ("", ("--solver", "nonsense"), "nonsense"),
        ("", ("--witness", "w.pdf"), ".pdf"),
        ("", ("--witness", "no/such/folder/w.npz"), "not a folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    network: Path, tmp_path: Path, outputs: str, options: tuple[object, ...], message: str
) -> None:
    done = run(network, write(tmp_path, outputs), *options, "-q")
    assert done.exit_code == BAD_INPUT, done.output
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_missing_files_are_named(network: Path, tmp_path: Path) -> None:
    assert "nothing.vnnlib does not exist" in run(network, tmp_path / "nothing.vnnlib").stderr
    assert "has the suffix '.txt'" in run(network, tmp_path / "prop.txt").stderr


ACAS = "acasxu/ACASXU_run2a_{}_batch_2000.onnx"
KNOWN = [
    ("1_1", 1, "holds"),
    ("1_1", 2, "holds"),
    ("2_3", 2, "violated"),
    ("1_1", 3, "holds"),
    ("3_3", 3, "holds"),
    ("1_9", 3, "violated"),
    ("1_2", 4, "holds"),
    ("1_9", 4, "violated"),
]


@pytest.mark.system
@pytest.mark.parametrize(("name", "number", "answer"), KNOWN)
def test_known_answers_about_acas_xu(name: str, number: int, answer: str) -> None:
    path = find_network(ACAS.format(name))
    asked = load_property(find_network(f"acasxu/prop_{number}.vnnlib"))
    verdict = verify(load(path), asked)
    assert str(verdict.answer) == answer
    assert verdict.certified
    if verdict.inputs is not None:
        session = onnxruntime.InferenceSession(path)
        feed = session.get_inputs()[0]
        shape = [size if isinstance(size, int) else 1 for size in feed.shape]
        single = verdict.inputs.astype(np.float32).reshape(shape)
        outputs = session.run(None, {feed.name: single})[0].ravel().astype(float)
        assert verdict.case is not None
        for inequality in asked.cases[verdict.case].outputs:
            value = sum(float(factor) * outputs[k] for (_, k), factor in inequality.terms)
            assert value <= float(inequality.bound) + 1e-5
