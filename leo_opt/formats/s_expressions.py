"""The notation of SMT-LIB and VNN-LIB: text to nested tuples of symbols."""

from __future__ import annotations

import re

from leo_opt.errors import FileFormatError

Expression = str | tuple["Expression", ...]

_DEEPEST = 200
_TOKEN = re.compile(r""";[^\n]*|\s+|([()]|\|[^|]*\||"(?:[^"]|"")*"|[^\s();"|]+)|(.)""", re.DOTALL)


def parse(text: str) -> tuple[Expression, ...]:
    """All expressions of a text.

    Raises
    ------
    FileFormatError
        If parentheses do not match or a character is out of place.
    """
    open_lists: list[list[Expression]] = [[]]
    starts: list[int] = []
    for match in _TOKEN.finditer(text):
        token, stray = match.groups()
        if stray is not None:
            raise FileFormatError(f"line {_line(text, match.start())}: {stray!r} is out of place")
        if token == "(":
            open_lists.append([])
            starts.append(match.start())
            if len(starts) > _DEEPEST:
                raise FileFormatError(f"parentheses are nested deeper than {_DEEPEST}")
        elif token == ")":
            if not starts:
                raise FileFormatError(f"line {_line(text, match.start())}: ')' without '('")
            starts.pop()
            closed = tuple(open_lists.pop())
            open_lists[-1].append(closed)
        elif token is not None:
            open_lists[-1].append(token)
    if starts:
        raise FileFormatError(
            f"'(' of line {_line(text, starts[-1])} is never closed; the file may be cut short"
        )
    return tuple(open_lists[0])


def show(expression: Expression, limit: int = 80) -> str:
    """An expression as text, cut to a length that fits a message."""
    text = _text(expression, limit)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _text(expression: Expression, limit: int) -> str:
    """An expression as text; about `limit` characters are enough."""
    pieces: list[str] = []
    stack: list[Expression] = [expression]
    while stack and sum(map(len, pieces)) <= limit:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            pieces.append("(")
            stack.append(")")
            stack.extend(reversed(item))
    text = " ".join(pieces)
    return text.replace("( ", "(").replace(" )", ")")


def _line(text: str, position: int) -> int:
    """Number of the line of a position."""
    return text.count("\n", 0, position) + 1
