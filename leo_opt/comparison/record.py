"""The results file of a folder: a journal of environments (machine and versions) and cells.

Several plans may share a folder; of two entries for a cell the later one counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leo_opt.closing import Closing
from leo_opt.comparison.cells import Cell
from leo_opt.comparison.measurement import Measurement
from leo_opt.errors import FileFormatError, OutputError
from leo_opt.storage import codec
from leo_opt.storage.journal import Journal, JournalFormat

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
    return _collect(_KIND.read(content, path)[0])


class ResultsFile(Closing):
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
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {folder}: {error.strerror}; name another folder"
            ) from error
        self._journal = Journal(path, _KIND)
        self.results = _collect(self._journal.entries)

    def close(self) -> None:
        """Close the file and let other runs use it."""
        self._journal.close()

    def note_environment(self, environment: Mapping[str, Any]) -> str:
        """Put machine and versions on the disk, once; returns their digest."""
        text = json.dumps(environment, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        if digest not in self.results.environments:
            self._journal.append({"environment": digest, **environment})
        return digest

    def append(self, cell: Cell, measurement: Measurement, environment: str) -> None:
        """Put a finished cell on the disk."""
        entry = Entry(cell.key, cell.describe(), measurement, environment)
        self._journal.append(codec.to_tree(entry))


_Environment = tuple[str, Mapping[str, Any]]
"""Digest, and machine and versions."""


def _decode(line: dict[str, Any]) -> Entry | _Environment:
    if "key" not in line:
        return line.pop("environment"), line
    # A field that a later version adds has its default here, one that it drops is passed over.
    return codec.from_tree(line, Entry)


_KIND = JournalFormat({"format": FORMAT}, _decode, "record of results", "folder")


def _collect(found: Sequence[Entry | _Environment]) -> Results:
    """Of two entries for a cell the later one, at the place of the first."""
    entries = {entry.key: entry for entry in found if isinstance(entry, Entry)}
    environments = dict(entry for entry in found if not isinstance(entry, Entry))
    return Results(tuple(entries.values()), environments)
