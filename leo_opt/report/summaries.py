"""`summary()` of every value that has one: one table of tables."""

from __future__ import annotations

import html
import io
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from leo_opt.approximation import Approximation
from leo_opt.bounds import Bounds
from leo_opt.compression import Compression
from leo_opt.console import PlainConsole
from leo_opt.difference import Difference
from leo_opt.fitting import Frontier
from leo_opt.frameworks import note_on
from leo_opt.graphs import GraphCompression
from leo_opt.network import Network
from leo_opt.report.approximation_run import approximation_table
from leo_opt.report.compression_run import measured
from leo_opt.report.drawing import to_html
from leo_opt.report.frontier import frontier_table
from leo_opt.report.scenes import PICTURES
from leo_opt.report.tables import compression_table, network_table, stability_table
from leo_opt.stability import Stability
from leo_opt.tables import Table
from leo_opt.verification import Verdict

_SHOWN = 10
"""Most numbers of a witness on the screen."""


def as_text(value: Any) -> str:
    """The table of a value, whose class is one of `TABLES`, without colours."""
    stream = io.StringIO()
    console = PlainConsole(file=stream)
    console.print(TABLES[type(value)](value))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def as_html(value: Any) -> str:
    """The same, to stand in a page, with the picture where there is one."""
    picture = to_html(PICTURES[type(value)](value)) if type(value) in PICTURES else ""
    return f"<pre>{html.escape(as_text(value))}</pre>{picture}"


def _bounds_table(bounds: Bounds) -> RenderableType:
    """How wide the intervals of each layer are, and on which side of zero."""
    headings = ("layer", "units", "above zero", "below zero", "around zero", "narrowest", "widest")
    rows: list[list[object]] = []
    for layer, (low, high) in enumerate(zip(bounds.lower, bounds.upper, strict=True)):
        below = high <= 0.0
        above = (low >= 0.0) & ~below
        counts = [layer, low.size, above.sum(), below.sum(), (~above & ~below).sum()]
        width = high - low
        rows.append([*counts, f"{width.min():.3g}", f"{width.max():.3g}"])
    return Group(Table.of(headings, rows, "right").renderable(), Text(f"on {bounds.domain!r}"))


def _stability_table(stability: Stability) -> RenderableType:
    """Phases and evidence, and where they hold."""
    return Group(stability_table(stability), Text(f"on {stability.domain!r}"))


def _compression_table(compression: Compression) -> RenderableType:
    """What the command line tells, where it holds, and what was done."""
    steps = Counter(step.rewrite for step in compression.steps)
    done = ", ".join(f"{name} {count}" for name, count in steps.items())
    notes = f"steps: {done or 'none'}", note_on(compression.source)
    return Group(_rewriting_table(compression), *map(Text, filter(None, notes)))


def _rewriting_table(compression: Compression | GraphCompression) -> RenderableType:
    """What the command line tells, and where it holds."""
    return Group(compression_table(measured(compression)), Text(f"on {compression.domain!r}"))


def difference_table(apart: Difference) -> RenderableType:
    """What is proved of each output, and what was found."""
    headings = ("output", "proved", "by two intervals", "found")
    columns = [[f"{v:.3g}" for v in side] for side in (apart.bound, apart.separate, apart.found)]
    rows = [[k, *row] for k, row in enumerate(zip(*columns, strict=True))]
    return Group(Table.of(headings, rows, "right").renderable(), Text(f"on {apart.domain!r}"))


def _verdict_table(verdict: Verdict) -> RenderableType:
    """The answer, what it rests on, and the witness."""
    lines = [str(verdict.answer)]
    if verdict.inputs is not None and verdict.outputs is not None:
        lines.append(f"case {verdict.case} occurs: the network confirms the witness")
        lines.append(f"inputs:  {_shorten(verdict.inputs.tolist())}")
        lines.append(f"outputs: {_shorten(verdict.outputs.tolist())}")
        if verdict.exact_inputs is not None:
            lines.append("no float64 point will do: the witness is rational, see --json")
    elif verdict.premises:
        lines += [f"if this is believed: {premise}" for premise in verdict.premises]
    elif verdict.certified:
        lines.append("certified: rests on arithmetic alone")
    lines += [f"unknown: {reason}" for reason in verdict.reasons]
    counted: dict[str, int] = {}
    for case in verdict.cases:
        if case.method:
            counted[case.method] = counted.get(case.method, 0) + 1
    lines.append(
        f"{len(verdict.cases)} cases"
        + "".join(f", {count} by {method}" for method, count in sorted(counted.items()))
    )
    lines.append(
        f"{verdict.pieces} pieces, {verdict.lps} LPs, {verdict.milps} MILPs, "
        f"{verdict.nodes} nodes, {verdict.seconds:.2f} seconds"
    )
    return Group(*map(Text, lines))


def _shorten(values: list[float]) -> str:
    """Some numbers, the first of them where they are many."""
    shown = ", ".join(f"{value:.6g}" for value in values[:_SHOWN])
    more = f", ... {len(values)} in all: inputs, or --witness" if len(values) > _SHOWN else ""
    return shown + more


TABLES: Mapping[type, Callable[[Any], RenderableType]] = MappingProxyType(
    {
        Approximation: approximation_table,
        Bounds: _bounds_table,
        Compression: _compression_table,
        Difference: difference_table,
        Frontier: frontier_table,
        GraphCompression: _rewriting_table,
        Network: network_table,
        Stability: _stability_table,
        Verdict: _verdict_table,
    }
)
"""How each value is told, by its class."""
