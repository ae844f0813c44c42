"""Tables of texts, for a terminal, for Markdown, for CSV and for HTML."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as Renderable

_NUMBER = re.compile(r"[\d,.\-]*\d[\d,.\-]*( to [\d,.\-]+)?|-")


@dataclass(frozen=True)
class Table:
    """Columns and rows, perhaps with a heading and sentences about them.

    Parameters
    ----------
    columns
        Headings.
    rows
        One text a column each.
    heading, remarks
        What stands above the table in Markdown and HTML.
    aligned
        "left", "right", or "" for numbers to the right and words to the left.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heading: str = ""
    remarks: tuple[str, ...] = ()
    aligned: str = ""

    @classmethod
    def of(
        cls, columns: Iterable[str], rows: Iterable[Iterable[object]], aligned: str = ""
    ) -> Table:
        """A table of whatever has a text."""
        return cls(tuple(columns), tuple(tuple(map(str, row)) for row in rows), aligned=aligned)

    @property
    def rightward(self) -> tuple[bool, ...]:
        """Which columns stand to the right."""
        if self.aligned:
            return (self.aligned == "right",) * len(self.columns)
        return tuple(
            bool(self.rows) and all(_NUMBER.fullmatch(row[k]) for row in self.rows)
            for k in range(len(self.columns))
        )

    def renderable(self) -> Renderable:
        """For a terminal; words are folded where it is narrow."""
        from rich.table import Table as Renderable
        from rich.text import Text

        table = Renderable(box=None, pad_edge=False)
        for column, right in zip(self.columns, self.rightward, strict=True):
            # A heading may go on below; a number on two lines would be two numbers.
            table.add_column(
                Text(column, overflow="fold"),
                justify="right" if right else "left",
                overflow="ellipsis" if right else "fold",
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """The table alone."""
        lines = [
            f"| {' | '.join(self.columns)} |",
            f"|{'|'.join('---:' if right else '---' for right in self.rightward)}|",
        ]
        lines += [f"| {' | '.join(map(_in_a_cell, row))} |" for row in self.rows]
        return "\n".join(lines)

    def html(self, level: str = "h2") -> str:
        """Heading, remarks and table, to stand in a page."""
        heading = f"<{level}>{escape(self.heading)}</{level}>" if self.heading else ""
        remarks = "".join(f"<p>{_unquoted(text)}</p>" for text in self.remarks)
        lines = [self._line("th", map(_unquoted, self.columns))]
        lines += [self._line("td", map(escape, row)) for row in self.rows]
        body = "\n".join(lines)
        return f'{heading}{remarks}<div class="wide"><table>{body}</table></div>'

    def _line(self, tag: str, cells: Iterable[str]) -> str:
        """A row of HTML, each cell on its side."""
        made = [
            f'<{tag} class="right">{cell}</{tag}>' if right else f"<{tag}>{cell}</{tag}>"
            for cell, right in zip(cells, self.rightward, strict=True)
        ]
        return f"<tr>{''.join(made)}</tr>"


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Values with all their digits, a line a row."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([columns, *rows])
    return stream.getvalue()


def _in_a_cell(text: str) -> str:
    """A text that does not end its cell."""
    return " ".join(text.replace("|", "\\|").split())


def _unquoted(text: str) -> str:
    """A text of Markdown without the marks of code."""
    return escape(text.replace("`", ""))
