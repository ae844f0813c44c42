"""`leo-opt verify` on lists of instances: tables, exit codes, and going on after a stop."""

from __future__ import annotations

import csv
import gzip
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from leo_opt import Network, save
from leo_opt.cli import instances as command
from leo_opt.cli import main
from leo_opt.errors import FileFormatError
from leo_opt.verification.instances import read_instances

HOLDS, VIOLATED, BAD_INPUT, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 130

PROPERTIES = {
    "holds": "(assert (>= Y_0 2.1))",
    "violated": "(assert (>= Y_0 1.9))",
    # Only one number is left, which no float64 input gives.
    "unknown": "(assert (= (* 3 Y_0) 1.0))",
    "error": "(assert (>= Y_0 ",
    "rational": "(assert (= X_0 -0.1)) (assert (<= Y_0 -0.2))",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, y = max(0, x_0 + x_1) - max(0, x_0 - x_1), and properties on the box [-1, 1]."""
    (tmp_path / "onnx").mkdir()
    network = Network.from_arrays([[[1, 1], [1, -1]], [[1, -1]]], [None, None])
    save(network, tmp_path / "onnx" / "net.onnx")
    lines = [f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0")]
    lines += [f"(assert (<= X_{k} 1.0)) (assert (>= X_{k} -1.0))" for k in range(2)]
    for name, outputs in PROPERTIES.items():
        (tmp_path / f"{name}.vnnlib").write_text("\n".join([*lines, outputs]))
    # The command is run elsewhere: paths are relative to the list.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def write_list(folder: Path, *names: str, seconds: object = 1.5) -> Path:
    """A list of instances of these properties."""
    path = folder / "instances.csv"
    path.write_text("".join(f"onnx/net.onnx,{name}.vnnlib,{seconds}\n" for name in names))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", "-q", *(str(argument) for argument in arguments)])


def answers(path: Path) -> list[str]:
    """The column of answers of a table."""
    with path.open(newline="") as stream:
        return [row["answer"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["holds", "holds"], HOLDS),
        (["holds", "unknown"], UNKNOWN),
        (["unknown", "error", "holds"], BAD_INPUT),
        (["error", "violated", "unknown"], VIOLATED),
        ([], HOLDS),
    ],
)
def test_the_worst_answer_is_the_exit_code(folder: Path, names: list[str], code: int) -> None:
    done = run("--instances", write_list(folder, *names), "-o", "results.csv")
    assert done.exit_code == code, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == len(names) + 1
    for number, (line, name) in enumerate(zip(lines, names, strict=False), 1):
        assert line.startswith(f"{number} of {len(names)}: {name}, ")
        assert f"{name}.vnnlib" in line
    assert lines[-1].startswith(f"{len(names)} instances: ")
    if names:
        assert answers(Path("results.csv")) == names


def test_several_properties_of_one_network(folder: Path) -> None:
    files = [folder / f"{name}.vnnlib" for name in ("holds", "violated", "holds")]
    done = run(folder / "onnx" / "net.onnx", *files, "--time-limit", 5)
    assert done.exit_code == VIOLATED
    assert [line.split()[3] for line in done.stdout.splitlines()[:3]] == [
        "holds,",
        "violated,",
        "holds,",
    ]


def test_each_has_its_own_limit(folder: Path) -> None:
    path = write_list(folder, "unknown", "unknown", seconds=1)
    path.write_text(path.read_text() + "onnx/net.onnx,holds.vnnlib\n")
    run("--instances", path, "-o", "results.csv", "--time-limit", 0.75)
    with Path("results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["limit"] for row in rows] == ["0.75"] * 3
    # The third one has time, though the first two have taken it all.
    assert rows[-1]["answer"] == "holds"


def test_bad_rows_are_told_by_line_and_the_rest_goes_on(folder: Path) -> None:
    path = folder / "instances.csv"
    rows = [
        "\ufeffnetwork, property, seconds",
        "onnx/net.onnx,holds.vnnlib,-1",
        "",
        "onnx/net.onnx",
        "onnx/net.onnx,holds.vnnlib,5,6",
        "onnx/net.onnx,holds.vnnlib,soon",
        "onnx/missing.onnx,holds.vnnlib,5",
        "onnx/net.onnx,missing.vnnlib,5",
        '"onnx/net.onnx","holds.vnnlib",5',
    ]
    path.write_text("\r\n".join(rows))
    done = run("--instances", path)
    assert done.exit_code == BAD_INPUT
    lines = done.stdout.splitlines()
    for line, number in zip(lines, (2, 4, 5, 6, 7, 8), strict=False):
        assert "error, " in line
        assert f"line {number}, " in line
    assert "missing.onnx does not exist" in lines[4]
    assert "holds, " in lines[6]
    assert lines[-1] == "7 instances: 6 error, 1 holds"


@pytest.mark.system
def test_a_later_run_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def record(network: Network, what: object, **options: object) -> object:
        asked.append("asked")
        return verify(network, what, **options)

    verify = command.verify
    monkeypatch.setattr(command, "verify", record)
    path = write_list(folder, "holds", "violated", "unknown", "error")
    first = run("--instances", path, "-o", "results.csv")
    table = Path("results.csv").read_text()
    assert len(asked) == 3
    again = run("--instances", path, "-o", "results.csv")
    assert len(asked) == 3
    assert again.exit_code == first.exit_code
    assert "1 of 4: holds, in results.csv, " in again.stdout
    # What cannot be read is tried again; seconds apart the table stays.
    assert Path("results.csv").read_text().splitlines()[:4] == table.splitlines()[:4]
    # More time opens what was unknown; a changed file opens what was decided.
    run("--instances", write_list(folder, "unknown", "holds", seconds=6), "-o", "results.csv")
    assert len(asked) == 4
    assert answers(Path("results.csv")) == ["unknown", "holds", "violated", "error"]
    (folder / "holds.vnnlib").write_text((folder / "violated.vnnlib").read_text())
    assert run("--instances", write_list(folder, "holds"), "-o", "results.csv").exit_code == 1
    assert answers(Path("results.csv"))[0] == "violated"


def test_ctrl_c_keeps_what_was_decided(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = command.verify
    calls: list[int] = []

    def interrupt(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return verify(*arguments, **options)

    monkeypatch.setattr(command, "verify", interrupt)
    path = write_list(folder, "holds", "violated", "unknown")
    done = run("--instances", path, "-o", "results.csv")
    assert done.exit_code == INTERRUPTED
    assert "2 of 3 instances are decided: they are in results.csv" in done.stderr
    assert answers(Path("results.csv")) == ["holds", "violated"]


def test_packed_files_are_found(folder: Path) -> None:
    network, asked = folder / "onnx" / "net.onnx", folder / "violated.vnnlib"
    for path in (network, asked):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    rows = folder / "instances.csv"
    rows.write_text("onnx/net.onnx.gz,violated.vnnlib.gz,5")
    assert run("--instances", rows).exit_code == VIOLATED
    network.unlink()
    asked.unlink()
    for row in ("onnx/net.onnx.gz,violated.vnnlib.gz,5", "onnx/net.onnx,violated.vnnlib,5"):
        rows.write_text(row)
        assert run("--instances", rows).exit_code == VIOLATED
    network.with_name("net.onnx.gz").write_bytes(b"no archive")
    done = run("--instances", rows)
    assert done.exit_code == BAD_INPUT
    assert "net.onnx.gz: the file cannot be read" in done.stdout
    network.with_name("net.onnx.gz").write_bytes(gzip.compress(b"no network"))
    assert str(folder / "onnx" / "net.onnx.gz") in run("--instances", rows).stdout


def test_witnesses_are_kept_and_rational_ones_twice(folder: Path) -> None:
    path = write_list(folder, "holds", "violated", "rational")
    done = run("--instances", path, "--witnesses", "found", "-o", "results.csv")
    assert done.exit_code == VIOLATED
    assert sorted(path.name for path in Path("found").iterdir()) == [
        "0002-violated.txt",
        "0003-rational.exact.txt",
        "0003-rational.txt",
    ]
    assert Path("found/0003-rational.exact.txt").read_text().startswith("((X_0 (- (/ 1 10)))\n")
    assert Path("found/0003-rational.txt").read_text().startswith("((X_0 -0.1)\n")
    one = run(folder / "onnx" / "net.onnx", folder / "rational.vnnlib", "--witness", "w.npz")
    assert one.exit_code == VIOLATED
    assert "the witness is rational" in one.stdout
    with np.load("w.npz") as archive:
        exact = [Fraction(text) for text in archive["exact_inputs"].tolist()]
        assert exact[0] == Fraction(-1, 10)
        assert archive["inputs"].tolist() == [float(value) for value in exact]
    assert max(exact[0] + exact[1], 0) - max(exact[0] - exact[1], 0) <= Fraction(-2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either"),
        (("net.onnx",), "give either"),
        (("net.onnx", "p.vnnlib", "--instances", "LIST"), "give either"),
        (("--instances", "LIST", "--witness", "w.txt"), "for one property"),
        (("--instances", "LIST", "-o", "results.txt"), "has the suffix"),
        (("--instances", "LIST", "-o", "no/such/results.csv"), "not a folder"),
        (("--instances", "LIST", "-o", "LIST"), "is the file that is read"),
        (("net.onnx", "p.vnnlib", "LIST", "-o", "LIST"), "is the file that is read as"),
        (("--instances", "LIST", "--solver", "nonsense"), "nonsense"),
        (("--instances", "LIST", "--seed", "-1"), "seed is -1"),
        (("--instances", "nothing.csv"), "does not exist"),
        (("--instances", "LIST", "-o", "other.csv"), "no table of results"),
    ],
)
def test_bad_requests_are_refused_before_any_work(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    Path("other.csv").write_text("my,own,data\n1,2,3\n")
    path = write_list(folder, "holds")
    done = run(*(str(path) if argument == "LIST" else argument for argument in arguments))
    assert done.exit_code == BAD_INPUT, done.output
    assert message in done.stderr
    assert done.stdout == ""
    assert Path("other.csv").read_text() == "my,own,data\n1,2,3\n"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'"onnx/net.onnx'])
def test_damaged_lists_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"list\.csv is no CSV file"):
        read_instances(tmp_path / "list.csv")
