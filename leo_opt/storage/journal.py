"""Journals: append-only files of JSON lines, synced, and good for going on after a kill.

The first line says what the file is and belongs to; every other one is an entry. A last line that
was torn by a kill is cut off.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from leo_opt.closing import Closing
from leo_opt.errors import FileFormatError, MismatchError, OutputError
from leo_opt.storage import codec
from leo_opt.storage.files import AnyPath

Entry = TypeVar("Entry")

_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    zlib.error,
)
"""What reading a line that nobody can have written raises."""


@dataclass(frozen=True)
class JournalFormat(Generic[Entry]):
    """What a journal holds.

    Parameters
    ----------
    header
        The first line; "format" says what the file is, other keys say what it belongs to.
    decode
        An entry from its line; what it cannot be raises one of ValueError, KeyError, TypeError,
        AttributeError, IndexError, OverflowError, RecursionError and zlib.error.
    name
        What messages call the file.
    place
        Of what users should name another one: "file", or the "folder" in which it has a fixed name.
    """

    header: Mapping[str, str]
    decode: Callable[[dict[str, Any]], Entry]
    name: str
    place: str = "file"

    def read(self, content: bytes, path: AnyPath) -> tuple[list[Entry], int]:
        """Entries of the whole lines of a file, and the length of these lines.

        Raises
        ------
        FileFormatError
            If it is something else.
        MismatchError
            If it belongs to something else.
        """
        whole = content[: content.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            self._check(content, lines, path)
            return [self.decode(line) for line in lines[1:]], len(whole)
        except _UNREADABLE as error:
            if isinstance(error, MismatchError):
                raise
            raise FileFormatError(
                f"{path} is not a {self.name}: {error}; name another {self.place} or remove it"
            ) from error

    def _check(self, content: bytes, lines: list[Any], path: AnyPath) -> None:
        """Refuse what has another header."""
        header = dict(self.header)
        if not lines:
            # Only this very header, torn, may be written over: other JSON begins alike.
            if not json.dumps(header).encode().startswith(content):
                raise ValueError("it has no first line")
            return
        first = lines[0]
        if not isinstance(first, dict) or first.get("format") != header["format"]:
            found = first.get("format") if isinstance(first, dict) else None
            said = codec.other_version(found, header["format"])
            raise ValueError(f"its first line says {first!r:.60}{said}")
        differing = [key for key in header | first if first.get(key) != header.get(key)]
        if differing:
            raise MismatchError(
                f"{self.name} {path} belongs to another {', '.join(differing)}; name another "
                f"{self.place} or remove it"
            )


_OPEN: weakref.WeakSet[Journal[Any]] = weakref.WeakSet()


def _close_in_child() -> None:
    """A fork would hold the locks of its parent's files even when the parent is gone."""
    for journal in list(_OPEN):
        journal.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_in_child)


class Journal(Closing, Generic[Entry]):
    """A journal, open for one run; a context manager.

    Parameters
    ----------
    path
        Made where it is missing.
    kind
        What it holds.

    Attributes
    ----------
    entries
        What it held when it was opened.

    Raises
    ------
    OutputError
        If the file cannot be written, or another run has it open.
    FileFormatError
        If it holds something else, which is left alone.
    MismatchError
        If it belongs to something else.
    """

    def __init__(self, path: AnyPath, kind: JournalFormat[Entry]) -> None:
        self._kind = kind
        self._path = path
        try:
            Path(path).touch()
            # Without a buffer, or closing the file would try once more to write what failed.
            self._stream = Path(path).open("r+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error, f"name another {kind.place}") from error
        _OPEN.add(self)
        try:
            self._lock()
            self.entries, length = kind.read(self._stream.read(), path)
            self._stream.seek(length)
            self._stream.truncate()
            if length == 0:
                self.append(kind.header)
        except (OutputError, FileFormatError, MismatchError):
            self._stream.close()
            raise

    def append(self, line: Mapping[str, Any]) -> None:
        """Put an entry on the disk.

        Raises
        ------
        OutputError
            If the disk does not take it.
        """
        try:
            left = json.dumps(dict(line), allow_nan=False).encode() + b"\n"
            while left:
                left = left[self._stream.write(left) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._unwritable(error, "make room and run again to go on") from error

    def close(self) -> None:
        """Close the file and let other runs use it."""
        self._stream.close()

    def _unwritable(self, error: OSError, cure: str) -> OutputError:
        reason = error.strerror or str(error)
        return OutputError(f"{self._kind.name} {self._path} cannot be written: {reason}; {cure}")

    def _lock(self) -> None:
        """Keep a second run off the file, which would write between the lines of this one.

        The system lets go of the lock when the process ends.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no such locks; there it is up to the user.
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self._kind.name} {self._path} is in use by another run; wait for it or name "
                f"another {self._kind.place}"
            ) from error
        except OSError:
            # Some network file systems have no locks.
            return
