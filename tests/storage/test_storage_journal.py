"""Journals: torn at any byte, of other kinds, in use, and on disks that take nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from leo_opt.errors import FileFormatError, MismatchError, OutputError
from leo_opt.storage.journal import Journal, JournalFormat

HEADER = {"format": "numbers 1", "owner": "me"}


def decode(line: dict[str, Any]) -> int:
    return int(line["value"])


KIND = JournalFormat(HEADER, decode, "list of numbers")


def fill(path: Path, values: list[int]) -> bytes:
    with Journal(path, KIND) as journal:
        for value in values:
            journal.append({"value": value})
    return path.read_bytes()


def test_a_journal_torn_at_any_byte_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    content = fill(path, [3, 14, 159])
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        known = max(0, content[:length].count(b"\n") - 1)
        with Journal(path, KIND) as journal:
            assert journal.entries == [3, 14, 159][:known]
            for value in [3, 14, 159][known:]:
                journal.append({"value": value})
        assert path.read_bytes() == content, length


def test_what_is_appended_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, KIND) as journal:
        assert json.loads(path.read_bytes()) == HEADER
        journal.append({"value": 7})
        assert KIND.read(path.read_bytes(), path)[0] == [7]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a letter\n", "Expecting value"),
        ("a letter", "no first line"),
        ('{"format": "other 1"}\n', "its first line says"),
        ('{"format": "oth', "no first line"),
        ("[1]\n", "its first line says"),
        ("{}\n", "its first line says"),
        (json.dumps(HEADER) + "\n7\n", "not subscriptable"),
        (json.dumps(HEADER) + '\n{"value": "x"}\n', "invalid literal"),
        (json.dumps(HEADER) + '\n{"value": 1}\n{"val\n{"value": 2}\n', "Unterminated string"),
    ],
)
def test_other_files_are_left_alone(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=f"is not a list of numbers: .*{reason}.* remove it"):
        Journal(path, KIND)
    assert path.read_text() == content
    path.unlink()
    Journal(path, KIND).close()


@pytest.mark.parametrize(
    ("header", "differing"),
    [
        ({**HEADER, "owner": "you"}, "another owner;"),
        ({"format": HEADER["format"]}, "another owner;"),
        ({**HEADER, "owner": "you", "colour": "red"}, "another owner, colour;"),
    ],
)
def test_a_journal_of_something_else_is_named(
    header: dict[str, str], differing: str, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    path.write_text(json.dumps(header) + "\n")
    before = path.read_bytes()
    with pytest.raises(MismatchError, match=f"list of numbers .* belongs to {differing}"):
        Journal(path, KIND)
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked on Windows")
def test_a_second_writer_is_kept_out_until_the_first_closes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, KIND) as journal:
        with pytest.raises(OutputError, match="in use by another run; wait for it or name another"):
            Journal(path, KIND)
        journal.append({"value": 1})
    with Journal(path, KIND) as journal:
        assert journal.entries == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_does_not_keep_the_file_of_its_parent_in_use(tmp_path: Path) -> None:
    """As a worker that a pool has forked does, when its parent is killed."""
    path = tmp_path / "journal"
    code = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from test_storage_journal import KIND, Journal
journal = Journal(sys.argv[2], KIND)
parent = os.getpid()
child = os.fork()
if child == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    print("orphan", os.getpid(), flush=True)
    time.sleep(60)
journal.append({"value": 5})
os.kill(parent, signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, orphan = process.stdout.readline().split()
        try:
            assert word == "orphan"
            with Journal(path, KIND) as journal:
                assert journal.entries == [5]
        finally:
            os.kill(int(orphan), signal.SIGKILL)


def test_a_fork_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows does not fork")
    path = tmp_path / "journal"
    with Journal(path, KIND) as journal:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        journal.append({"value": 1})
        with pytest.raises(OutputError, match="in use by another run"):
            Journal(path, KIND)


def test_a_file_of_another_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"format": "numbers 0", "owner": "me"}\n')
    with pytest.raises(
        FileFormatError, match=r"'numbers 0'.* another version .* reads 'numbers 1'"
    ):
        Journal(path, KIND)


@pytest.mark.parametrize("error", [zlib.error("incorrect header check"), OverflowError("inf")])
def test_whatever_a_damaged_entry_raises_is_a_matter_of_the_file(
    error: Exception, tmp_path: Path
) -> None:
    def refuse(line: dict[str, Any]) -> int:
        raise error

    path = tmp_path / "journal"
    fill(path, [1])
    with pytest.raises(FileFormatError, match=f"is not a list of numbers: {error}"):
        Journal(path, JournalFormat(HEADER, refuse, "list of numbers"))


def test_places_that_cannot_be_written_are_output_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "journal"):
        with pytest.raises(OutputError, match=r"cannot be written: .*; name another file"):
            Journal(path, KIND)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("room", [0, 5, 10])
def test_a_disk_that_is_full_tears_a_line_that_the_next_run_cuts_off(
    room: int, tmp_path: Path
) -> None:
    import resource

    path = tmp_path / "journal"
    content = fill(path, [1])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path, KIND) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + room, before[1]))
        try:
            with pytest.raises(OutputError, match="File too large; make room and run again"):
                journal.append({"value": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(path.read_bytes()) == len(content) + room
    assert fill(path, []) == content
