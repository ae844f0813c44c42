"""What is closed where its `with` block ends, however it ends."""

from __future__ import annotations

import pytest

from leo_opt.closing import Closing


class Door(Closing):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_block_ends_with_a_closed_door() -> None:
    with Door() as door:
        assert not door.closed
    assert door.closed == 1


def test_what_is_raised_is_passed_on() -> None:
    door = Door()
    with pytest.raises(ZeroDivisionError), door:
        _ = 1 / 0
    assert door.closed == 1
