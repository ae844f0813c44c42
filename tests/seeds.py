"""How many random cases a test draws by default, and how many when it is asked for all."""

from __future__ import annotations

import pytest

# Whether the slow cases are asked for; without, they are not even collected (conftest.py sets it).
collects_slow = True


def seeds(count: int, of: int) -> list:
    """The numbers below `of`; all but the first `count` are left to `pytest -m slow`."""
    rest = range(count, of) if collects_slow else ()
    return [*range(count), *(pytest.param(seed, marks=pytest.mark.slow) for seed in rest)]
