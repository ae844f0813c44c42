"""The files that a comparison ends in: CSV, Markdown, plots and one HTML page."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from leo_opt.comparison.page import write_page
from leo_opt.comparison.plots import draw, to_png, to_svg
from leo_opt.comparison.record import Results
from leo_opt.comparison.tables import (
    clash_lines,
    make_tables,
    verdict_line,
    write_csv,
    write_markdown,
)
from leo_opt.errors import OutputError, SolverNotAvailableError
from leo_opt.storage.files import check_writable, write_atomically

CSV, MARKDOWN, PAGE = "results.csv", "table.md", "index.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Parameters
    ----------
    text
        The Markdown page, and what is missing.
    clashes
        Contradictions in words.
    """

    text: str
    clashes: tuple[str, ...]


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Find out now whether results can be written to a folder, without making it.

    Raises
    ------
    OutputError
        If it is a file, or it or its parent takes no new file.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise OutputError(f"cannot write to {folder}: it is a file; name a folder")
    check_writable(target / CSV if target.exists() else target)


def write_report(results: Results, folder: str | os.PathLike[str], clock: str = "wall") -> Report:
    """Write results.csv, table.md, index.html and, with matplotlib, two PNG files.

    Parameters
    ----------
    clock
        "wall" or "cpu": which times tables and profiles show.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    target = Path(folder)
    notes: list[str] = []
    try:
        plots = draw(results.entries, clock)
    except SolverNotAvailableError as error:
        plots = {}
        notes.append(str(error))
    clashes = clash_lines(results.entries)
    verdict = verdict_line(results, clashes)
    command = f"leo-opt bench --report-only {shlex.quote(os.fspath(folder))} --clock {clock}"
    shown = [to_svg(*plot) for plot in plots.items()]
    page = write_page(verdict, clashes, make_tables(results, clock), shown, notes, command)
    text = write_markdown(results, clock)
    texts = {CSV: write_csv(results), MARKDOWN: text, PAGE: page}
    files = {name: content.encode() for name, content in texts.items()}
    files |= {f"{name}.png": to_png(figure) for name, figure in plots.items()}
    for name, content in files.items():
        write_atomically(target / name, content)
    written = ", ".join(str(target / name) for name in files)
    return Report("\n".join([text, *notes, f"written: {written}"]), tuple(clashes))
