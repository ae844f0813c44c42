"""The model of a two-unit network as text, for each formulation.

Write the files anew, after a change that is meant, with `python tests/model_text.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from model_text import GOLDEN, VARIANTS, model_text


@pytest.mark.parametrize("name", VARIANTS)
def test_model_is_as_written_down(name: str) -> None:
    assert model_text(VARIANTS[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_formulation_is_written_down() -> None:
    from leo_opt.formulations import FORMULATIONS

    assert set(FORMULATIONS) <= set(VARIANTS)
    assert {path.stem for path in Path(GOLDEN).glob("*.txt")} == set(VARIANTS)
