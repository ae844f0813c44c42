"""`leo-opt difference`: a bound for each output, and whether a class can change."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from reports import read_report

from leo_opt import Network, save
from leo_opt.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["difference", *map(str, arguments)])


def _networks(folder: Path) -> list[Path]:
    """Two networks whose outputs differ by at most 0.25 and by nothing on [0, 1]."""
    paths = []
    for name, weight in (("one", 2.0), ("two", 2.25)):
        network = Network.from_arrays([[[weight], [1.0]]], [[1.0, 0.0]])
        paths.append(folder / f"{name}.npz")
        save(network, paths[-1])
    return paths


def test_bounds_and_classes_are_told(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    done = run(*_networks(tmp_path), "--box", 0, 1, "--refine", 5, "--classes", "--json", told)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines()]
    assert any(row[1:] == ["0", "0.25", "1.25", "0.25"] or row[:2] == ["0", "0.25"] for row in rows)
    assert "the class cannot change on Box" in done.output
    report = read_report(told)
    assert report["upper"] == pytest.approx([0.25, 0.0], abs=1e-12)
    assert report["found"] == pytest.approx([0.25, 0.0])
    assert report["points"][0] == [1.0]
    assert report["classes"] == ["holds"]


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    one, two = _networks(tmp_path)
    for wrong in ([one, two], [one, two, "--box", 0, 1, "--refine", -1]):
        done = run(*wrong)
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
