"""Pages that need nothing else: no network, no scripts; for phones, the dark and paper, too."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from leo_opt.tables import Table

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fff; --line: #ccc; --clash: #a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ea; --paper: #17181a; --line: #4a4b50; --clash: #ff8080; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; overflow-wrap: anywhere; }
body { margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--paper); }
p { max-width: 48rem; }
h2 { margin: 2rem 0 .5rem; }
h3 { margin: 1rem 0 .25rem; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
th, td { overflow-wrap: normal; vertical-align: top; }
.right { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
.beside { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.beside > div { min-width: 0; max-width: 100%; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem 2rem; margin: 1rem 0; }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.figures dt { opacity: .8; }
.words td:last-child { overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
pre { white-space: pre-wrap; }
.clash { color: var(--clash); font-weight: bold; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #999; --clash: #a00; }
  body { margin: 0; max-width: none; print-color-adjust: exact; font-size: 11px; }
  svg, tr, .figures { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
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
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """Parts of a page below a heading."""
    return f"<h2>{escape(heading)}</h2>\n" + "\n".join(parts)


def paragraphs(lines: Iterable[str]) -> str:
    """Lines of text."""
    return "\n".join(f"<p>{escape(line)}</p>" for line in lines)


def figures(numbers: Iterable[tuple[str, str]]) -> str:
    """The few numbers that everybody looks for, each with what it is of."""
    cells = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(number)}</dd></div>" for what, number in numbers
    )
    return f'<dl class="figures">{cells}</dl>'


def beside(*parts: str) -> str:
    """Small parts next to each other, where there is room."""
    return f'<div class="beside">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def settings(rows: Iterable[tuple[str, object]]) -> str:
    """What is told by name, such as versions; long words are broken."""
    table = Table.of(("what", "value"), rows, "left")
    return f'<div class="words">{table.html()}</div>'


def command(text: str, heading: str = "To repeat it") -> str:
    """What repeats a run."""
    return section(heading, f"<pre>{escape(text)}</pre>")
