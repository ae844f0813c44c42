"""Whoever waits sees what is done, on terminals of any width, and in a log few lines of it."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pytest
from rich.console import Console

from leo_opt import Box, Cascade, Network, classify, progress
from leo_opt.decisions import STAGES, Progress

EVENTS = [
    Progress(stage, open_, asked, remaining, layer, share)
    for (layer, open_, asked), stage, remaining, share in itertools.product(
        [(0, 0, 1), (12, 2048, 4096), (3, 17, 40)],
        [*STAGES, "bounds", "witness", "tighten", "joint"],
        [None, 3.7, 86_400.0],
        [None, 0.0, 0.34, 1.0],
    )
]


def drawn(event: Progress, width: int) -> list[str]:
    """The lines on a terminal some seconds after the start."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    clock = iter(range(0, 10**6, 75))
    bars = progress._bars(console)
    bars.get_time = lambda: float(next(clock))
    progress._advance(bars)(event)
    with console.capture() as captured:
        console.print(bars.get_renderable())
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 100])
def test_nothing_is_cut_on_a_narrow_terminal(width: int) -> None:
    for event in EVENTS:
        *words, bar = drawn(event, width)
        assert all(len(line.rstrip()) <= width for line in (*words, bar))
        text = " ".join(line.strip() for line in words)
        assert f"layer {event.layer}: {event.stage}, {event.open} of {event.asked} " in text
        assert "…" not in "".join((*words, bar))
        if event.remaining is not None:
            assert f"{event.remaining:.0f} s left" in text
        assert re.search(r"\d+% 0:\d\d:\d\d", bar), bar
        assert len(words) <= {30: 3, 40: 2, 60: 2, 100: 1}[width]
        # A bar where nothing is done is blank without colours.
        assert bar.index("%") >= width // 2


def test_the_bar_shows_the_share_of_a_stage_that_settles_nothing_before_its_end() -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        event = Progress("splitting", 40, 40, None, 3, share)
        assert f"{share:.0%} 0:" in drawn(event, 60)[-1]
    assert "75% 0:" in drawn(Progress("milp", 10, 40, layer=3), 60)[-1]
    assert "100% 0:" in drawn(Progress("milp", 0, 0, layer=3), 60)[-1]


def test_a_log_has_few_lines_of_a_stage_however_often_it_tells_its_share() -> None:
    console = Console(file=io.StringIO(), width=200)
    tell = progress._lines(console)
    with console.capture() as captured:
        tell(Progress("bounds", 9, 9, layer=3))
        for share in np.linspace(0.0, 1.0, 1001):
            tell(Progress("splitting", 40, 40, None, 3, float(share)))
        tell(Progress("milp", 9, 9, layer=3))
        tell(Progress("milp", 8, 9, layer=3))
    lines = captured.get().splitlines()
    assert len([line for line in lines if "splitting" in line]) == 11
    assert lines[6] == "layer 3: splitting, 40 of 40 directions open, 50% of the box done"
    assert len(lines) == 14


def test_splitting_tells_more_and_more_of_the_box() -> None:
    generator = np.random.default_rng(0)
    widths = [3, 20, 20, 20, 2]
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) * 0.2 - 0.1 for b in widths[1:]],
    )
    events: list[Progress] = []
    classify(network, Box(-1, 1), strategy=Cascade(stages=["splitting"]), progress=events.append)
    shares = [event.share for event in events if event.stage == "splitting"]
    assert len(shares) > 10
    assert None not in shares
    assert shares == sorted(shares, key=float)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert all(event.share is None for event in events if event.stage != "splitting")
