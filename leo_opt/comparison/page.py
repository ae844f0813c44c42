"""The results as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from leo_opt.report import html
from leo_opt.tables import Table


def write_page(
    verdict: str,
    clashes: Sequence[str],
    tables: Sequence[Table],
    plots: Iterable[str],
    notes: Sequence[str],
    command: str,
) -> str:
    """Everything on one page, plots included.

    Parameters
    ----------
    verdict
        What the cross-check found.
    clashes
        Contradictions in words.
    plots
        As SVG.
    notes
        What is missing and why.
    command
        What writes the page again, from the record of the run.
    """
    parts = [html.paragraphs([verdict.replace("**", "")])]
    parts += [f'<p class="clash">{escape(line)}</p>' for line in clashes]
    parts += [html.paragraphs(notes), html.beside(*plots)]
    parts += [table.html() for table in tables]
    return html.page("Comparison", [*parts, html.command(command, "To write this page again")])
