"""The list of deliberate mistakes holds, and the tests notice them."""

from __future__ import annotations

import mutations
import pytest

CHEAP = ("image-wrong-end", "dots-without-rests")
LIST = {mutation.name: mutation for mutation in mutations.MUTATIONS}


def test_every_mistake_can_still_be_made() -> None:
    assert not mutations.problems()
    assert len(LIST) >= 40


@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.system
def test_a_mistake_is_noticed(name: str) -> None:
    assert mutations.run(LIST[name]).caught_by


@pytest.mark.system
def test_what_changes_nothing_is_not_noticed() -> None:
    harmless = mutations.Mutation("harmless", "arithmetic.py", "terms = left", "terms  =  left")
    assert not mutations.run(harmless).caught_by


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LIST if name not in CHEAP])
def test_all_mistakes_are_noticed(name: str) -> None:
    assert mutations.run(LIST[name]).caught_by
