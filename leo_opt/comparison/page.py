"""The results as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from leo_opt.report import html
from leo_opt.tables import Table


def write_page(
    verdict: str,
    clashes: Sequence[str],
    tables: Sequence[Table],
    plots: Mapping[str, bytes],
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
        PNG files by name.
    notes
        What is missing and why.
    command
        What writes the page again, from the record of the run.
    """
    parts = [html.paragraphs([verdict.replace("**", "")])]
    parts += [f'<p class="clash">{escape(line)}</p>' for line in clashes]
    parts += [html.paragraphs(notes), html.beside(*(_image(*plot) for plot in plots.items()))]
    parts += [table.html() for table in tables]
    return html.page("Comparison", [*parts, html.command(command, "To write this page again")])


def _image(name: str, content: bytes) -> str:
    """A PNG file, inside the page."""
    code = base64.b64encode(content).decode()
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{code}">'
