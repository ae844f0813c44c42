"""What the tutorials show is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages import run_page

pytestmark = pytest.mark.system
FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"


def test_the_setting_that_is_found_is_the_best_one(tmp_path: Path) -> None:
    names = run_page(FOLDER / "own_model.md", tmp_path)["model"]
    points = np.random.default_rng(0).random((50_000, 3))
    outputs = names["surrogate"].predict(points)
    allowed = (outputs[:, 1] <= 0.8) & (points[:, 0] + points[:, 1] <= 1.2)
    values = (outputs[:, 0] - 0.1 * points[:, 2])[allowed]
    assert values.size > 1000
    assert names["result"].objective - 0.05 < values.max() <= names["result"].objective + 1e-6
