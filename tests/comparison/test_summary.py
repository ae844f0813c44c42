"""Figures of a comparison: laws of profiles, means and gaps on forged results."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparison.small_plans import entry

from leo_opt.comparison import profiles, summarise, summarise_gaps
from leo_opt.comparison.record import Entry
from leo_opt.comparison.summary import gaps_closed, shifted_mean

FORMULATIONS = ("big-m", "ideal", "partition")


def random_results(seed: int, questions: int = 12) -> list[Entry]:
    """Times of three formulations; some questions are not solved or are refused."""
    generator = np.random.default_rng(seed)
    found = []
    for unit in range(questions):
        for formulation in FORMULATIONS:
            kind = generator.choice(["optimal", "maxTimeLimit", "refused"], p=[0.7, 0.2, 0.1])
            refused = kind == "refused"
            seconds = float(np.exp(generator.normal()))
            found.append(
                entry(
                    unit,
                    formulation,
                    outcome="refused" if refused else "answered",
                    termination_condition="" if refused else kind,
                    seconds=None if refused else seconds,
                    cpu_seconds=None if refused else seconds / 2,
                )
            )
    return found


@pytest.mark.parametrize("seed", range(10))
def test_laws_of_profiles(seed: int) -> None:
    entries = random_results(seed)
    lines = {line.contestant: line for line in summarise(entries)}
    found = profiles(entries)
    fastest = sum(profile.share(1.0) * profile.questions for profile in found)
    assert fastest >= len({e.cell["unit"] for e in entries if solved(e)}) - 1e-9
    for profile in found:
        shares = [profile.share(factor) for factor in np.geomspace(1.0, 1e4, 200)]
        assert shares == sorted(shares)
        assert (profile.ratios >= 1.0).all()
        line = lines[profile.contestant]
        # On one solver rho(1) counts the wins, and the limit of rho the questions solved.
        assert profile.share(1.0) * profile.questions == pytest.approx(line.wins)
        assert profile.share(math.inf) * profile.questions == pytest.approx(line.solved)
        assert profile.share(math.inf) == pytest.approx(line.solved / line.cells)
        assert profile.questions == 12


def solved(one: Entry) -> bool:
    return one.measurement.termination_condition == "optimal"


@pytest.mark.parametrize("seed", range(5))
def test_counts_and_times_of_a_line(seed: int) -> None:
    entries = random_results(seed)
    for line in summarise(entries):
        mine = [e for e in entries if e.cell["formulation"] == line.contestant.formulation]
        assert line.cells == len(mine) == line.solved + line.unsolved + line.refused + line.failed
        assert line.wrong == 0
        times = [
            e.measurement.seconds if solved(e) else 60.0
            for e in mine
            if e.measurement.outcome == "answered"
        ]
        assert line.median_seconds == pytest.approx(np.median(times))
        assert line.mean_seconds == pytest.approx(np.exp(np.mean(np.log1p(times))) - 1.0)
        if line.contestant.formulation == "big-m":
            assert line.ratio == pytest.approx(1.0)
    wall, cpu = summarise(entries), summarise(entries, clock="cpu")
    assert any(a.median_seconds > b.median_seconds for a, b in zip(wall, cpu, strict=True))
    assert [line.solved for line in wall] == [line.solved for line in cpu]


def test_the_ratio_is_over_questions_that_both_answered() -> None:
    entries = [
        entry(0, "big-m", seconds=1.0),
        entry(0, "ideal", seconds=2.0),
        entry(1, "big-m", seconds=3.0),
        entry(1, "ideal", seconds=24.0),
        entry(2, "big-m", seconds=0.1),
        entry(2, "ideal", outcome="refused", termination_condition=""),
    ]
    (ideal,) = [e for e in summarise(entries) if e.contestant.formulation == "ideal"]
    assert ideal.ratio == pytest.approx(4.0)


def test_the_shifted_mean_lies_between_its_values() -> None:
    values = [0.1, 1.0, 30.0]
    assert min(values) < shifted_mean(values) < max(values)
    assert shifted_mean([2.0, 2.0]) == pytest.approx(2.0)
    # Without a shift it is the geometric mean, with a huge one the arithmetic mean.
    assert shifted_mean(values, 0.0) == pytest.approx(np.prod(values) ** (1 / 3))
    assert shifted_mean(values, 1e6) == pytest.approx(np.mean(values), rel=1e-3)


def test_shares_of_the_root_gap() -> None:
    bounds = {"big-m": 3.0, "ideal": 1.0, "partition": 2.5, "indicator": 5.0}
    entries = [entry(0, name, separated_bound=bound) for name, bound in bounds.items()]
    entries[0] = entry(0, "big-m", root_bound=3.0, separated_bound=3.0)
    shares = {name: values for (name, _), values in gaps_closed(entries).items()}
    assert {name: list(v.values()) for name, v in shares.items()} == {
        "big-m": [0.0], "ideal": [1.0], "partition": [0.25], "indicator": [-1.0],
    }  # fmt: skip
    medians = {line.formulation: line.median for line in summarise_gaps(entries)}
    assert medians == {"big-m": 0.0, "ideal": 100.0, "partition": 25.0, "indicator": -100.0}


def test_no_share_without_an_optimum_a_baseline_or_a_gap() -> None:
    open_end = {"termination_condition": "maxTimeLimit"}
    assert not gaps_closed([entry(0, "big-m", **open_end), entry(0, "ideal", **open_end)])
    assert not gaps_closed([entry(0, "ideal")])
    assert not gaps_closed([entry(0, "big-m", root_bound=1.0), entry(0, "ideal")])
    # Rows that come in the tree are not in the root relaxation that was measured.
    assert {name for name, _ in gaps_closed([entry(), entry(0, "ideal", separation="tree")])} == {
        "big-m"
    }


def test_settings_are_named_where_they_differ() -> None:
    entries = [entry(), entry(bounds="interval")]
    assert [line.contestant.settings for line in summarise(entries)] == [
        "bounds crown",
        "bounds interval",
    ]
    assert [line.contestant.settings for line in summarise(entries[:1])] == [""]
