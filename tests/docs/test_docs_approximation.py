"""The recipe of docs/approximation.md works, and keeps the structure."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import run_page

PAGE = Path(__file__).parents[2] / "docs" / "approximation.md"


@pytest.mark.extras
def test_fine_tuning_keeps_the_structure(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    [names] = run_page(PAGE, tmp_path).values()
    assert names["gaps"][1] < 0.9 * names["gaps"][0]
    assert names["tuned"].hidden_widths == names["made"].network.hidden_widths
