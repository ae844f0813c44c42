"""Many properties of many networks: lists of instances as CSV, and a table of what was decided.

A list has rows `network,property,seconds`, as those of the verification competition, with paths
relative to the list. The table of results is CSV, too. It is written anew, whole, after each
instance, so that a run can be stopped at any time and goes on where it was.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from leo_opt.errors import FileFormatError
from leo_opt.storage.files import AnyPath, check_readable, write_atomically

HEADER = ("network", "property", "seconds")
"""A first row of a list that says what the others are; it may be missing."""

DECIDED = ("holds", "violated")


@dataclass(frozen=True)
class Instance:
    """One row of a list.

    Parameters
    ----------
    line
        Where it stands in the list, from 1 on.
    network, asked
        Files, as they are named in the list.
    seconds
        The time limit, or None.
    folder
        To which the names are relative.
    problem
        Why the row is no instance, or "".
    """

    line: int
    network: str
    asked: str
    seconds: float | None
    folder: str = ""
    problem: str = ""

    @property
    def network_file(self) -> Path:
        """The file of the network that is there."""
        return _find(Path(self.folder, self.network))

    @property
    def property_file(self) -> Path:
        """The file of the property that is there."""
        return _find(Path(self.folder, self.asked))

    def digest(self) -> str:
        """What tells whether the files are those of an earlier run; "" where one is missing."""
        content = hashlib.sha256()
        try:
            for path in (self.network_file, self.property_file):
                content.update(hashlib.sha256(path.read_bytes()).digest())
        except (OSError, ValueError):
            return ""
        return content.hexdigest()[:16]


def _find(path: Path) -> Path:
    """A file, or where it is missing the same one packed or unpacked."""
    packed = path.suffix.lower() == ".gz"
    other = path.with_suffix("") if packed else path.with_name(path.name + ".gz")
    return other if other.is_file() and not path.is_file() else path


def read_instances(path: AnyPath) -> list[Instance]:
    """The rows of a list; those that are no instances say why.

    Raises
    ------
    FileFormatError
        If the file cannot be read as CSV.
    """
    source = check_readable(path)
    folder = str(source.parent)
    try:
        text = source.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{path} is no CSV file of instances: {error}") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if rows and tuple(cell.lower() for cell in rows[0][1]) == HEADER:
        rows = rows[1:]
    return [_read_row(line, row, folder) for line, row in rows]


def _read_row(line: int, row: list[str], folder: str) -> Instance:
    """The instance of a row."""
    network, asked, *more = [*row, "", ""][: max(2, len(row))]
    seconds, problem = None, ""
    if len(row) not in (2, 3) or not network or not asked:
        problem = f"a row has {len(row)} entries; write network,property,seconds"
    elif more and more[0]:
        try:
            seconds = float(more[0])
        except ValueError:
            seconds = 0.0
        if not 0.0 < seconds < float("inf"):
            problem = f"the time limit is {more[0]!r}; write a positive number of seconds"
    return Instance(line, network, asked, None if problem else seconds, folder, problem)


@dataclass(frozen=True)
class InstanceResult:
    """What came of an instance: one row of the table.

    Parameters
    ----------
    network, property
        As the instance names them.
    limit
        Seconds, or "".
    answer
        "holds", "violated", "unknown", or "error" where it could not be read.
    seconds
        Wall-clock time, reading included.
    certified
        "yes" where the answer rests on arithmetic alone, or "".
    witness
        The file that holds it, or "".
    note
        Why it is unknown, or what is wrong.
    options
        Solver, formulation, seed and the like, on which it depends whether it is unknown.
    files
        `Instance.digest`.
    """

    network: str
    property: str
    limit: str
    answer: str
    seconds: str = ""
    certified: str = ""
    witness: str = ""
    note: str = ""
    options: str = ""
    files: str = ""

    def stands(self, limit: str, options: str, files: str) -> bool:
        """Whether an instance needs no other run: it is decided, or was tried in the same way."""
        if not files or files != self.files:
            return False
        tried = self.answer == "unknown" and (limit, options) == (self.limit, self.options)
        return self.answer in DECIDED or tried


_COLUMNS = tuple(field.name for field in fields(InstanceResult))


class ResultsTable:
    """Results of the instances of a run, in their order, and those a file held before.

    Parameters
    ----------
    instances
        Of the run.
    path
        The CSV file that keeps them; None for none. What it holds of other instances stays there.

    Raises
    ------
    FileFormatError
        If the file is something else.
    """

    def __init__(self, instances: Sequence[Instance], path: AnyPath | None = None) -> None:
        self._path = path
        held = {} if path is None or not os.path.exists(path) else _read_results(path)
        self._rows = [held.get((one.network, one.asked)) for one in instances]
        mine = {(one.network, one.asked) for one in instances}
        self._others = [row for key, row in held.items() if key not in mine]

    def __iter__(self) -> Iterator[InstanceResult | None]:
        """Results by instance, None where there is none."""
        return iter(self._rows)

    def put(self, position: int, result: InstanceResult) -> None:
        """Enter the result of an instance and write the file.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._rows[position] = result
        if self._path is None:
            return
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in (*self._rows, *self._others):
            if row is not None:
                writer.writerow(astuple(row))
        write_atomically(self._path, stream.getvalue().encode())


def _read_results(path: AnyPath) -> dict[tuple[str, str], InstanceResult]:
    """The rows of a table of results by network and property."""
    try:
        text = check_readable(path).read_bytes().decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if tuple(header) != _COLUMNS:
            raise ValueError(f"its first row is {','.join(header)[:60]!r}")
        if any(len(row) != len(_COLUMNS) for row in rows):
            raise ValueError(f"a row has not {len(_COLUMNS)} entries")
        results = [InstanceResult(*row) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise FileFormatError(
            f"{path} is no table of results of this command: {error}; name another file"
        ) from error
    return {(result.network, result.property): result for result in results}
