"""No command replaces what it reads, and every file on the command line is known as such."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from reports import read_report

from leo_opt import Box, Network, load, save
from leo_opt.cli import COMMANDS, main
from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.errors import OutputError
from leo_opt.formats import load_provenance
from leo_opt.storage.files import check_distinct


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=(6, 3)), generator.normal(size=(2, 6))]
    path = tmp_path / "tiny.onnx"
    save(Network.from_arrays(arrays, [generator.normal(size=6), None]), path)
    np.savez(tmp_path / "box.npz", lower=np.zeros(3), upper=np.ones(3))
    return path


LINKS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic": lambda source, link: link.symlink_to(source),
    "hard": os.link,
}


@pytest.mark.parametrize("link", LINKS)
def test_a_file_that_is_read_is_not_replaced_also_through_links(link: str, tiny: Path) -> None:
    other = tiny.with_name("other.onnx")
    LINKS[link](tiny, other)
    for target in (tiny, other, tiny.parent / "." / tiny.name):
        done = run("compress", tiny, "--box", 0, 1, "-o", target, "-q")
        assert done.exit_code == 2
        assert "is the file that is read as NETWORK" in done.stderr
        assert "--force" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("compress", "{net}", "--box", 0, 1, "-o", "{new}.onnx", "--report", "{net}"),
        ("compress", "{net}", "--box", 0, 1, "-o", "{new}.onnx", "--checkpoint", "{net}"),
        ("compress", "{net}", "--domain", "{box}", "-o", "{box}"),
        ("compress", "{net}", "--box", 0, 1, "--data", "{box}", "-o", "{new}.onnx", "--report",
         "{box}"),
        ("classify", "{net}", "--box", 0, 1, "--json", "{net}"),
        ("classify", "{net}", "--domain", "{box}", "--checkpoint", "{box}"),
        ("formulate", "{net}", "--box", 0, 1, "--stability", "{new}.json", "-o", "{new}.mps"),
        ("formulate", "{net}", "--bounds", "{box}", "-o", "{box}"),
        ("verify", "{net}", "{new}.vnnlib", "--witness", "{new}.vnnlib"),
        ("verify", "{net}", "{new}.vnnlib", "--json", "{net}"),
    ],
)  # fmt: skip
def test_no_output_of_any_command_replaces_an_input(
    arguments: tuple[object, ...], tiny: Path, tmp_path: Path
) -> None:
    names = {"net": tiny, "box": tmp_path / "box.npz", "new": tmp_path / "new"}
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*(str(argument).format(**names) for argument in arguments))
    assert done.exit_code == 2
    assert "is the file that is read as" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_lets_an_output_replace_an_input(tiny: Path) -> None:
    before = load(tiny)
    assert run("compress", tiny, "--box", 0, 1, "-o", tiny, "-q", "--force").exit_code == 0
    assert load(tiny) != before


def test_two_outputs_of_one_name_are_refused_with_force_as_well(tiny: Path) -> None:
    same = tiny.with_name("new.onnx")
    done = run("compress", tiny, "--box", 0, 1, "-o", same, "--report", same, "--force")
    assert done.exit_code == 2
    assert "--report and --output both name" in done.stderr
    assert not same.exists()


def test_files_that_are_not_there_are_no_clash(tmp_path: Path) -> None:
    check_distinct({"a": tmp_path / "x"}, {"b": tmp_path / "y", "c": tmp_path / "z"})
    with pytest.raises(OutputError, match="read as a"):
        check_distinct({"a": tmp_path / "x"}, {"b": tmp_path / "folder" / ".." / "x"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_file_of_every_command_is_an_input_or_an_output(name: str) -> None:
    command = main.get_command(click.Context(main), name)  # type: ignore[attr-defined]
    paths = [p.type for p in command.params if isinstance(p.type, click.Path)]
    files = [kind for kind in paths if kind.file_okay]
    assert all(isinstance(kind, (InputFile, OutputFile)) for kind in files)
    assert isinstance(command, FileCommand) or not files


# What would be read is not there either: the output is looked at first.
ENOUGH = {
    "approximate": ["no.onnx", "--data", "no.npz", "-o", "a.npz"],
    "classify": ["no.onnx"],
    "compress": ["no.onnx", "-o", "a.npz"],
    "demo": [],
    "difference": ["no.onnx", "no.npz"],
    "formulate": ["no.onnx", "-o", "a.lp"],
    "verify": ["no.onnx", "no.vnnlib"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_begins_to_work_for_a_file_that_it_cannot_write(name: str) -> None:
    command = main.get_command(click.Context(main), name)  # type: ignore[attr-defined]
    for option in command.params:
        if isinstance(option.type, OutputFile):
            suffix = next(iter(option.type.known())) if option.type.known is not None else ""
            target = f"/no such folder/file{suffix}"
            done = run(name, *ENOUGH[name], max(option.opts, key=len), target)
            assert done.exit_code == 2
            assert "cannot write /no such folder" in done.stderr


@pytest.mark.parametrize("suffix", [".onnx", ".npz"])
def test_a_written_network_says_where_it_comes_from(suffix: str, tiny: Path) -> None:
    small = tiny.with_name("small").with_suffix(suffix)
    report = tiny.with_name("report.json")
    done = run("compress", tiny, "--box", 0, 1, "-o", small, "-q", "--report", report)
    assert done.exit_code == 0, done.output
    told, figures = load_provenance(small), read_report(report)
    assert told["source_hash"] == load(tiny).content_hash
    assert told["content_hash"] == load(small).content_hash
    assert told["box"] == "3 inputs in [0, 1]"
    assert told["box_hash"] == Box(np.zeros(3), np.ones(3)).content_hash
    assert told["version"]
    for name in ("max_deviation", "max_deviation_written"):
        assert float(told[name]) == figures[name]
    shown = run("info", small).stdout
    assert all(text.split()[0] in shown for text in told.values())
    assert "changed since" not in shown
    # A network that was trained on, say, is not what these claims are about.
    save(load(tiny), small, provenance=told)
    assert "changed since" in run("info", small).stdout
    assert "source hash" not in run("info", tiny).stdout
