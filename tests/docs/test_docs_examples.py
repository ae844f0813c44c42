"""What docs/examples.md says works, and what it shows is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from networks import find_network
from pages import run_page

from leo_opt.cli import main

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def page(folder: Path) -> dict[str, dict[str, Any]]:
    """The names that each example of the page leaves behind."""
    return run_page(ROOT / "docs" / "examples.md", folder)


def test_the_smallest_change_is_bracketed(page: dict[str, dict[str, Any]]) -> None:
    names = page["adversarial"]
    answer = names["answer"]
    shown = re.search(r"# (0\.\d+) (0\.\d+)$", TEXT, re.M)
    assert shown
    assert answer.incumbent_objective == pytest.approx(float(shown[1]), abs=5e-5)
    assert answer.objective_bound == pytest.approx(float(shown[2]), abs=5e-5)
    assert 0.0694 <= answer.incumbent_objective <= 0.0695
    witness = names["changes"][0.0695].inputs
    assert names["network"](witness).argmax() == 9
    assert np.abs(witness - names["image"]).max() <= 0.0695 + 1e-12


def test_the_property_file_is_decided(
    page: dict[str, dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    verdict = page["property"]["verdict"]
    assert verdict.answer == "holds"
    assert verdict.certified
    done = CliRunner().invoke(main, ["verify", "net.onnx", "zero.vnnlib", "-q"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", ["1_1", "1_9"])
def test_the_commands_print_what_is_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = find_network(f"acasxu/ACASXU_run2a_{name}_batch_2000.onnx")
    asked = find_network("acasxu/prop_3.vnnlib")
    shown = re.search(rf"\$ leo-opt verify \w+{name}_\w+\.onnx.*\n([^$`]*)", TEXT)
    assert shown
    arguments = ["verify", str(network), str(asked), "-q", "--witness", "witness.txt"]
    printed = CliRunner().invoke(main, arguments).stdout.splitlines()
    for line in shown[1].splitlines():
        # Seconds and the last digits of a guess are the machine's.
        if not re.search(r"seconds|puts:", line):
            assert line in printed


def test_the_bracket_holds_the_optimum(page: dict[str, dict[str, Any]]) -> None:
    names = page["bracket"]
    assert sum(names["smaller"].network.hidden_widths) == 9
    assert 0.0 < names["smaller"].max_deviation[0] <= 0.01
    points = np.random.default_rng(0).uniform(-1.0, 1.0, size=(20_000, 4))
    assert names["lowest"] - 0.5 < names["network"](points).max() <= names["highest"]
