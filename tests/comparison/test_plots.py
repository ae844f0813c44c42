"""What plots show: everybody, up to where the data end, in letters that a narrow screen keeps."""

from __future__ import annotations

import numpy as np
import pytest
from comparison.small_plans import entry

from leo_opt.comparison import plots, summarise
from leo_opt.comparison.page import write_page
from leo_opt.comparison.record import Entry

figure_module = pytest.importorskip("matplotlib.figure", reason="plots need matplotlib")

NARROW = 390
"""Pixels of a narrow screen."""


def results() -> list[Entry]:
    """Two formulations on two solvers; the second of each solves nothing."""
    late = {"termination_condition": "maxTimeLimit", "final_bound": 1.5}
    return [
        one
        for unit in range(5)
        for solver in ("highs", "scip")
        for one in (
            entry(unit, solver=solver, seconds=1.0 + 7.0 * (solver == "scip")),
            entry(unit, "partition", solver, **late),
        )
    ]


def test_everybody_stays_in_the_plot_and_shares_are_those_of_the_table() -> None:
    entries = results()
    figure = plots._draw_profiles(figure_module.Figure, entries, "wall")
    lines = {line.contestant.formulation: line for line in summarise(entries)}
    assert len(figure.axes) == 3
    for axis in figure.axes[:2]:
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        assert labels == ["big-m (5 of 5)", "partition (0 of 5)"]
        for drawn, name in zip(axis.lines, ("big-m", "partition"), strict=True):
            share = lines[name].solved / lines[name].cells
            assert drawn.get_ydata()[-1] == pytest.approx(share)


def test_the_axis_ends_where_the_data_end() -> None:
    figure = plots._draw_profiles(figure_module.Figure, results(), "wall")
    ends = [axis.get_xlim()[1] for axis in figure.axes]
    assert ends[:2] == pytest.approx([2.1, 2.1])
    assert 8.0 <= ends[2] <= 9.0
    for axis in figure.axes:
        assert all(np.max(line.get_xdata()) <= axis.get_xlim()[1] for line in axis.lines)


def test_letters_are_large_enough_on_a_narrow_screen() -> None:
    figure = plots._draw_profiles(figure_module.Figure, results(), "wall")
    pixels = NARROW / figure.get_figwidth() / 72.0
    for axis in figure.axes:
        words = [axis.title, axis.xaxis.label, axis.yaxis.label]
        words += [*axis.get_xticklabels(), *axis.get_yticklabels(), *axis.get_legend().get_texts()]
        assert min(word.get_fontsize() for word in words) * pixels >= 9.0


def test_lines_of_a_panel_differ_and_its_legend_hides_none() -> None:
    """Also where one formulation takes part with several settings."""
    entries = results()
    for solver in ("highs", "scip"):
        entries += [
            entry(unit, name, solver, bounds="interval")
            for unit in range(5)
            for name in ("big-m", "partition")
        ]
    figure = plots._draw_profiles(figure_module.Figure, entries, "wall")
    figure.draw_without_rendering()
    for axis in figure.axes:
        looks = {(line.get_color(), line.get_linestyle()) for line in axis.lines}
        assert len(looks) == len(axis.lines)
        assert axis.get_legend().get_window_extent().y1 < axis.get_window_extent().y0
    assert [len(axis.lines) for axis in figure.axes] == [4, 4, 2]


def test_the_page_is_as_wide_as_the_screen() -> None:
    assert 'name="viewport" content="width=device-width' in write_page("fine", [], [], [], [], "")


def test_where_nobody_solved_anything_there_is_no_plot() -> None:
    nothing = [one for one in results() if one.cell["formulation"] == "partition"]
    assert plots._draw_profiles(figure_module.Figure, nothing, "wall") is None
