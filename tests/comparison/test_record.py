"""The results file: torn lines, wrong files, two runs at once, and what a later version adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comparison.small_plans import write_plan

from leo_opt.comparison import Cell, Measurement, expand, read_plan, read_results
from leo_opt.comparison.record import FILE, ResultsFile
from leo_opt.errors import FileFormatError, OutputError


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    return list(expand(read_plan(write_plan(tmp_path))))


def filled(folder: Path, cells: list[Cell]) -> Path:
    """A folder that holds one measurement a cell."""
    with ResultsFile(folder) as record:
        environment = record.note_environment({"cpu": "x"})
        for k, cell in enumerate(cells):
            record.append(cell, Measurement("answered", final_bound=0.1 + k), environment)
    return folder / FILE


def test_what_is_written_is_read(cells: list[Cell], tmp_path: Path) -> None:
    filled(tmp_path / "r", cells)
    results = read_results(tmp_path / "r")
    assert [entry.key for entry in results.entries] == [cell.key for cell in cells]
    assert [entry.measurement.final_bound for entry in results.entries] == [0.1, 1.1]
    assert [dict(entry.cell) for entry in results.entries] == [cell.describe() for cell in cells]
    assert list(results.environments.values()) == [{"cpu": "x"}]


def test_a_record_cut_anywhere_is_read_and_goes_on(cells: list[Cell], tmp_path: Path) -> None:
    path = filled(tmp_path / "r", cells)
    content = path.read_bytes()
    ends = [k + 1 for k, byte in enumerate(content) if byte == ord("\n")]
    near = {end + shift for end in ends for shift in (-1, 0, 1)}
    for length in sorted({0, 5, *range(40, len(content), 211), *near} - {len(content) + 1}):
        path.write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        with ResultsFile(tmp_path / "r"):
            pass
        # What was torn is gone, and nothing else.
        kept = content[: content.rfind(b"\n", 0, length) + 1]
        assert path.read_bytes() == (kept or content[: ends[0]])
        with ResultsFile(tmp_path / "r") as record:
            # The first line is the header, the second the environment.
            assert len(record.results.entries) == max(0, whole - 2)
            environment = record.note_environment({"cpu": "x"})
            for cell in cells[len(record.results.entries) :]:
                record.append(cell, Measurement("answered"), environment)
        assert [e.key for e in read_results(tmp_path / "r").entries] == [c.key for c in cells]


def test_the_later_of_two_entries_counts(cells: list[Cell], tmp_path: Path) -> None:
    filled(tmp_path / "r", cells)
    with ResultsFile(tmp_path / "r") as record:
        record.append(cells[0], Measurement("answered", final_bound=7.0), "x")
    results = read_results(tmp_path / "r")
    assert [entry.measurement.final_bound for entry in results.entries] == [7.0, 1.1]


@pytest.mark.parametrize("content", ['{"a": 1}\n', "text", '{"format": "other"}\n', "[1]\n"])
def test_other_files_are_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(FileFormatError, match="is not a record of results"):
        ResultsFile(tmp_path)
    assert (tmp_path / FILE).read_text() == content


def test_a_second_run_is_kept_out_and_readers_are_not(cells: list[Cell], tmp_path: Path) -> None:
    filled(tmp_path / "r", cells)
    with ResultsFile(tmp_path / "r"):
        with pytest.raises(OutputError, match="in use by another run"):
            ResultsFile(tmp_path / "r")
        assert len(read_results(tmp_path / "r").entries) == len(cells)
    ResultsFile(tmp_path / "r").__exit__(None, None, None)


def test_fields_of_other_versions_do_no_harm(cells: list[Cell], tmp_path: Path) -> None:
    path = filled(tmp_path / "r", cells)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["measurement"]["new"] = 1
    del lines[-1]["measurement"]["nodes"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_results(tmp_path / "r").entries[-1].measurement.nodes is None


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no results"):
        read_results(tmp_path)
