"""Pictures as HTML and as figures of matplotlib."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from leo_opt.errors import SolverNotAvailableError
from leo_opt.report.picture import WIDTH, Picture, Strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEY = "display:inline-block"
_SCALE = 72.0
"""Units of a strip to an inch."""
_TITLE, _MARGIN = 22.0, 60.0
"""Height, in these units, of the name of a strip, and of heading and legend."""


def to_html(picture: Picture) -> str:
    """A legend, and panels beside or below each other; styles stand inside, for notebooks."""
    keys = "".join(
        f'<span style="{_KEY};margin-right:1em"><i style="{_KEY};width:.8em;height:.8em;'
        f'margin-right:.35em;background:{colour}"></i>{escape(word)}</span>'
        for colour, word in picture.legend
    )
    panels = "".join(
        f'<div style="flex:1 1 20rem;min-width:0"><h3>{escape(panel.heading)}</h3>'
        f"{''.join(map(_named, panel.strips))}</div>"
        for panel in picture.panels
    )
    return (
        f'<p>{keys}</p><div style="display:flex;flex-wrap:wrap;gap:0 2rem;max-width:100%">'
        f"{panels}</div>"
    )


def to_svg(strip: Strip, attributes: str) -> str:
    """The shapes of a strip; a pointer shows what is said of one."""
    shapes = "".join(
        f'<rect x="{one.x:g}" y="{one.y:.5g}" width="{one.width:.4g}" height="{one.height:.4g}" '
        f'fill="{one.colour}"><title>{escape(one.said)}</title></rect>'
        for one in strip.shapes
    )
    return f'<svg viewBox="0 0 {WIDTH:g} {strip.height:g}" {attributes}>{shapes}</svg>'


def _named(strip: Strip) -> str:
    """A strip below its name."""
    name = escape(strip.name)
    look = f'width="{1.4 * WIDTH:g}" style="max-width:100%;height:auto"'
    return f'<p style="margin:.5rem 0 .1rem">{name}</p>' + to_svg(
        strip, f'{look} role="img" aria-label="{name}"'
    )


def require_figures(cure: str) -> type[Figure]:
    """The class of matplotlib's figures.

    Parameters
    ----------
    cure
        What to install, and what does without it; behind `pip install '`.

    Raises
    ------
    SolverNotAvailableError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SolverNotAvailableError(f"plots need matplotlib: pip install '{cure}") from error
    return Figure


def to_figure(picture: Picture) -> Figure:
    """The same with matplotlib.

    Raises
    ------
    SolverNotAvailableError
        If it is not installed.
    """
    figure_class = require_figures("leo-opt[plot]'; report() and notebooks do without")
    from matplotlib.patches import Patch

    heights = [sum(strip.height + _TITLE for strip in panel.strips) for panel in picture.panels]
    size = len(picture.panels) * (WIDTH + 20.0), max(heights, default=0.0) + _MARGIN
    figure = figure_class(figsize=(size[0] / _SCALE, size[1] / _SCALE), layout="constrained")
    sides = figure.subfigures(1, len(picture.panels), squeeze=False)[0]
    for side, panel in zip(sides, picture.panels, strict=True):
        side.suptitle(panel.heading)
        if panel.strips:
            ratios = [strip.height for strip in panel.strips]
            grid = {"height_ratios": ratios}
            axes = side.subplots(len(ratios), 1, squeeze=False, gridspec_kw=grid)[:, 0]
            for axis, strip in zip(axes, panel.strips, strict=True):
                _draw(axis, strip)
    handles = [Patch(color=colour, label=word) for colour, word in picture.legend]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw(axis: Axes, strip: Strip) -> None:
    """The shapes of a strip, with y downwards."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    boxes = [Rectangle((one.x, one.y), one.width, one.height) for one in strip.shapes]
    colours = [one.colour for one in strip.shapes]
    axis.add_collection(PatchCollection(boxes, facecolors=colours, linewidths=0))
    axis.set_xlim(0.0, WIDTH)
    axis.set_ylim(strip.height, 0.0)
    axis.set_aspect("equal", anchor="NW")
    axis.set_title(strip.name, loc="left", fontsize="small")
    axis.set_axis_off()
