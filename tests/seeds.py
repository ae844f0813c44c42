"""How many random cases a test draws by default, and how many when it is asked for all."""

from __future__ import annotations

import pytest


def seeds(count: int, of: int) -> list:
    """The numbers below `of`; all but the first `count` are left to `pytest -m slow`."""
    rest = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(count, of))
    return [*range(count), *rest]
