"""The page about comparisons shows a plan that is read and names every key."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from leo_opt.comparison import expand, read_plan
from leo_opt.comparison.contestants import SolverEntry
from leo_opt.comparison.domains import DomainTable
from leo_opt.comparison.measurement import Measurement
from leo_opt.comparison.plan import NetworkTable, PlanFile
from leo_opt.comparison.questions import Directions, Outputs

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")


def test_the_plan_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyscipopt", reason="the plan names SCIP's options")
    shown = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert shown
    (tmp_path / "plan.toml").write_text(shown[1])
    network = ROOT / "leo_opt" / "data" / "mnist_25-25_l1_0.001_s0.onnx"
    shutil.copy(network, tmp_path / "net.onnx")
    cells = list(expand(read_plan(tmp_path / "plan.toml")))
    # Two directions and an output, with two methods of bounds, two solvers, three formulations.
    assert len(cells) == 3 * 2 * 2 * 3


def test_every_key_of_plans_stands_on_the_page() -> None:
    tables = (PlanFile, NetworkTable, DomainTable, Directions, Outputs, SolverEntry)
    known = {key for table in tables for key in table.__struct_fields__}
    assert len(known) > 25
    for key in known | {"kind"}:
        assert re.search(rf"`\[*{key}\]*`", PAGE), key


def test_every_figure_of_a_cell_is_explained() -> None:
    assert Measurement.__doc__
    for name in Measurement.__dataclass_fields__:
        assert name in Measurement.__doc__, name
