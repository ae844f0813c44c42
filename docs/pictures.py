"""Draws the pictures of the documentation: `python docs/pictures.py` writes them beside itself."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from leo_opt import Box, compress, load
from leo_opt.report.drawing import to_svg
from leo_opt.report.picture import COLOURS
from leo_opt.report.picture import WIDTH as STRIP
from leo_opt.report.scenes import of_compression

FOLDER = Path(__file__).parent
WIDTH, SIDE = 480, 440
INK, PALE = "#1f2933", "#cbd2d9"
MEANINGS = {
    "stably_active": "stably active: never below 0, so max(0, z) = z",
    "stably_inactive": "stably inactive: never above 0, so max(0, z) = 0",
    "unstable": "unstable: two inputs are known, one on each side",
    "undecided": "undecided: nothing is proved, so it is kept",
}

NAMES = {
    "stably active": "passes its input on (stably active)",
    "stably inactive": "never anything but 0 (stably inactive)",
    "unstable": "does both (unstable)",
    "new": "new: fewer, which do the work of those that went",
}


def text(x: float, y: float, words: str, size: int = 15, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {more}>{words}</text>'


def rectangle(x: float, y: float, width: float, height: float, colour: str, more: str = "") -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} fill="{colour}" {more}/>'


def picture(height: float, title: str, shapes: Iterable[str]) -> str:
    """A panel with a ground of its own, so that it can be read in light and in dark."""
    ground = rectangle(0, 0, WIDTH, height, "#ffffff", f'rx="8" stroke="{PALE}"')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        f'width="{WIDTH}" height="{height:g}" role="img" '
        f'font-family="sans-serif" fill="{INK}"><title>{title}</title>\n'
        + "\n".join([ground, *shapes])
        + "\n</svg>\n"
    )


def network() -> str:
    """The network of `leo-opt demo` before and after, as reports show it."""
    source = load(str(files("leo_opt") / "data" / "mnist_100-100_l1_0.0005_s0.onnx"))
    drawn = of_compression(compress(source, Box(0.0, 1.0)))
    title, shapes, y = "A network before and after compression", [], 8.0
    for panel in drawn.panels:
        y += 22
        shapes.append(text(20, y, panel.heading, more='font-weight="bold"'))
        for strip in panel.strips:
            tall = strip.height * SIDE / STRIP
            place = f'x="20" y="{y + 28:g}" width="{SIDE}" height="{tall:g}"'
            shapes += [text(20, y + 22, strip.name), to_svg(strip, place)]
            y += tall + 32
    for colour, word in drawn.legend:
        y += 22
        shapes.append(rectangle(20, y - 12, 13, 13, colour))
        shapes.append(text(40, y, NAMES.get(word, word)))
    return picture(round(y) + 14, title, shapes)


def verdicts() -> str:
    """What each verdict says of the pre-activation of a unit."""
    zero, shapes = 240.0, []
    spans = {"stably_active": (265, 430), "stably_inactive": (60, 225), "undecided": (150, 300)}
    for row, (phase, meaning) in enumerate(MEANINGS.items()):
        y, colour = 44 + 62 * row, COLOURS[phase]
        shapes.append(text(20, y - 14, meaning))
        shapes.append(f'<path d="M20 {y}H460" stroke="{PALE}" stroke-width="2"/>')
        if phase in spans:
            low, high = spans[phase]
            shapes.append(rectangle(low, y - 7, high - low, 14, colour, 'rx="4" opacity="0.85"'))
        else:
            shapes += [f'<circle cx="{x}" cy="{y}" r="7" fill="{colour}"/>' for x in (120, 360)]
        shapes.append(f'<path d="M{zero} {y - 10}v20" stroke="{INK}" stroke-width="2"/>')
        shapes.append(text(zero, y + 24, "0", 13, 'text-anchor="middle"'))
    note = "bars: where z, the input of the rectifier, is proved to lie on the whole box"
    shapes.append(text(20, 282, note, 13))
    return picture(296, "The four verdicts", shapes)


PICTURES = {"network.svg": network, "verdicts.svg": verdicts}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
