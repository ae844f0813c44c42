"""What is shown of a value: its picture, described once for pages, notebooks and matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from leo_opt.approximation import Approximation
from leo_opt.compression import Compression
from leo_opt.graphs import GraphCompression
from leo_opt.rectify import rectified
from leo_opt.report.drawing import to_figure
from leo_opt.report.picture import (
    GONE,
    NEW,
    UNKNOWN,
    Panel,
    Picture,
    Strip,
    UnitCell,
    cell_strip,
    curve_strip,
    interval_strip,
    legend,
    share_strip,
    tints,
)
from leo_opt.stability import Stability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALONG = "with its layer"

Cells = Sequence[tuple[str, list[UnitCell]]]
"""Layers by name."""


def units_before(compression: Compression) -> Cells:
    """The units of the hidden layers of the network that was rewritten."""
    removers = {
        (step.layer, unit): step.rewrite for step in compression.steps for unit in step.removed
    }
    made, phases = [], _phases(compression)
    for index, layer in enumerate(compression.original.layers[:-1]):
        kept = set(compression.kept[index])
        cells = [
            UnitCell(phase, "" if unit in kept else removers.get((index, unit), _ALONG))
            for unit, phase in enumerate(phases[index] or [UNKNOWN] * layer.n_out)
        ]
        made.append((f"layer {index}", cells))
    return made


def units_after(compression: Compression) -> Cells:
    """The units that are left of these layers, and new ones."""
    return [
        (name, [UnitCell(before[unit].phase if unit >= 0 else NEW) for unit in kept])
        for (name, before), kept in zip(
            units_before(compression), compression.kept[:-1], strict=True
        )
    ]


def _phases(compression: Compression) -> Sequence[list[str]]:
    """Phases by layer; where units are not rectifiers, whether they are on one piece."""
    stability, network = compression.stability, compression.original
    if rectified(network) is network:
        return [[str(phase) for phase in phases] for phases in stability.phases]
    return [
        [
            tag if tag == "linear" else _piece([piece.slope for piece in open_pieces])
            for tag, open_pieces in zip(layer.tags, pieces, strict=True)
        ]
        for layer, pieces in zip(network.layers, stability.pieces(network), strict=True)
    ]


def _piece(slopes: Sequence[float]) -> str:
    """What the open pieces of a unit come to."""
    if len(slopes) > 1:
        return UNKNOWN
    return "stably_active" if slopes[0] else "stably_inactive"


def of_compression(compression: Compression) -> Picture:
    """Both networks, a square a unit."""
    return _before_and_after(units_before(compression), units_after(compression))


def _before_and_after(before: Cells, after: Cells) -> Picture:
    everything = [cell for cells in (before, after) for _, layer in cells for cell in layer]
    colours = tints(everything)
    panels = [
        Panel(
            f"{heading}: {sum(len(layer) for _, layer in cells)} units",
            tuple(cell_strip(name, layer, colours) for name, layer in cells if layer),
        )
        for heading, cells in (("Before", before), ("After", after))
    ]
    return Picture(tuple(panels), legend(everything))


def phases(stability: Stability) -> Picture:
    """Phases, a square a unit."""
    cells = [
        (f"layer {index}", [UnitCell(str(phase)) for phase in phases])
        for index, phases in enumerate(stability.phases)
        if phases
    ]
    strips = tuple(cell_strip(name, layer, {}) for name, layer in cells)
    return Picture((Panel("Phases", strips),), legend([c for _, layer in cells for c in layer]))


def intervals(stability: Stability) -> Picture:
    """Where the pre-activations of each layer lie, a bar a unit."""
    strips: list[Strip] = []
    seen: list[UnitCell] = []
    for index, ends in enumerate(zip(stability.lower, stability.upper, strict=True)):
        told = [str(phase) for phase in stability.phases[index]] or ["linear"] * ends[0].size
        strips.append(interval_strip(f"layer {index}", *ends, told))
        seen += map(UnitCell, told)
    return Picture((Panel("Intervals of pre-activations", tuple(strips)),), legend(seen))


def of_stability(stability: Stability) -> Picture:
    """Both."""
    first, second = phases(stability), intervals(stability)
    return Picture((*first.panels, *second.panels), second.legend)


def of_graph(compression: GraphCompression) -> Picture:
    """Channels and units of the matrices of a graph."""
    before, after = [], []
    for part in compression.parts:
        kept = set(part.kept)
        cells = [UnitCell(UNKNOWN, "" if k in kept else GONE) for k in range(part.before)]
        before.append((part.name, cells))
        after.append((part.name, [UnitCell(UNKNOWN if k >= 0 else NEW) for k in part.kept]))
    return _before_and_after(before, after)


def of_approximation(approximation: Approximation) -> Picture:
    """Numbers of each layer of both networks, and errors by size."""
    parts = approximation.substitutes
    sides = (
        ("Before", approximation.cost_before, [one.matrix.cost(None) for one in parts]),
        ("After", approximation.cost, [one.cost for one in parts]),
    )
    most = max((cost.parameters for _, _, costs in sides for cost in costs), default=0) or 1
    panels = [
        Panel(
            f"{heading}: {total.parameters} numbers and indices",
            tuple(
                share_strip(f"layer {one.index}: {cost.parameters}", cost.parameters / most)
                for one, cost in zip(parts, costs, strict=True)
            ),
        )
        for heading, total, costs in sides
    ]
    points = [(point.cost, point.error) for point in approximation.frontier]
    curve = curve_strip("sizes from none to all: the error that is guessed", points)
    return Picture((*panels, Panel("Errors by size", (curve,))), ())


PICTURES: Mapping[type, Callable[[Any], Picture]] = MappingProxyType(
    {
        Approximation: of_approximation,
        Compression: of_compression,
        GraphCompression: of_graph,
        Stability: of_stability,
    }
)
"""How each value is shown, by its class."""


def picture_of(value: Any) -> Picture:
    """The picture of a value, whose class is one of `PICTURES`."""
    return PICTURES[type(value)](value)


def plot(value: Any) -> Figure:
    """The same with matplotlib."""
    return to_figure(picture_of(value))
