"""The results as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from leo_opt.tables import Table

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; }
body { margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: left; }
.wide { overflow-x: auto; }
img { max-width: 100%; }
.clash { color: #a00; font-weight: bold; }
"""


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
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        # Without it, telephones show a page as if it were 980 pixels wide, in tiny letters.
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Comparison</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
