"""All sizes between which a budget chooses, as a table, as CSV and as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from leo_opt.fitting import Frontier
from leo_opt.report.drawing import require_figures
from leo_opt.tables import Table, to_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def frontier_rows(frontier: Frontier[Any]) -> tuple[list[str], list[list[float]]]:
    """Headings and a row a size: its cost and error, and what each layer takes, as shares."""
    points = frontier.points
    layers = sorted(points[0].numbers)
    rows = [
        [point.cost, point.error, *(point.numbers[k] / points[0].numbers[k] for k in layers)]
        for point in points
    ]
    return ["cost", "error", *(f"layer {k}" for k in layers)], rows


def frontier_table(frontier: Frontier[Any]) -> RenderableType:
    """Shares of what is counted and of each layer, and the errors by which sizes were chosen."""
    headings, rows = frontier_rows(frontier)
    shown = [[f"{100.0 * value:.2f} %" for value in row] for row in rows]
    return Table.of(headings, shown, "right").renderable()


def draw_frontier(frontier: Frontier[Any]) -> Figure:
    """Error against cost.

    Raises
    ------
    SolverNotAvailableError
        If matplotlib is not installed.
    """
    figure_class = require_figures("leo-opt[plot]', or write .csv")
    figure = figure_class(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    costs, errors = zip(*((100.0 * p.cost, 100.0 * p.error) for p in frontier.points), strict=True)
    axes.plot(costs, errors, marker=".")
    what = "numbers and indices" if frontier.search.budget.entry == 2 else "multiplications"
    axes.set(
        xlabel=f"{what}, % of the original's",
        ylabel="relative error of the outputs, %",
        title=f"sizes that {frontier.search.method.name} can have",
        xlim=(0.0, None),
        ylim=(0.0, None),
    )
    axes.grid(alpha=0.3)
    return figure


def frontier_file(frontier: Frontier[Any], path: str) -> bytes:
    """What a file of that name holds: a picture by its suffix, else CSV."""
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix in ("png", "svg", "pdf"):
        buffer = io.BytesIO()
        draw_frontier(frontier).savefig(buffer, format=suffix, dpi=110)
        return buffer.getvalue()
    return to_csv(*frontier_rows(frontier)).encode()
