"""Every command in a process of its own, where libraries greet: nothing but its own words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import leo_opt
from leo_opt import Network, save
from leo_opt.cli import COMMANDS
from leo_opt.solvers import find, names

SCRIPT = """
import sys
from contextlib import redirect_stdout
from leo_opt.cli import main
with open(sys.argv[1], "w") as words, redirect_stdout(words):
    main(sys.argv[2:])
"""
"""What Python prints goes to a file, so that the file descriptor has what C code prints."""

PLAN = """
time_limit = 20.0
networks = [{path = "net.npz"}]
domains = [{name = "square", box = [-1, 1]}]
questions = [{kind = "outputs", sense = "both"}]
formulations = [{name = "big-m"}]
solvers = [{name = "highs"}]
"""
INPUTS = 14
PROPERTY = "".join(
    f"(declare-const X_{k} Real) (assert (<= X_{k} 1)) (assert (>= X_{k} -1))\n"
    for k in range(INPUTS)
)
PROPERTY += "(declare-const Y_0 Real) (declare-const Y_1 Real) (assert (>= Y_0 4))\n"
"""Holds of the network below, which takes linear programs to prove."""

USED = {
    "approximate": ["net.npz", "--data", "calib.npz", "--parameters", "0.9", "-o", "near.npz"],
    "compress": ["net.npz", "--box", "-1", "1", "-o", "small.npz", "-q"],
    "classify": ["net.npz", "--box", "-1", "1", "-q", "--strategy", "per-unit"],
    "formulate": ["net.npz", "--box", "-1", "1", "-o", "net.mps"],
    "info": ["net.npz"],
    "solvers": ["--probe"],
    "demo": [],
    "bench": ["plan.toml", "-o", "results", "-q"],
    "verify": ["net.npz", "asked.vnnlib", "-q"],
    "difference": ["net.npz", "net.npz", "--box", "-1", "1"],
    "reproduce": ["table1", "--quick", "-q"],
}
"""A use of every command."""

FOREIGN = re.compile(r"copyright|running highs|set parameter|academic", re.IGNORECASE)
"""What solvers say of themselves."""

SOLVERS = [*names(), "pyomo:appsi_highs"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=size) for size in ((6, INPUTS), (4, 6), (2, 4))]
    biases = [generator.normal(size=size) for size in (6, 4, 2)]
    save(Network.from_arrays(weights, biases), tmp_path / "net.npz")
    np.savez(tmp_path / "calib.npz", generator.normal(size=(50, INPUTS)))
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "asked.vnnlib").write_text(PROPERTY)
    return tmp_path


def check_silence(folder: Path, *arguments: str) -> None:
    words = folder / "words.txt"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(words), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == "" or arguments[0] == "demo"
    said = words.read_text()
    assert said
    assert arguments[0] == "solvers" or not FOREIGN.search(said), said


def test_every_command_is_used() -> None:
    assert set(USED) == set(COMMANDS)


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=[pytest.mark.slow] * (c == "bench")) for c in USED]
)
@pytest.mark.system
def test_a_command_prints_nothing_but_its_own_words(command: str, folder: Path) -> None:
    check_silence(folder, command, *USED[command])


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_solver_prints(solver: str, folder: Path) -> None:
    if not find(solver).available():
        pytest.skip(f"{solver} is not installed")
    (folder / "plan.toml").write_text(PLAN.replace("highs", solver))
    check_silence(folder, "bench", *USED["bench"])
    for command in ("classify", "compress", "verify"):
        check_silence(folder, command, *USED[command], "--solver", solver)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("arguments", [["info", "net.onnx"], ["--help"], ["info", "--help"]])
@pytest.mark.system
def test_no_room_for_words_is_bad_input_and_no_verdict(arguments: list[str], folder: Path) -> None:
    save(Network.from_arrays([np.eye(2)], [np.zeros(2)]), folder / "net.onnx")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "leo_opt", *arguments],
            cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch("Error: output cannot be written: .*; make room .*\n", done.stderr)


@pytest.mark.system
def test_a_classification_without_a_milp_does_not_wait_for_pyomo() -> None:
    """Pyomo takes longer to import than most networks take to decide."""
    network = Path(leo_opt.__file__).parent / "data" / "mnist_25-25_l1_0.001_s0.onnx"
    code = (
        "import sys; from click.testing import CliRunner; from leo_opt.cli import main;"
        f"done = CliRunner().invoke(main, ['classify', {str(network)!r}, '--box', '0', '1', '-q']);"
        "assert done.exit_code == 0, done.output; print('pyomo.environ' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
