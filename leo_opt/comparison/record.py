"""The results file of a folder: append-only, synced, and good for going on after a kill.

One JSON object a line: the first says what the file is, others an environment (machine and
versions) or a cell. A last line that was torn by a kill is cut off. Several plans may share a
folder; of two entries for a cell the later one counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from leo_opt.comparison.cells import Cell
from leo_opt.comparison.measurement import Measurement
from leo_opt.errors import FileFormatError, OutputError

FORMAT = "leo_opt comparison 1"
FILE = "results.jsonl"


@dataclass(frozen=True)
class Entry:
    """A cell of the record.

    Parameters
    ----------
    key
        `Cell.key`.
    cell
        `Cell.describe`.
    measurement
        What it gave.
    environment
        Digest of the environment in which it ran.
    """

    key: str
    cell: Mapping[str, Any]
    measurement: Measurement
    environment: str


@dataclass(frozen=True)
class Results:
    """All that a folder holds.

    Parameters
    ----------
    entries
        One a cell, in the order of the cells' first appearance.
    environments
        Machine and versions, by digest.
    """

    entries: tuple[Entry, ...]
    environments: Mapping[str, Mapping[str, Any]]


def read_results(folder: str | os.PathLike[str]) -> Results:
    """Read the record of a folder, also while a run writes to it.

    Raises
    ------
    FileFormatError
        If there is none, or it is something else.
    """
    path = Path(folder) / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(
            f"{folder} holds no results ({error.strerror} at {FILE}); name the folder of a run"
        ) from error
    return _parse(content, path)[0]


class Record:
    """The results file of a folder, open for one run; a context manager.

    Raises
    ------
    OutputError
        If the file cannot be written, or another run has it open.
    FileFormatError
        If it holds something else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        path = Path(folder) / FILE
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            path.touch()
            self._stream: BinaryIO = path.open("r+b")
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; name another folder"
            ) from error
        try:
            _lock(self._stream, path)
            self.results, length = _parse(self._stream.read(), path)
        except (OutputError, FileFormatError):
            self._stream.close()
            raise
        self._stream.seek(length)
        self._stream.truncate()
        if length == 0:
            self._write({"format": FORMAT})

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def note_environment(self, environment: Mapping[str, Any]) -> str:
        """Put machine and versions on the disk, once; returns their digest."""
        text = json.dumps(environment, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        if digest not in self.results.environments:
            self._write({"environment": digest, **environment})
        return digest

    def append(self, cell: Cell, measurement: Measurement, environment: str) -> None:
        """Put a finished cell on the disk."""
        self._write(
            {
                "key": cell.key,
                "cell": cell.describe(),
                "environment": environment,
                "measurement": measurement.as_json(),
            }
        )

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(entry).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write {self._stream.name}: {error.strerror}; make room and run again to "
                "go on"
            ) from error


def _lock(stream: BinaryIO, path: Path) -> None:
    """Keep a second run out of the file; the system lets go of it when the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; there it is up to the user.
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            f"another run writes to {path}; wait for it, or name another folder"
        ) from error


def _parse(content: bytes, path: Path) -> tuple[Results, int]:
    """The record and the length of its whole lines."""
    whole = content[: content.rfind(b"\n") + 1]
    header = json.dumps({"format": FORMAT}).encode()
    entries: dict[str, Entry] = {}
    environments: dict[str, Mapping[str, Any]] = {}
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0] != {"format": FORMAT}:
            raise ValueError(f"its first line says {lines[0]!r:.60}")
        # Only this very header, torn, may be written over.
        if content and not lines and not header.startswith(content):
            raise ValueError("it has no first line")
        for line in lines[1:]:
            if "key" in line:
                entries[line["key"]] = _entry(line)
            else:
                environments[line.pop("environment")] = line
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            f"{path} is no record of results: {error}; name another folder or remove it"
        ) from error
    return Results(tuple(entries.values()), environments), len(whole)


_FIELDS = tuple(field.name for field in fields(Measurement))


def _entry(line: Mapping[str, Any]) -> Entry:
    # A field that a later version adds has its default here, one that it drops is passed over.
    values = {name: value for name, value in line["measurement"].items() if name in _FIELDS}
    return Entry(line["key"], line["cell"], Measurement(**values), line["environment"])
