"""Options that nobody can mean are refused, and what is no limit is one everywhere."""

from __future__ import annotations

import math

import pytest

from leo_opt.deadline import Deadline
from leo_opt.decisions import Cascade, Joint, Strategy
from leo_opt.decisions.settings import ClassifySettings
from leo_opt.errors import InvalidInputError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 10**6),
        ("seed", 2**31),
        ("node_limit", 10**30),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is {value}; it must be at most"):
        ClassifySettings(**{name: value})


@pytest.mark.parametrize("strategy", [Cascade, Joint])
@pytest.mark.parametrize("value", [10**30, 10**9])
def test_points_that_nobody_can_try_are_refused(strategy: type[Strategy], value: int) -> None:
    with pytest.raises(InvalidInputError, match=f"random_points is {value}; it must be at most"):
        strategy(random_points=value)


def test_infinity_is_no_limit() -> None:
    assert ClassifySettings(unit_time_limit=math.inf).unit_time_limit is None
    assert Deadline.of(math.inf).seconds is None
