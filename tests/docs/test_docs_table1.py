"""The page on Table 1 shows what its results say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from leo_opt.reproduction import EXPERIMENTS, read_results

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "title", "variance"),
    [("table1", "table1", 2.0), ("table1_variance", "table1", 1 / 3), ("isa", "isa", 2.0)],
)
def test_the_page_has_the_table_of_the_results(name: str, title: str, variance: float) -> None:
    experiment, results = EXPERIMENTS[title], read_results(DOCS / f"{name}.json")
    found = re.search(
        rf"{name}\.json -->\n\n(.*?)\n\n<!-- end", (DOCS / "table1.md").read_text(), re.S
    )
    assert found
    table = results.table(experiment)
    assert found[1] == "\n\n".join((table.markdown(), *table.remarks))
    assert results.setting == str(replace(experiment.setting, variance=variance))
    for one in results.networks:
        assert sum(one.ours.removed) >= sum(one.leo.removed)
        assert one.ours.parameters <= one.leo.parameters
        assert one.leo.changed == one.ours.changed == 0
