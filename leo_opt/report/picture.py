"""A network before and after as a picture: a cell a unit, a strip of cells a layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from leo_opt.compression import Compression
from leo_opt.rectify import rectified
from leo_opt.stability import Stability

NEW = "new"
UNKNOWN = "unit"
_KEY = "display:inline-block"
_ALONG = "with its layer"
_COLUMNS = 40
_SIDE = 9
_MOST = 1200
"""Units of a layer that are drawn one by one; of more there is a bar of shares."""

COLOURS = {
    "stably_active": "#2a9d5c",
    "stably_inactive": "#8f97a3",
    "unstable": "#3b7dd8",
    "undecided": "#e0a100",
    "linear": "#8a63d2",
    NEW: "#d6568f",
    UNKNOWN: "#777c85",
}
_REMOVERS = ("#c0392b", "#e67e22", "#5b4bdb", "#7f5539", "#0f766e", "#b5179e", "#6c757d")


class UnitCell(NamedTuple):
    """A unit: its phase, and the rewrite that removed it, or ""."""

    phase: str
    remover: str = ""


class Strip(NamedTuple):
    """The units of a layer before and after."""

    place: int
    before: list[UnitCell]
    after: list[UnitCell]


def strips(compression: Compression) -> list[Strip]:
    """The hidden layers of the network that was rewritten."""
    removers = {
        (step.layer, unit): step.rewrite for step in compression.steps for unit in step.removed
    }
    network, made = compression.original, []
    phases = _phases(compression)
    for index, layer in enumerate(network.layers[:-1]):
        kept = compression.kept[index]
        before = [
            UnitCell(phase, "" if unit in kept else removers.get((index, unit), _ALONG))
            for unit, phase in enumerate(phases[index] or [UNKNOWN] * layer.n_out)
        ]
        after = [UnitCell(before[unit].phase if unit >= 0 else NEW) for unit in kept]
        made.append(Strip(index, before, after))
    return made


def _phases(compression: Compression) -> Sequence[list[str]]:
    """Phases by layer, where verdicts are about the layers of the network itself."""
    stability: Stability = compression.stability
    if rectified(compression.original) is not compression.original:
        return [[]] * len(compression.original.layers)
    return [[str(phase) for phase in phases] for phases in stability.phases]


def draw(layers: Sequence[Strip]) -> str:
    """Both networks, with a legend of the colours that occur."""
    removers = dict.fromkeys(cell.remover for one in layers for cell in one.before if cell.remover)
    tints = {name: _REMOVERS[k % len(_REMOVERS)] for k, name in enumerate(removers)}
    parts = []
    sides = ("Before", [one.before for one in layers]), ("After", [one.after for one in layers])
    for heading, chosen in sides:
        parts.append(f"<h3>{heading}: {sum(map(len, chosen))} units</h3>")
        for one, cells in zip(layers, chosen, strict=True):
            name = f"layer {one.place}: {len(cells)} units"
            parts.append(
                f'<p style="margin:.5rem 0 .1rem">{name}</p>{_svg(cells, tints, name)}'
                if cells
                else ""
            )
    seen = dict.fromkeys(cell.phase for one in layers for cell in (*one.before, *one.after))
    keys = [(COLOURS[phase], phase.replace("_", " ")) for phase in seen]
    keys += [(tint, f"removed: {name}") for name, tint in tints.items()]
    legend = "".join(
        f'<span style="{_KEY};margin-right:1em"><i style="{_KEY};width:.8em;height:.8em;'
        f'margin-right:.35em;background:{tint}"></i>{escape(name)}</span>'
        for tint, name in keys
    )
    return "".join([f"<p>{legend}</p>", *parts])


def _svg(cells: list[UnitCell], tints: dict[str, str], name: str) -> str:
    """The strip of a layer: phases fill cells, and what removed a unit their lower half."""
    many = len(cells) > _MOST
    rows = 1 if many else -(-len(cells) // _COLUMNS)
    width, height = _COLUMNS * _SIDE, rows * _SIDE * (2 if many else 1)
    shapes = _shares(cells, width, height, tints) if many else _units(cells, tints)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{2 * width}" role="img" '
        f'aria-label="{escape(name)}">{"".join(shapes)}</svg>'
    )


def _units(cells: list[UnitCell], tints: dict[str, str]) -> Iterator[str]:
    """A square a unit, whose title a pointer shows."""
    side = _SIDE - 1
    for unit, (phase, remover) in enumerate(cells):
        x, y = unit % _COLUMNS * _SIDE, unit // _COLUMNS * _SIDE
        told = f"unit {unit}: {phase.replace('_', ' ')}" + (remover and f", removed: {remover}")
        box = f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{COLOURS[phase]}"/>'
        gone = f'<rect x="{x}" y="{y + side / 2}" width="{side}" height="{side / 2}" fill="'
        gone = f'{gone}{tints[remover]}"/>' if remover else ""
        yield f"<g><title>{escape(told)}</title>{box}{gone}</g>"


def _shares(
    cells: list[UnitCell], width: float, height: float, tints: dict[str, str]
) -> Iterator[str]:
    """One bar, with a part as wide as the share of the units that are alike."""
    x = 0.0
    for (phase, remover), count in sorted(Counter(cells).items()):
        share, half = width * count / len(cells), height / 2
        colours = COLOURS[phase], tints.get(remover, COLOURS[phase])
        told = f"{count} units: {phase.replace('_', ' ')}" + (remover and f", removed: {remover}")
        boxes = "".join(
            f'<rect x="{x:.3f}" y="{k * half}" width="{share:.3f}" height="{half}" fill="{tint}"/>'
            for k, tint in enumerate(colours)
        )
        yield f"<g><title>{escape(told)}</title>{boxes}</g>"
        x += share
