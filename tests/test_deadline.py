"""The clock of limits."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt import Box, Network, classify
from leo_opt.cli import main
from leo_opt.cli.options import time_limit_option
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.errors import InvalidInputError


def test_a_deadline_that_runs_is_passed_on_and_not_begun_again() -> None:
    running = Deadline(10.0, start=time.monotonic() - 8.0)
    assert Deadline.of(running) is running
    assert 1.0 < (Deadline.of(running).remaining or 0.0) <= 2.0
    assert Deadline(1.0, start=time.monotonic() - 2.0).passed


def test_without_a_limit_nothing_passes() -> None:
    assert not NO_LIMIT.passed
    assert NO_LIMIT.remaining is None
    assert NO_LIMIT.part(0.5).remaining is None
    assert Deadline.of(None).seconds is None


def test_a_part_ends_before_the_whole() -> None:
    whole = Deadline(100.0)
    assert 0.0 < (whole.part(0.25).remaining or 0.0) <= 25.0
    assert (Deadline.until(whole.at, 5.0).remaining or 0.0) <= 5.0
    assert 90.0 < (Deadline.until(whole.at, None).remaining or 0.0) <= 100.1


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "10", True, [1]])
def test_what_is_no_limit_is_refused(limit: Any) -> None:
    net = Network.from_arrays([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    with pytest.raises(InvalidInputError, match="time_limit is"):
        classify(net, Box(0, 1), time_limit=limit)


@pytest.mark.parametrize("limit", [np.int64(60), np.float32(60.0), Fraction(60)])
def test_a_number_of_any_type_is_a_limit(limit: Any) -> None:
    assert Deadline.of(limit).seconds == 60.0


def test_on_the_command_line_the_clock_runs_while_a_command_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Deadline] = []

    @click.command()
    @time_limit_option("Everything.")
    def slow(time_limit: Deadline) -> None:
        seen.append(time_limit)

    def get_command(*_: Any) -> click.Command:
        time.sleep(0.05)
        return slow

    monkeypatch.setattr(type(main), "get_command", get_command)
    assert CliRunner().invoke(main, ["slow", "--time-limit", "7"]).exit_code == 0
    assert seen[0].seconds == 7.0
    assert seen[0].elapsed > 0.05
