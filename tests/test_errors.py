"""Words that nobody knows, wherever they are taken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt import Box, Cascade, Network, classify, formulate, propagate
from leo_opt.cli import main
from leo_opt.errors import InvalidInputError, SolverNotAvailableError, unknown_word
from leo_opt.formats.vnnlib import parse_property
from leo_opt.properties import Property
from leo_opt.solvers import Solver, find
from leo_opt.verification import verify

NET = Network.from_arrays([np.eye(2), np.ones((1, 2))], [[0.0, 0.0], [0.0]])
BOX = Box(-1.0, 1.0)


def test_the_word_that_was_meant_is_named() -> None:
    assert unknown_word("solver", "Highs", ["highs"]).endswith("did you mean highs?")
    assert unknown_word("formulation", "big_m", ["big-m", "ideal"]).endswith("did you mean big-m?")
    assert "did you mean" not in unknown_word("solver", "xyz", ["highs"])
    assert "did you mean" not in unknown_word("solver", 3, ["highs"])


CALLS: dict[str, Callable[[], object]] = {
    "did you mean gurobi": lambda: find("gurobbi"),
    "did you mean scip": lambda: classify(NET, BOX, solver="sicp"),
    "did you mean big-m": lambda: classify(NET, BOX, formulation="bigm"),
    "did you mean per-unit": lambda: classify(NET, BOX, strategy="perunit"),
    "did you mean splitting": lambda: classify(NET, BOX, strategy=Cascade(stages=["spliting"])),
    "did you mean crown": lambda: propagate(NET, BOX, "crow"),
    "did you mean ideal": lambda: formulate(NET, BOX, formulation="ideel"),
}


@pytest.mark.parametrize("meant", CALLS)
def test_functions_say_what_was_meant(meant: str) -> None:
    with pytest.raises(InvalidInputError, match=meant):
        CALLS[meant]()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clasify", "net.onnx"], "did you mean classify?"),
        (["classify", "gone.onnx", "--box", "0", "1", "--solver", "guroby"], "mean gurobi?"),
        (["compress", "gone.onnx", "-o", "x.npz", "--formulation", "bigm"], "mean big-m?"),
        (["classify", "gone.onnx", "--strategy", "per_unit"], "mean per-unit?"),
        (["verify", "gone.onnx", "gone.vnnlib", "--solver", "hihgs"], "mean highs?"),
        (["verify", "gone.onnx", "gone.vnnlib", "--solver", "pyomo:nosuch"], "no solver 'nosuch'"),
    ],
)
def test_commands_refuse_words_before_they_read_a_file(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "gone" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_solver_that_is_not_installed_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where no question would ever have reached it."""
    monkeypatch.setattr(Solver, "_available", lambda self: False)
    with pytest.raises(SolverNotAvailableError, match="scip needs pyscipopt: pip install"):
        classify(NET, BOX, solver="scip")
    with pytest.raises(SolverNotAvailableError, match="scip needs pyscipopt: pip install"):
        verify(NET, nothing(), solver="scip")
    with pytest.raises(SolverNotAvailableError, match="Pyomo knows no solver 'nosuch'"):
        classify(NET, BOX, solver="pyomo:nosuch")


def nothing() -> Property:
    """X_0 and X_1 in [0, 1], and an output that is never 9."""
    inputs = "".join(
        f"(declare-const X_{k} Real)(assert (>= X_{k} 0))(assert (<= X_{k} 1))" for k in range(2)
    )
    return parse_property(f"{inputs}(declare-const Y_0 Real)(assert (>= Y_0 9))")
