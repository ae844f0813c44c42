"""Pictures: all units are in them, as they are, whoever draws them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from leo_opt import Box, Compression, Network, approximate, compress
from leo_opt.approximation import Parameters
from leo_opt.report import picture
from leo_opt.report.drawing import to_html
from leo_opt.report.picture import COLOURS, WIDTH, Mark, Picture
from leo_opt.report.scenes import PICTURES, picture_of, units_after, units_before
from leo_opt.summarised import Pictured


@cache
def thinned(seed: int, tags: str = "relu") -> Compression:
    """A random network with units of every phase, compressed."""
    generator = np.random.default_rng(seed)
    shapes = ((12, 3), (12, 12), (2, 12))
    matrices = [generator.standard_normal(shape) for shape in shapes]
    biases = [generator.standard_normal(size) * 4.0 for size, _ in shapes]
    return compress(Network.from_arrays(matrices, biases, [tags, tags, "linear"]), Box(0, 1))


def shapes_of(drawn: Picture) -> list[Mark]:
    return [one for panel in drawn.panels for strip in panel.strips for one in strip.shapes]


@pytest.mark.parametrize("seed", range(3))
def test_units_have_their_phase_and_what_removed_them(seed: int) -> None:
    compression = thinned(seed)
    before, after = units_before(compression), units_after(compression)
    assert [len(cells) for _, cells in before] == list(compression.original.hidden_widths)
    assert [len(cells) for _, cells in after] == [len(kept) for kept in compression.kept[:-1]]
    removed = {(s.layer, u): s.rewrite for s in compression.steps for u in s.removed}
    for index, (_, cells) in enumerate(before):
        gone = {unit for unit, cell in enumerate(cells) if cell.remover}
        assert gone == set(range(len(cells))) - set(compression.kept[index])
        assert all(cells[unit].remover == removed[index, unit] for unit in gone)
        phases = compression.stability.phases[index]
        assert [cell.phase for cell in cells] == [str(phase) for phase in phases]


def test_leaky_units_are_told_by_the_pieces_that_are_open() -> None:
    compression = thinned(0, "leaky-relu(0.1)")
    pieces = compression.stability.pieces(compression.original)
    for (_, cells), own in zip(units_before(compression), pieces, strict=False):
        assert [cell.phase == picture.UNKNOWN for cell in cells] == [len(one) > 1 for one in own]


@pytest.mark.parametrize("most", [0, 1200])
def test_all_units_are_drawn_inside_their_strips(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "_MOST", most)
    compression = thinned(0)
    drawn = picture_of(compression)
    layers = [*units_before(compression), *units_after(compression)]
    units = [cell for _, cells in layers for cell in cells]
    fills = [one for one in shapes_of(drawn) if one.colour in COLOURS.values()]
    counted = [int(one.said.split()[0]) if most == 0 else 1 for one in fills]
    assert sum(counted) == len(units)
    assert {word for _, word in drawn.legend} >= {"stably active", "unstable"}
    for panel in (*drawn.panels, *picture_of(compression.stability).panels):
        for strip in panel.strips:
            for one in strip.shapes:
                assert one.x >= 0.0
                assert one.x + one.width <= WIDTH + 1e-6
                assert -0.5 <= one.y <= one.y + one.height <= strip.height + 0.5


def test_a_bar_crosses_the_line_at_zero_where_its_unit_is_not_stable() -> None:
    stability = thinned(1).stability
    panel = picture_of(stability).panels[1]
    for strip, low, high in zip(panel.strips, stability.lower, stability.upper, strict=True):
        *bars, zero = strip.shapes
        line = zero.y + zero.height / 2
        for bar in bars:
            unit = int(bar.said.split()[1].rstrip(":"))
            crossing = bar.y < line - 1e-9 and bar.y + bar.height > line + 1e-9
            if min(abs(low[unit]), abs(high[unit])) > 0.05 * (high.max() - low.min()):
                assert crossing == (low[unit] < 0.0 < high[unit])


def test_every_picture_is_html_and_a_figure_with_the_same_shapes() -> None:
    pytest.importorskip("matplotlib")
    compression = thinned(2)
    data = np.random.default_rng(0).random((40, 3))
    apart = approximate(compression.original, data, domain=Box(0, 1), budget=Parameters(0.8))
    for value in (compression, compression.stability, apart):
        shapes = shapes_of(picture_of(value))
        root = ET.fromstring(f"<div>{to_html(picture_of(value))}</div>")
        assert [one.get("fill") for one in root.iter("rect")] == [one.colour for one in shapes]
        assert to_html(picture_of(value)) in value._repr_html_()
        figure = value.plot()
        drawn = [c for axis in figure.axes for c in axis.collections]
        assert sum(len(one.get_paths()) for one in drawn) == len(shapes)
        assert figure.legends
    assert all(issubclass(kind, Pictured) for kind in PICTURES)


def test_errors_fall_as_sizes_grow() -> None:
    points = [(0.25, 3.0), (0.5, 2.0), (1.0, 0.0)]
    *_, first, second, third = picture.curve_strip("", points).shapes
    for left, right in pairwise((first, second, third)):
        assert left.x < right.x
        assert left.y < right.y
