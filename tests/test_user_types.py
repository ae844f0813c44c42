"""Programs of users under strict type checkers: what is public is typed, and wrong use is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import leo_opt

pytestmark = pytest.mark.extras

RIGHT = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import leo_opt
from leo_opt import (
    {names},
)
from leo_opt.domain import Domain
from leo_opt.errors import LeoOptError
from leo_opt.formulations import FORMULATIONS, BigM, Partition
from leo_opt.verification import Verdict, keep_class, verify


def work() -> float:
    network: Network = Network.from_arrays([np.eye(2)], [None])
    box = Box.around([0.0, 0.5], 0.1, within=(0.0, 1.0))
    bounds: Bounds = propagate(network, (np.zeros(2), np.ones(2, dtype=np.float32)))
    stability: Stability = classify(network, box, bounds=bounds, formulation=BigM)
    if stability.phases[0][0] is Phase.UNSTABLE:
        raise LeoOptError("unstable")
    for strategy in (Cascade(random_points=5), PerUnit(skip_stable=True), Joint):
        classify(rectified(network), box, strategy=strategy)
    result: Compression = compress(network, (0, 1))
    result = leo_opt.compress(network, stability, certified_only=True)
    classify("net.onnx", box)
    smaller = compress(object_of_a_framework, box)
    print(smaller.model, compress(Path("net.onnx"), box).summary())
    nearly: Approximation = approximate(network, np.zeros((9, 2)))
    sizes: Frontier[Any] = frontier(network, np.zeros((9, 2)))
    print(sizes.summary(), sizes.pick(0.5))
    apart: Difference = bound_difference(network, nearly.network, box)
    print(apart.bound)
    formulate(network, box, formulation=Partition(parts=2))
    verdict: Verdict = verify(network, keep_class(box, 0, 2), formulation=FORMULATIONS["big-m"])
    with ThreadPoolExecutor(2) as pool:
        classify(network, box, executor=pool, time_limit=10)
    save(result.network, "small.onnx")
    return float(load("small.onnx")([0.0, 1.0]).max()) + verdict.seconds


object_of_a_framework: Any = None
layers: tuple[Layer, ...] = load("small.onnx").layers
signature: Signature = load("small.onnx").signature
evidence: tuple[tuple[Evidence, ...], ...] = classify(load("a.onnx"), Box(0, 1)).lower_evidence
domain: Domain = load_domain("box.npz", 2)
rows = Polytope(domain if isinstance(domain, Box) else (0, 1), [[1.0, 1.0]], [1.0])
network: Network = from_torch(to_torch(from_sklearn(object())))
"""

WRONG = """
from leo_opt import Box, Network, classify, compress

network = Network.from_arrays([[[1.0]]], [None])
classify(3, Box(0, 1))
classify(network, [0, 1])
classify(network, Box(0, 1), time_limit="10")
classify(network, Box(0, 1), formulation=dict)
compress(network, network)
"""
WRONG_LINES = [5, 6, 7, 8, 9]


@pytest.fixture
def scripts(tmp_path: Path) -> tuple[Path, Path]:
    """A right program and a wrong one, outside the project."""
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    names = ",\n    ".join(sorted(leo_opt.__all__))
    right.write_text(RIGHT.replace("{names}", names), encoding="utf-8")
    wrong.write_text(WRONG, encoding="utf-8")
    return right, wrong


def test_mypy_accepts_the_right_program_and_tells_every_line_of_the_wrong_one(
    scripts: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json"]
    command += [f"--cache-dir={tmp_path / 'cache'}", *map(str, scripts)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [entry for entry in told if entry["severity"] == "error"]
    assert [e for e in errors if not e["file"].endswith("wrong.py")] == []
    assert sorted({entry["line"] for entry in errors}) == WRONG_LINES


def test_pyright_accepts_the_right_program_and_tells_every_line_of_the_wrong_one(
    scripts: tuple[Path, Path], tmp_path: Path
) -> None:
    if find_spec("pyright") is None or shutil.which("node") is None:
        pytest.skip("pyright, or the node that it runs on, is not installed")
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["*.py"]}
    # Arrays of NumPy and of Pyomo are partly unknown to it, whatever we write.
    config |= dict.fromkeys(
        (
            "reportUnknownMemberType",
            "reportUnknownVariableType",
            "reportUnknownArgumentType",
            "reportMissingTypeStubs",
        ),
        False,
    )
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)["generalDiagnostics"]
    errors = [entry for entry in told if entry["severity"] == "error"]
    assert [e for e in errors if not e["file"].endswith("wrong.py")] == []
    lines = sorted({entry["range"]["start"]["line"] + 1 for entry in errors})
    assert lines == WRONG_LINES
