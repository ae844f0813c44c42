"""Solutions that other programs write are inputs and outputs of the network."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from model_readers import READERS, reader_for

from leo_opt import Box, Network
from leo_opt.errors import FileFormatError
from leo_opt.model_files import Sidecar, export_network, read_solution


def write_highs(model: Path, solution: Path) -> None:
    highs = READERS["highs"]._read(model)
    highs.run()
    highs.writeSolution(str(solution), 0)


def write_gurobi(model: Path, solution: Path) -> None:
    gurobi = READERS["gurobi"]._read(model)
    gurobi.optimize()
    gurobi.write(str(solution))


def write_cplex(model: Path, solution: Path) -> None:
    cplex = READERS["cplex"]._read(model)
    cplex.solve()
    cplex.solution.write(str(solution))


def write_scip(model: Path, solution: Path) -> None:
    scip = READERS["scip"]._read(model)
    scip.optimize()
    scip.writeBestSol(str(solution))


def write_cbc(model: Path, solution: Path) -> None:
    command = ["cbc", str(model), "solve", "solution", str(solution)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


WRITERS: dict[str, Callable[[Path, Path], None]] = {
    "highs": write_highs,
    "gurobi": write_gurobi,
    "cplex": write_cplex,
    "scip": write_scip,
    "cbc": write_cbc,
}


@pytest.mark.parametrize("program", WRITERS)
def test_a_solution_file_is_read(program: str, tmp_path: Path) -> None:
    reader_for(program)
    for seed in range(2):
        generator = np.random.default_rng(seed)
        weights = [generator.normal(size=shape) for shape in ((5, 3), (4, 5), (2, 4))]
        network = Network.from_arrays(
            weights, [0.3 * generator.normal(size=len(w)) for w in weights]
        )
        path = tmp_path / f"model{seed}.mps"
        export_network(network, Box(-1, 1), path, objective="min output 1")
        WRITERS[program](path, tmp_path / f"found{seed}.sol")
        sidecar = Sidecar.load(path)
        values = read_solution(tmp_path / f"found{seed}.sol")
        sparse = program in ("scip", "cbc")
        assert sparse or set(sidecar.inputs) <= set(values)
        inputs = sidecar.input_values(values, sparse=sparse)
        outputs = sidecar.output_values(values, sparse=sparse)
        assert np.allclose(network(inputs), outputs, atol=1e-5)


def test_what_is_no_solution_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sol"
    for text in ("", "# nothing\n", "<?xml version='1.0'?><a>", "no solution available\n"):
        path.write_text(text)
        with pytest.raises(FileFormatError, match="solution"):
            read_solution(path)
    with pytest.raises(FileFormatError, match="does not exist"):
        read_solution(tmp_path / "none.sol")
