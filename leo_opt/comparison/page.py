"""The results as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from leo_opt.report.html import page
from leo_opt.tables import Table


def write_page(
    verdict: str,
    clashes: Sequence[str],
    tables: Sequence[Table],
    plots: Mapping[str, bytes],
    notes: Sequence[str],
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
    """
    parts = [f"<h1>Comparison</h1><p>{escape(verdict.replace('**', ''))}</p>"]
    parts += [f'<p class="clash">{escape(line)}</p>' for line in clashes]
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    for name, content in plots.items():
        code = base64.b64encode(content).decode()
        parts.append(f'<p><img alt="{escape(name)}" src="data:image/png;base64,{code}"></p>')
    parts += [table.html() for table in tables]
    return page("Comparison", parts)
