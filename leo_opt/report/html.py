"""Pages that need nothing else: no network, no scripts; for phones, the dark and paper, too."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fff; --line: #ccc; --clash: #a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ea; --paper: #17181a; --line: #4a4b50; --clash: #ff8080; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; overflow-wrap: anywhere; }
body { margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--paper); }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
table { overflow-wrap: normal; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
.wide { overflow-x: auto; }
img, svg { max-width: 100%; height: auto; }
pre { white-space: pre-wrap; }
.clash { color: var(--clash); font-weight: bold; }
@media print {
  :root { --ink: #000; --paper: #fff; --line: #999; --clash: #a00; }
  body { margin: 0; max-width: none; print-color-adjust: exact; }
  svg, table { break-inside: avoid; }
}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page.

    Parameters
    ----------
    title
        Of the page, as text.
    parts
        What stands on it, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        # Without it, telephones show a page as if it were 980 pixels wide, in tiny letters.
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
