"""Results as CSV and as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType

from leo_opt.comparison.agreement import find_clashes, withdraw
from leo_opt.comparison.measurement import Measurement
from leo_opt.comparison.record import Entry, Results
from leo_opt.comparison.summary import (
    BASELINE,
    SHIFT,
    GapLine,
    Line,
    is_solved,
    summarise,
    summarise_gaps,
)
from leo_opt.storage import codec
from leo_opt.tables import Table, to_csv

_CELL_FIELDS = (
    "network", "domain", "layer", "unit", "sign", "bounds", "formulation", "solver", "seed",
    "time_limit", "node_limit", "stop", "network_hash", "domain_hash",
)  # fmt: skip
_SOLVER_VERSION = "solver_version"

_HEADINGS: Mapping[str, str] = MappingProxyType({"solver": _SOLVER_VERSION})
"""Columns of a measurement whose name a column of the cell has already."""


_CLOCK_WORDS: Mapping[str, str] = MappingProxyType(
    {"wall": "wall clock", "cpu": "time of the processor"}
)


def write_csv(results: Results) -> str:
    """One row a cell with everything that is known of it."""
    measured = [field.name for field in fields(Measurement)]
    headings = [_HEADINGS.get(name, name) for name in measured]
    rows = []
    for entry in withdraw(results.entries):
        found = codec.to_tree(entry.measurement)
        cell = [entry.cell[name] for name in _CELL_FIELDS]
        values = [found[name] for name in measured]
        rows.append([*cell, is_solved(entry), *values, entry.environment, entry.key])
    return to_csv([*_CELL_FIELDS, "solved", *headings, "environment", "key"], rows)


def make_tables(results: Results, clock: str = "wall") -> list[Table]:
    """The tables of a comparison, in the order in which they are shown."""
    entries = withdraw(results.entries)
    lines = summarise(entries, clock)
    tables = [_side_by_side(lines, clock), _gaps(summarise_gaps(entries)), _times(lines, clock)]
    tables += [_sizes(entries), _refusals(entries), _environments(results)]
    if all(entry.cell["formulation"] == BASELINE for entry in entries):
        del tables[1]  # The baseline alone closes no gap.
    return [table for table in tables if table.rows]


def _side_by_side(lines: Sequence[Line], clock: str) -> Table:
    """A row a formulation, a column a solver."""
    solvers = list(dict.fromkeys(line.contestant.solver for line in lines))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for line in lines:
        who, answered = line.contestant, line.solved + line.unsolved + line.wrong
        text = f"{number(line.mean_seconds)} ({line.solved} of {answered})" if answered else "-"
        rows.setdefault((who.formulation, who.settings), {})[who.solver] = text
    remarks = (
        f"Mean seconds ({_CLOCK_WORDS[clock]}), and how many of the answered questions are solved. "
        "A mean is over what the solver took: where it refused large models, the rest are smaller.",
    )
    return Table(
        ("formulation", *solvers),
        tuple(
            (" ".join(who).strip(), *(found.get(solver, "-") for solver in solvers))
            for who, found in rows.items()
        ),
        "Side by side",
        remarks,
    )


def _times(lines: Sequence[Line], clock: str) -> Table:
    several = any(line.contestant.settings for line in lines)
    columns = (
        *("formulation", "solver"), *(("settings",) if several else ()),
        "cells", "solved", "unsolved", "refused", "failed", "wrong", "fastest",
        "median s", "mean s", f"x {BASELINE}", "median nodes",
    )  # fmt: skip
    rows = []
    for line in sorted(lines, key=lambda line: (line.contestant.solver, line.contestant.settings)):
        who = line.contestant
        counts = (
            line.cells, line.solved, line.unsolved, line.refused, line.failed, line.wrong, line.wins
        )  # fmt: skip
        rows.append(
            (
                *(who.formulation, who.solver),
                *((who.settings,) if several else ()),
                *map(str, counts),
                number(line.median_seconds),
                number(line.mean_seconds),
                number(line.ratio),
                "-" if line.median_nodes is None else f"{line.median_nodes:g}",
            )
        )
    remarks = (
        f"Seconds ({_CLOCK_WORDS[clock]}) of answered cells, unsolved ones at their limit; the "
        f"mean is geometric, shifted by {SHIFT:g} s. `x {BASELINE}` is the geometric mean of the "
        f"ratio to `{BASELINE}` on the same solver and questions. `fastest` counts the questions "
        "on which no formulation on the same solver was faster.",
    )
    return Table(columns, tuple(rows), "Formulations and solvers", remarks)


def _gaps(lines: Sequence[GapLine]) -> Table:
    rows = [
        (
            f"{line.formulation}{' ' if line.settings else ''}{line.settings}",
            str(line.questions),
            *(
                f"{round(value, 1) + 0.0:.1f}"
                for value in (line.median, line.mean, line.least, line.most)
            ),
            f"{line.cut_rows:g}",
        )
        for line in lines
    ]
    remarks = (
        f"Percent of the root gap of `{BASELINE}` that the linear relaxation closes, after rounds "
        "of separation where the formulation separates; questions whose optimum is known.",
    )
    columns = ("formulation", "questions", "median", "mean", "least", "most", "rows separated")
    return Table(columns, tuple(rows), "Root gap closed", remarks)


def _sizes(entries: Iterable[Entry]) -> Table:
    """Smallest and largest models of each formulation."""
    sizes: dict[str, list[Measurement]] = {}
    for entry in entries:
        if entry.measurement.rows is not None:
            sizes.setdefault(entry.cell["formulation"], []).append(entry.measurement)
    names = ("binaries", "rows", "columns", "nonzeros")
    rows = []
    for formulation, found in sizes.items():
        spans = []
        for name in names:
            values = [int(getattr(one, name)) for one in found]
            least, most = min(values), max(values)
            spans.append(f"{least:,}" if least == most else f"{least:,} to {most:,}")
        build = sorted(one.build_seconds or 0.0 for one in found)
        rows.append((formulation, *spans, number(build[len(build) // 2])))
    columns = ("formulation", *names, "median build s")
    return Table(columns, tuple(rows), "Models", ("Before separation.",))


def _refusals(entries: Iterable[Entry]) -> Table:
    """What was refused, failed or was wrong; reasons that differ in numbers only are one line."""
    reasons: dict[tuple[str, ...], list[str]] = {}
    for entry in entries:
        found = entry.measurement
        if found.outcome != "answered":
            kind = re.sub(r"\d+", "0", found.reason)
            who = (entry.cell["formulation"], entry.cell["solver"], found.outcome, kind)
            reasons.setdefault(who, []).append(found.reason)
    rows = [
        (*who[:3], str(len(found)), found[0] + (" (for one)" if len(set(found)) > 1 else ""))
        for who, found in reasons.items()
    ]
    columns = ("formulation", "solver", "outcome", "cells", "reason")
    return Table(columns, tuple(rows), "Refused, failed, wrong")


def _environments(results: Results) -> Table:
    """Machines and versions, and how many cells each has."""
    used = Counter(entry.environment for entry in results.entries)
    rows = []
    for digest, count in used.items():
        values = results.environments.get(digest, {})
        versions = ", ".join(f"{k} {v}" for k, v in values.get("versions", {}).items())
        rows.append(
            (
                str(count),
                f"{values.get('cpu', 'unknown')}, {values.get('cores', '?')} cores",
                str(values.get("system", "unknown")),
                versions,
            )
        )
    remarks = (
        ("More than one line: times are not comparable across them.",) if len(rows) > 1 else ()
    )
    return Table(
        ("cells", "machine", "system", "versions"), tuple(rows), "Machine and versions", remarks
    )


def clash_lines(entries: Iterable[Entry]) -> list[str]:
    """Contradictions and disagreements in words, none if all is well."""
    return [str(clash) for clash in find_clashes(entries)]


def write_markdown(results: Results, clock: str = "wall") -> str:
    """All tables as one Markdown page."""
    clashes = clash_lines(results.entries)
    parts = ["# Comparison", verdict_line(results, clashes)]
    parts += [f"- **{line}**" for line in clashes]
    for table in make_tables(results, clock):
        parts += [f"## {table.heading}", *table.remarks, table.markdown()]
    return "\n\n".join(parts) + "\n"


def verdict_line(results: Results, clashes: Sequence[str]) -> str:
    """What the cross-check found, in one sentence."""
    answered = sum(entry.measurement.outcome == "answered" for entry in results.entries)
    if clashes:
        return f"**{answered} answered cells, contradictions and disagreements: {len(clashes)}.**"
    return (
        f"{len(results.entries)} cells, {answered} answered; no bound contradicts what the network "
        "reaches, and all optima of a question agree."
    )


def number(value: float | None) -> str:
    """Seconds and ratios with as many digits as mean something."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
