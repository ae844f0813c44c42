"""Solution files of the programs that read model files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from leo_opt.errors import FileFormatError
from leo_opt.storage.files import AnyPath, check_readable

_LINE = re.compile(
    r"\s*(?:\*\*)?\s*(?:\d+\s+)?"
    r"(?P<name>[A-Za-z]\w*)\s+(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\s|$)"
)
"""Name and value, after a number in CBC's files, before a cost in those of CBC and SCIP."""


def read_solution(path: AnyPath) -> dict[str, float]:
    """Value by column from a solution file of Gurobi, CPLEX, HiGHS, SCIP or CBC.

    SCIP and CBC leave out columns that are 0: pass `sparse=True` to the methods of `Sidecar`.

    Raises
    ------
    FileFormatError
        If the file cannot be read or holds no column.
    """
    source = check_readable(path)
    text = source.read_text(encoding="utf-8", errors="replace")
    try:
        pairs = _xml_pairs(text) if text.lstrip().startswith("<?xml") else _pairs(text)
        values = dict(pairs)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise FileFormatError(f"{path} is no solution of a model file: {error}") from error
    if not values:
        raise FileFormatError(f"{path} holds no column; give a solution file of a solver")
    return values


def _xml_pairs(text: str) -> Iterator[tuple[str, float]]:
    """CPLEX's columns."""
    for variable in ElementTree.fromstring(text.encode()).iter("variable"):
        yield variable.attrib["name"], float(variable.attrib["value"])


def _pairs(text: str) -> Iterator[tuple[str, float]]:
    """The other programs' columns; HiGHS has them between two headings."""
    start = text.find("\n# Columns ")
    stop = text.find("\n# Rows ", start)
    lines = text[start:stop] if start >= 0 and stop >= 0 else text
    for line in lines.splitlines():
        found = _LINE.match(line)
        if found is not None:
            yield found["name"], float(found["value"])
