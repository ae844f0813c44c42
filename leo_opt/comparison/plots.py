"""Performance profiles and root gaps, as PNG and for pages; needs matplotlib."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leo_opt.comparison.agreement import withdraw
from leo_opt.comparison.profiles import Profile, profiles
from leo_opt.comparison.record import Entry
from leo_opt.comparison.summary import (
    BASELINE,
    Contestant,
    Line,
    contestants,
    gaps_closed,
    summarise,
)
from leo_opt.report.drawing import require_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = ("-", "--", "-.", ":")
_WIDTH = 5.2
"""Inches of a figure, with one panel below the other: narrow screens shrink it, and its letters."""
_PANEL, _ROW = 3.4, 0.2
"""Inches of the height of a panel, and of each line of its legend."""
_SMALL, _LARGE = 9, 11
"""Points of letters."""
_LEAST_FACTOR = 2.0
"""Where the axis of factors ends at the earliest."""


def draw(entries: Sequence[Entry], clock: str = "wall") -> dict[str, Figure]:
    """The plots of a comparison by name; one is missing where it would be empty.

    Raises
    ------
    SolverNotAvailableError
        If matplotlib is not installed.
    """
    figure_class = require_figures("leo-opt[bench]', then --report-only")
    # What one solver's answer convicts of another's counts in every panel.
    entries = withdraw(entries)
    figures = {
        "profile": _draw_profiles(figure_class, entries, clock),
        "root_gap": _draw_gaps(figure_class, entries),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def to_png(figure: Figure) -> bytes:
    """A file, the same for the same results."""
    stream = io.BytesIO()
    # Without the version of matplotlib in it.
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def to_svg(name: str, figure: Figure) -> str:
    """A part of a page, in the ink of the page and on its paper; no two have the same name."""
    from matplotlib import rc_context

    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    # Names of groups would stand in the page once for each plot.
    text = re.sub(r' id="[\w.]+_\d+"', "", text[text.index("<svg") :])
    return text.replace("#000000", "currentColor").replace("<svg", '<svg fill="currentColor"', 1)


def _draw_profiles(
    figure_class: type[Figure], entries: Sequence[Entry], clock: str
) -> Figure | None:
    """One panel a solver, its formulations against each other; and one of the best of each."""
    panels = _panels(entries, clock)
    if not panels:
        return None
    heights = [_PANEL + _ROW * len(lines) for lines in panels.values()]
    figure = figure_class(figsize=(_WIDTH, sum(heights)), layout="constrained")
    grid = {"height_ratios": heights}
    axes = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw=grid).ravel()
    looks = _looks([profile.contestant for lines in panels.values() for profile in lines])
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        ratios = np.concatenate([[_LEAST_FACTOR], *(profile.ratios for profile in lines)])
        end = 1.05 * float(ratios.max())
        several = len({profile.contestant.solver for profile in lines}) > 1
        for place, profile in enumerate(lines):
            who = profile.contestant
            # Panels of one solver share colours; among solvers each line has its own.
            label = who.label if several else _within(who)
            colour, style = (f"C{place % 10}", "-") if several else looks[label]
            label = f"{label} ({profile.ratios.size} of {profile.questions})"
            _draw_profile(axis, profile, end, colour=colour, style=style, label=label)
        _decorate(axis, title, end)
        # Below the axes, where it hides no line.
        axis.legend(fontsize=_SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    return figure


def _within(who: Contestant) -> str:
    """What tells a contestant from others of its solver."""
    return f"{who.formulation} {who.settings}".strip()


def _looks(everybody: Sequence[Contestant]) -> dict[str, tuple[str, str]]:
    """Colour and style by name: a formulation has a colour, and each of its settings a style."""
    formulations = list(dict.fromkeys(who.formulation for who in everybody))
    looks: dict[str, tuple[str, str]] = {}
    used = Counter[str]()
    for label, who in {_within(who): who for who in everybody}.items():
        colour = f"C{formulations.index(who.formulation) % 10}"
        looks[label] = colour, _STYLES[used[colour] % len(_STYLES)]
        used[colour] += 1
    return looks


def _panels(entries: Sequence[Entry], clock: str) -> dict[str, list[Profile]]:
    """Profiles by title, also of contestants that solved nothing; none where nobody did."""
    solvers = list(dict.fromkeys(entry.cell["solver"] for entry in entries))
    panels = {
        f"on {solver}": profiles([e for e in entries if e.cell["solver"] == solver], clock)
        for solver in solvers
    }
    if len(solvers) > 1:
        groups = contestants(entries)
        best = [_best(summarise(entries, clock), solver) for solver in solvers]
        chosen = [entry for who in best for entry in groups[who]]
        panels["the best on each solver"] = profiles(chosen, clock)
    solved = any(profile.ratios.size for lines in panels.values() for profile in lines)
    return panels if solved else {}


def _best(lines: Sequence[Line], solver: str) -> Contestant:
    """The contestant of a solver that solves most, and of these the fastest."""
    mine = [line for line in lines if line.contestant.solver == solver]
    key = [(-line.solved, line.mean_seconds or 0.0) for line in mine]
    return mine[key.index(min(key))].contestant


def _draw_profile(
    axis: Axes, profile: Profile, end: float, *, colour: str, style: str, label: str
) -> None:
    """The step function rho of one contestant up to a factor."""
    factors = np.concatenate([[1.0], profile.ratios, [end]])
    shares = [profile.share(factor) for factor in factors]
    axis.step(
        factors, shares, where="post", color=colour, linestyle=style, label=label, linewidth=1.4
    )


def _decorate(axis: Axes, title: str, end: float) -> None:
    axis.set_xscale("log")
    axis.set_xlim(1.0, end)
    # A line at 0 or 1 stays in sight.
    axis.set_ylim(-0.02, 1.02)
    axis.set_title(title, fontsize=_LARGE)
    axis.set_xlabel("time over the fastest", fontsize=_LARGE)
    axis.set_ylabel("share of questions solved", fontsize=_LARGE)
    axis.grid(alpha=0.3)
    axis.tick_params(which="both", labelsize=_SMALL)


def _draw_gaps(figure_class: type[Figure], entries: Sequence[Entry]) -> Figure | None:
    """Root gap closed, a box a formulation, all questions as points."""
    shares = _shares(entries)
    if not shares:
        return None
    figure = figure_class(figsize=(_WIDTH, 1.6 + 0.4 * len(shares)), layout="constrained")
    axis: Any = figure.subplots()
    values = [100.0 * np.array(points) for points in shares.values()]
    heights = np.arange(len(shares), 0, -1)
    axis.boxplot(values, positions=heights, orientation="horizontal", widths=0.6, showfliers=False)
    generator = np.random.default_rng(0)
    for height, points in zip(heights, values, strict=True):
        spread = height + generator.uniform(-0.18, 0.18, size=points.size)
        axis.plot(points, spread, "o", markersize=3, alpha=0.5, color="C0")
    axis.set_yticks(heights, list(shares))
    axis.axvline(0.0, color="grey", linewidth=0.8)
    axis.set_xlabel(f"percent of the root gap of {BASELINE} closed", fontsize=_LARGE)
    axis.tick_params(labelsize=_SMALL)
    axis.grid(alpha=0.3, axis="x")
    return figure


def _shares(entries: Sequence[Entry]) -> Mapping[str, list[float]]:
    """Shares of the gap by formulation, with the bounds where there are several methods."""
    closed = gaps_closed(entries)
    several = len({method for _, method in closed}) > 1
    return {
        f"{name}, {method}" if several else name: list(points.values())
        for (name, method), points in closed.items()
        if name != BASELINE
    }
