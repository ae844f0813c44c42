"""One table, written in four ways: the same texts in each, and numbers to the right."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import numpy as np
import pytest

from leo_opt.console import PlainConsole
from leo_opt.tables import Table, to_csv

WORDS = ["big-m", "a|b", "<x> & y", "[red]no[/red]", "ünit", "1", "2.50", "1,000 to 2,000", "-"]


@pytest.mark.parametrize("seed", range(5))
def test_every_text_stands_in_every_form(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = [[str(w) for w in generator.choice(WORDS, size=3)] for _ in range(4)]
    table = Table.of(("one", "two", "three"), rows)
    stream = io.StringIO()
    PlainConsole(file=stream).print(table.renderable())
    shown = stream.getvalue().splitlines()
    cells = re.findall(r"<td>(.*?)</td>", table.html())
    assert [unescape(cell) for cell in cells] == [text for row in rows for text in row]
    for row, line, marked in zip(rows, shown[1:], table.markdown().splitlines()[2:], strict=True):
        assert re.split(r"\s{2,}", line.strip()) == row or all(text in line for text in row)
        split = re.split(r"(?<!\\)\|", marked)[1:-1]
        assert [text.strip().replace("\\|", "|") for text in split] == row
    assert list(csv.reader(io.StringIO(to_csv(table.columns, rows)))) == [
        list(table.columns),
        *rows,
    ]


def test_numbers_stand_to_the_right_unless_told_otherwise() -> None:
    rows = [("big-m", "1,000 to 2,000", "-", "3.5"), ("ideal", "7", "-2", "fast")]
    table = Table.of("abcd", rows)
    assert table.rightward == (False, True, True, False)
    assert Table.of("abcd", rows, "right").rightward == (True,) * 4
    assert Table.of("ab", []).rightward == (False, False)


def test_a_narrow_terminal_cuts_no_heading() -> None:
    """Headings of numbers ended in an ellipsis at 60 columns, as in "certifi…"."""
    words = ("layer", "units", "stably active", "stably inactive", "unstable", "undecided")
    stream = io.StringIO()
    console = PlainConsole(file=stream)
    console.width = 45
    console.print(Table.of(words, [["1"] * 6]).renderable())
    shown = stream.getvalue()
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 45
    assert sorted("".join(shown.split())) == sorted("".join(words).replace(" ", "") + "1" * 6)
