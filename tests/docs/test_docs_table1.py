"""The page on Table 1 shows what its results say."""

from __future__ import annotations

import re
from pathlib import Path

from leo_opt.reproduction import EXPERIMENTS, read_results

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = read_results(DOCS / "table1.json")
EXPERIMENT = EXPERIMENTS["table1"]


def test_the_table_is_that_of_the_results() -> None:
    found = re.search(
        r"table1\.json -->\n\n(.*?)\n\n<!-- end", (DOCS / "table1.md").read_text(), re.S
    )
    assert found
    table = RESULTS.table(EXPERIMENT)
    assert found[1] == table.markdown()
    assert not table.remarks
    assert str(EXPERIMENT.setting) == RESULTS.setting


def test_compress_removes_at_least_what_leo_does_in_every_network() -> None:
    for one in RESULTS.networks:
        assert sum(one.ours.removed) >= sum(one.leo.removed)
        assert one.ours.parameters <= one.leo.parameters
        assert one.leo.changed == one.ours.changed == 0
