"""What a picture is made of: strips of coloured shapes, which pages and matplotlib both draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from leo_opt.network import FloatArray

NEW, UNKNOWN, GONE = "new", "unit", "removed"
_COLUMNS, _SIDE = 40, 9.0
WIDTH = _COLUMNS * _SIDE
"""Of every strip."""
_HEIGHT = 8 * _SIDE
"""Of strips that are no rows of squares."""
_MOST = 1200
"""Units of a layer that are drawn one by one; of more there are shares, or samples."""

COLOURS = {
    "stably_active": "#2a9d5c",
    "stably_inactive": "#8f97a3",
    "unstable": "#3b7dd8",
    "undecided": "#e0a100",
    "linear": "#8a63d2",
    NEW: "#d6568f",
    UNKNOWN: "#3f8f9b",
}
"""In the middle between light and dark, since a picture stands on both."""
_REMOVERS = ("#c0392b", "#e67e22", "#5b4bdb", "#7f5539", "#0f766e", "#b5179e", "#6c757d")
_AXIS = "#777c85"


class Mark(NamedTuple):
    """A rectangle, from its upper left corner, and what is said of it."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    said: str = ""


class Strip(NamedTuple):
    """Shapes of one layer, `WIDTH` wide."""

    name: str
    height: float
    shapes: tuple[Mark, ...]


class Panel(NamedTuple):
    """Strips, the first layer on top."""

    heading: str
    strips: tuple[Strip, ...]


class Picture(NamedTuple):
    """Panels that stand side by side where there is room, and what colours mean."""

    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, str], ...]


class UnitCell(NamedTuple):
    """A unit: its phase, and the rewrite that removed it, or ""."""

    phase: str
    remover: str = ""

    @property
    def said(self) -> str:
        """Both in words."""
        return _word(self.phase) + (self.remover and f", {_removed(self.remover)}")


def tints(cells: Iterable[UnitCell]) -> dict[str, str]:
    """A colour for each remover."""
    removers = dict.fromkeys(cell.remover for cell in cells if cell.remover)
    return {name: _REMOVERS[k % len(_REMOVERS)] for k, name in enumerate(removers)}


def legend(cells: Iterable[UnitCell]) -> tuple[tuple[str, str], ...]:
    """Colours that occur, with words."""
    cells = list(cells)
    phases = [phase for phase in COLOURS if any(cell.phase == phase for cell in cells)]
    removed = [(tint, _removed(name)) for name, tint in tints(cells).items()]
    return tuple([(COLOURS[phase], _word(phase)) for phase in phases] + removed)


def cell_strip(name: str, cells: Sequence[UnitCell], tints: dict[str, str]) -> Strip:
    """A square a unit: phases fill squares, and what removed a unit their lower half.

    Of very many units there is one bar, with a part as wide as the share of those that are alike.
    """
    told = f"{name}: {len(cells)} unit{'s' * (len(cells) != 1)}"
    if len(cells) > _MOST:
        shapes, x = [], 0.0
        for cell, count in sorted(Counter(cells).items()):
            share = WIDTH * count / len(cells)
            said = f"{count} units: {cell.said}"
            shapes += _filled((x, 0.0, share, 2 * _SIDE), cell, tints, said)
            x += share
        return Strip(told, 2 * _SIDE, tuple(shapes))
    shapes = []
    for unit, cell in enumerate(cells):
        place = unit % _COLUMNS * _SIDE, unit // _COLUMNS * _SIDE, _SIDE - 1, _SIDE - 1
        shapes += _filled(place, cell, tints, f"unit {unit}: {cell.said}")
    return Strip(told, -(-len(cells) // _COLUMNS) * _SIDE, tuple(shapes))


def _filled(
    place: tuple[float, float, float, float], cell: UnitCell, tints: dict[str, str], said: str
) -> list[Mark]:
    """A box, and in its lower half what removed it."""
    x, y, width, height = place
    whole = Mark(*place, COLOURS[cell.phase], said)
    half = Mark(x, y + height / 2, width, height / 2, tints.get(cell.remover, ""), said)
    return [whole, half] if cell.remover else [whole]


def interval_strip(name: str, lower: FloatArray, upper: FloatArray, phases: Sequence[str]) -> Strip:
    """A bar a unit from its lower to its upper end, the lowest first, and a line at zero."""
    order = np.lexsort((upper, lower + upper))
    if order.size > _MOST:
        order = order[np.linspace(0, order.size - 1, _MOST).astype(np.int64)]
    ends = lower[order], upper[order]
    # Ends that are not finite reach to the edge.
    finite = np.concatenate([[0.0], *(side[np.isfinite(side)] for side in ends)])
    top, bottom = float(finite.max()), float(finite.min())
    scale = _HEIGHT / ((top - bottom) or 1.0)
    wide = WIDTH / max(order.size, 1)
    shapes = []
    for place, (unit, low, high) in enumerate(zip(order.tolist(), *ends, strict=True)):
        y = (top - min(high, top)) * scale
        tall = max((top - max(low, bottom)) * scale - y, 0.5)
        said = f"unit {unit}: {low:.4g} to {high:.4g}, {_word(phases[unit])}"
        shapes.append(Mark(place * wide, y, 0.85 * wide, tall, COLOURS[phases[unit]], said))
    shapes.append(Mark(0.0, top * scale - 0.25, WIDTH, 0.5, _AXIS, "zero"))
    return Strip(f"{name}: from {bottom:.4g} to {top:.4g}", _HEIGHT, tuple(shapes))


def share_strip(name: str, share: float) -> Strip:
    """A bar that is a share of the width."""
    return Strip(name, _SIDE, (Mark(0.0, 0.0, WIDTH * share, _SIDE, COLOURS[UNKNOWN], name),))


def curve_strip(name: str, points: Sequence[tuple[float, float]]) -> Strip:
    """Points by shares of the width, and numbers from 0 on."""
    step = -(-len(points) // _MOST) or 1
    most = max((number for _, number in points), default=0.0) or 1.0
    shapes = [Mark(0.0, _HEIGHT - 0.5, WIDTH, 0.5, _AXIS, "zero")]
    for share, number in points[::step]:
        x, y = share * (WIDTH - 2.0), (1.0 - number / most) * (_HEIGHT - 2.0)
        said = f"{100.0 * share:.1f} %: {number:.3g}"
        shapes.append(Mark(x, y, 2.0, 2.0, COLOURS["unstable"], said))
    return Strip(f"{name}, 0 to {most:.3g}", _HEIGHT, tuple(shapes))


def _removed(name: str) -> str:
    return f"removed: {name}" if name != GONE else name


def _word(phase: str) -> str:
    return phase.replace("_", " ")
