"""Tables made anew: going on, what is refused, and that `compress` leaves no more than LEO."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt.cli import main
from leo_opt.errors import MismatchError
from leo_opt.reproduction import (
    EXPERIMENTS,
    QUICK,
    Experiment,
    Published,
    Reproduction,
    TableRow,
    read_results,
    reproduce,
)
from leo_opt.training import Samples, Setting

EXPERIMENT = Experiment(
    "a small table",
    (
        TableRow((8, 7), 0.03, Published("97.00 ± 0.01", ("3 ± 1", "2 ± 1"), "33 ± 3")),
        TableRow((8, 7), 0.0),
        TableRow((6,), 0.03),
    ),
    Setting(epochs=15, batch=8, rate=0.05, drop_every=8),
)


def samples() -> Samples:
    generator = np.random.default_rng(0)
    inputs = generator.random((90, 6)).astype(np.float32)
    labels = (inputs[:, 0] + inputs[:, 1] > 1).astype(int)
    return Samples(inputs[:60], labels[:60], inputs[60:], labels[60:])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reproduction]:
    folder = tmp_path_factory.mktemp("reproduction")
    return folder, reproduce(EXPERIMENT, samples(), folder, 2)


def check(results: Reproduction, experiment: Experiment) -> None:
    """What every network of every row must show."""
    for row in experiment.rows:
        assert results.of(row)
        for one in results.of(row):
            assert one.leo.changed == one.ours.changed == 0
            assert sum(one.ours.removed) >= sum(one.leo.removed)
            assert one.ours.parameters <= one.leo.parameters


def test_compress_removes_as_much_as_leo_and_changes_nothing(
    done: tuple[Path, Reproduction],
) -> None:
    check(done[1], EXPERIMENT)


def test_nothing_is_done_twice(done: tuple[Path, Reproduction]) -> None:
    folder, results = done
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
    assert len(before) == 6
    told: list[str] = []
    assert reproduce(EXPERIMENT, samples(), folder, 2, told.append) == results
    assert not told
    assert read_results(folder / "results.json") == results
    one = results.networks[3]
    replace(results, networks=(*results.networks[:3], *results.networks[4:])).save(
        folder / "results.json"
    )
    again = reproduce(EXPERIMENT, samples(), folder, 2, told.append)
    assert len(told) == 1
    assert again.networks[-1].ours.removed == one.ours.removed
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.onnx")} == before


def test_a_folder_of_another_run_is_refused(done: tuple[Path, Reproduction]) -> None:
    other = replace(EXPERIMENT, setting=Setting(epochs=3))
    with pytest.raises(MismatchError, match=r"with setting '15 epochs .* instead of '3 epochs"):
        reproduce(other, samples(), done[0], 1)


def test_the_table_has_the_paper_first_and_says_what_is_missing(
    done: tuple[Path, Reproduction],
) -> None:
    results = done[1]
    wider = replace(EXPERIMENT, rows=(*EXPERIMENT.rows, TableRow((9,), 1e-4)))
    table = results.table(wider)
    assert [row[:4] for row in table.rows[:3]] == [
        ("8-7", "0.03", "paper", "31"),
        ("8-7", "0.03", "LEO's rewrites", "2"),
        ("8-7", "0.03", "compress", "2"),
    ]
    assert table.remarks == ("not trained: 9 with L1 weight 0.0001",)
    removed = [one.ours.removed for one in results.of(EXPERIMENT.rows[2])]
    (first,), (second,) = removed
    assert table.rows[-1][5] == f"{(first + second) / 2:.1f} ± {abs(first - second) / 2:.1f}"


def test_the_grids_are_those_of_the_papers() -> None:
    rows = EXPERIMENTS["table1"].rows
    assert {row.hidden for row in rows} == {(25, 25), (50, 50), (100, 100)}
    for row in rows:
        paper = row.published
        assert paper is not None
        removed = sum(float(text.split()[0]) for text in paper.removed)
        share = float(paper.compression.split()[0])
        assert 100 * removed / sum(row.hidden) == pytest.approx(share, abs=0.6)
    isa = EXPERIMENTS["isa"].rows
    assert len(set(isa)) == len(isa) == 17 + 5 * 9 + 3


def test_what_quick_is_not_of_is_refused() -> None:
    ran = CliRunner().invoke(main, ["reproduce", "isa", "--quick"])
    assert ran.exit_code == 2
    assert "--quick is of table1 on the digits of scikit-learn" in ran.output


def test_the_start_is_a_setting_and_a_report_trains_nothing(tmp_path: Path) -> None:
    words = ["reproduce", "table1", "--quick", "--report-only", "-q", "--variance", "0.5", "-o"]
    ran = CliRunner().invoke(main, [*words, str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "weights that start with variance 0.5 / inputs" in ran.output
    assert "not trained: 50-50 with L1 weight 0.001, 0.0002, 0" in ran.output
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.system
def test_a_quick_run_loses_units_in_every_row_with_a_penalty(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["reproduce", "table1", "--quick", "-q", "-o", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "rate 0.1, times 0.1 every 50 epochs, momentum 0.9, batches of 32" in ran.output
    assert "25-25      0.001  compress" in ran.output
    results = read_results(tmp_path / "results.json")
    check(results, QUICK["table1"])
    assert all((sum(one.leo.removed) > 0) == (one.penalty > 0) for one in results.networks)
