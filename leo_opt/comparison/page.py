"""The results as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from leo_opt.comparison.tables import Table

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
    parts += [_table(table) for table in tables]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        # Without it, telephones show a page as if it were 980 pixels wide, in tiny letters.
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Comparison</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    remarks = "".join(f"<p>{escape(text.replace('`', ''))}</p>" for text in table.remarks)
    head = "".join(f"<th>{escape(text.replace('`', ''))}</th>" for text in table.columns)
    rows = [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in table.rows]
    body = "\n".join(rows)
    return (
        f"<h2>{escape(table.heading)}</h2>{remarks}"
        f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'
    )
