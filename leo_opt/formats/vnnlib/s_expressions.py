"""The notation of SMT-LIB and VNN-LIB: text to nested tuples of symbols."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leo_opt.errors import FileFormatError

Expression = str | tuple["Expression", ...]

_DEEPEST = 200
_SYMBOL = r"[!#-'*-:<-{}~]++"
"""Printable ASCII but for what has a meaning of its own: parentheses, quotes, bars, semicolons."""
_LINE_END = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
"""A comment ends at a line feed or a carriage return. At the others some programs end a line and
some do not, so that they are refused within a comment."""
_TOKEN = re.compile(
    rf"(?:[ \t\n\r]++|;[^{_LINE_END}]*+)+"
    # Most of a property are lists of three symbols, which are read in one step.
    rf"|\([ \t\n\r]*+({_SYMBOL})[ \t\n\r]++({_SYMBOL})[ \t\n\r]++({_SYMBOL})[ \t\n\r]*+\)"
    rf"""|({_SYMBOL}|\|[^|\\]*+\||"(?:[^"]|"")*+")"""
    r"|([()])|(.)",
    re.DOTALL,
)
_TRIPLE, _ATOM, _PARENTHESIS, _STRAY = 3, 4, 5, 6
"""Groups of the pattern, by the last of which a match is known."""


def parse(text: str) -> Iterator[Expression]:
    """The expressions of a text, each as soon as it is closed: what follows is not read before.

    Raises
    ------
    FileFormatError
        If parentheses do not match or a character is out of place.
    """
    open_lists: list[list[Expression]] = []
    starts: list[int] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastindex
        if kind is None:
            continue
        token: Expression
        if kind == _TRIPLE:
            token = match.group(1, 2, 3)
        elif kind == _ATOM:
            token = match[_ATOM]
        elif kind == _STRAY:
            raise FileFormatError(
                f"line {_line(text, match.start())}: {match[_STRAY]!r} is out of place"
            )
        elif match[_PARENTHESIS] == "(":
            open_lists.append([])
            starts.append(match.start())
            if len(starts) > _DEEPEST:
                raise FileFormatError(f"parentheses are nested deeper than {_DEEPEST}")
            continue
        else:
            if not starts:
                raise FileFormatError(f"line {_line(text, match.start())}: ')' without '('")
            starts.pop()
            token = tuple(open_lists.pop())
        if open_lists:
            open_lists[-1].append(token)
        else:
            yield token
    if starts:
        raise FileFormatError(
            f"'(' of line {_line(text, starts[-1])} is never closed; the file may be cut short"
        )


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
    """Number of the line of a position; lines end at \\n, \\r, or both."""
    before = text[:position]
    return before.count("\n") + before.count("\r") - before.count("\r\n") + 1
