"""What docs/formulations.md says works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from pages import run_page

from leo_opt.formulations import FORMULATIONS

PAGE = Path(__file__).parents[2] / "docs" / "formulations.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The names that each example of the page leaves behind."""
    return run_page(PAGE, tmp_path_factory.mktemp("page"))


def test_the_table_names_every_formulation() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| `(\w+)\(", TEXT, re.MULTILINE))
    assert rows == {name: kind.__name__ for name, kind in FORMULATIONS.items()}


def test_the_way_back_leads_to_the_network(page: dict[str, dict[str, Any]]) -> None:
    names = page["way-back"]
    network, answer, inputs = names["network"], names["answer"], names["inputs"]
    first, second = network(inputs)
    assert first - second == pytest.approx(answer.objective_bound, abs=1e-5)
    for found, true in zip(names["pre"], network.pre_activations(inputs), strict=True):
        assert found == pytest.approx(true, abs=1e-5)
    assert names["post"][-1] == pytest.approx([first, second], abs=1e-5)


def test_a_surrogate_is_optimised(page: dict[str, dict[str, Any]]) -> None:
    names = page["surrogate"]
    model, network = names["model"], names["network"]
    inputs = [pyo.value(model.x[k]) for k in range(2)]
    assert sum(inputs) <= 0.5 + 1e-6
    assert network(inputs)[0] == pytest.approx(pyo.value(model.net.outputs[0]), abs=1e-6)
    # The optimum lies at the corner x = (0, -1) or on the way to (1, -1).
    assert pyo.value(model.goal) == pytest.approx(network([1.0, -1.0])[0] - 0.1, abs=1e-6)


def test_two_networks_are_compared(page: dict[str, dict[str, Any]]) -> None:
    names = page["two-networks"]
    # The second unit is at most 1.75, and its weight differs by 0.1.
    assert pyo.value(names["model"].goal) == pytest.approx(0.175, abs=1e-6)


def test_the_smallest_change_is_found(page: dict[str, dict[str, Any]]) -> None:
    names = page["smallest-change"]
    model, network = names["model"], names["network"]
    inputs = [pyo.value(model.net.inputs[k]) for k in range(2)]
    outputs = network(inputs)
    assert network(names["point"])[0] > network(names["point"])[1]
    assert outputs[1] >= outputs[0] - 1e-6
    size = max(abs(x - p) for x, p in zip(inputs, names["point"], strict=True))
    assert pyo.value(model.size) == pytest.approx(size, abs=1e-6)
    # 2 - 3 s and s / 2, the classes at a change of s in both inputs, meet at 4 / 7.
    assert size == pytest.approx(4.0 / 7.0, abs=1e-6)


def test_rows_are_separated(page: dict[str, dict[str, Any]]) -> None:
    names = page["separation"]
    assert names["rounds"].complete
    assert names["rounds"].bounds[-1] < names["rounds"].bounds[0]
    assert names["answer"].termination_condition == "optimal"


@pytest.mark.system
def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    names = run_page(PAGE.parent / "how_to" / "formulation.md", tmp_path)["use"]
    assert len(names["block"].is_active) == 2
    assert names["stability"].statistics.milps_solved == 0


@pytest.mark.system
def test_pyomo_is_imported_when_a_model_is_written() -> None:
    """Commands that settle all units without a model do not wait for it."""
    code = (
        "import sys, leo_opt.formulations as f, leo_opt.decisions, leo_opt.separation\n"
        "assert 'pyomo' not in sys.modules\n"
        "assert f.find('ideal').name == 'ideal' and f.BigM is f.FORMULATIONS['big-m']\n"
        "assert not hasattr(f, 'LargeM')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
