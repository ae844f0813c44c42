"""What a compression did, and what is proved of it, as a page to read and to hand on."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator

import numpy as np

from leo_opt.compression import Compression
from leo_opt.frameworks import note_on
from leo_opt.graphs import GraphCompression
from leo_opt.report import html
from leo_opt.report.compression_run import (
    CompressionRun,
    as_code,
    describe_compression,
    describe_domain,
    left_open,
    measured,
)
from leo_opt.report.drawing import to_html
from leo_opt.report.scenes import intervals, phases, picture_of
from leo_opt.stability import Phase
from leo_opt.tables import Table


def write_report(run: CompressionRun, command: str) -> str:
    """The page of one run.

    Parameters
    ----------
    command
        What repeats it, for a shell or in Python.
    """
    compression, stability = run.compression, run.stability
    units = [network.kinds.total() for network in (run.original, compression.network)]
    parts = [html.section("The network before and after", to_html(picture_of(compression)))]
    if isinstance(compression, GraphCompression):
        parts.append(html.section("Units", to_html(phases(stability))))
    return html.page(
        f"{units[0]} to {units[1]} hidden units",
        [
            html.figures(_numbers(run)),
            html.section("What is proved", html.paragraphs(meaning(run))),
            *parts,
            html.section(
                "Where units lie",
                html.paragraphs(
                    [
                        "What goes into each unit, for all inputs: a bar a unit, from its least to "
                        "its greatest value, as they are proved. A bar that does not cross the "
                        "line at zero belongs to a stable unit."
                    ]
                ),
                html.beside(to_html(intervals(stability)), _intervals(run).html()),
            ),
            html.section(
                "How it was found", html.beside(*(table.html("h3") for table in _work(run)))
            ),
            html.section("Settings", html.settings(_settings(run))),
            html.command(command),
        ],
    )


def write_page(compression: Compression | GraphCompression) -> str:
    """The page of a compression that was made from Python."""
    run = measured(compression)
    source = compression.source if isinstance(compression, Compression) else None
    model = repr(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else "network"
    return write_report(run, f"leo_opt.compress({model}, {as_code(compression.domain)})")


def _numbers(run: CompressionRun) -> Iterator[tuple[str, str]]:
    """What everybody looks for."""
    units = [network.kinds.total() for network in (run.original, run.compression.network)]
    for what, (before, after) in (("hidden units", units), ("parameters", run.parameters)):
        yield what, f"{before:,} → {after:,}"
    yield "hidden units removed", f"{run.percent:.1f} %"
    yield "outputs move at most, file to file", f"{run.deviation_written:.2g}"
    yield "seconds", f"{run.seconds:.1f}"


def meaning(run: CompressionRun) -> list[str]:
    """What is proved, in words of somebody who uses the network."""
    source = run.compression.source if isinstance(run.compression, Compression) else None
    where = f"for every input ({describe_domain(run.stability.domain)})"
    removed = f"{run.percent:.1f} % of the hidden units are gone"
    proved = "That is proved for all of them, not measured on samples."
    if run.spent:
        first = f"Not lossless: {removed}, and {where} no output moves by more than"
        first += f" {run.deviation:.3g}, which a tolerance allowed."
    elif run.deviation == 0.0:
        first = f"Lossless: {removed}, and {where} both networks give exactly the same outputs in"
        first += f" real arithmetic. {proved}"
    else:
        first = f"Lossless up to rounding: {removed}, and {where} no output moves by more than"
        first += f" {run.deviation:.3g} in real arithmetic, since new weights are rounded to"
        first += f" floats. {proved}"
    return [
        first,
        f"From the file that was read to the one that is written, with weights in {run.dtype}, "
        f"outputs differ by at most {run.deviation_written:.3g} in real arithmetic.",
        *_rounding(run),
        *_open(run),
        *filter(None, [note_on(source)]),
        "Outside these inputs nothing is said.",
    ]


def _rounding(run: CompressionRun) -> list[str]:
    """What a program that computes in floats adds, and what may then be relied on."""
    roundings = run.inference_original, run.inference_compressed
    apart = run.deviation_written + sum(roundings)
    if not math.isfinite(apart):
        return []
    order = (
        f"two outputs of the original more than {2.0 * apart:.3g} apart stay in their order, and a "
        "class that leads by more stays the class"
        if run.compression.network.output_size > 1
        else f"an output of the original more than {apart:.3g} from a threshold stays on its side"
    )
    return [
        f"A program that computes in {run.dtype} rounds besides, whichever network it runs: by at "
        f"most {roundings[0]:.3g} with the original and {roundings[1]:.3g} with the smaller one, "
        f"in the worst case, and usually by far less. With all of this counted, {order}."
    ]


def _open(run: CompressionRun) -> list[str]:
    """Units of which nothing is known."""
    stability = run.stability
    count = sum(phases.count(Phase.UNDECIDED) for phases in stability.phases)
    reasons = "; ".join(left_open(stability))
    told = f"{count} units are undecided and stay as they are" + (reasons and f" ({reasons})")
    return [f"{told}. More time may decide them."] if count else []


def _intervals(run: CompressionRun) -> Table:
    """Where the inputs of the units of each layer lie."""
    bounds = run.stability.trusted
    headings = ("layer", "units", "least", "greatest", "median width", "zero inside")
    rows: list[list[object]] = []
    for index, (low, high) in enumerate(zip(bounds.lower, bounds.upper, strict=True)):
        inside = int(np.count_nonzero((low < 0.0) & (high > 0.0)))
        numbers = low.min(), high.max(), np.median(high - low)
        rows.append([index, low.size, *(f"{number:.4g}" for number in numbers), inside])
    return Table.of(headings, rows, "right")


def _work(run: CompressionRun) -> Iterator[Table]:
    """What settled the units, how long that took, what verdicts rest on, and what was done."""
    told, statistics = describe_compression(run), run.stability.statistics
    stages = dict.fromkeys((*statistics.stage_seconds, *statistics.settled))
    rows = [
        (name, statistics.settled.get(name, 0), f"{statistics.stage_seconds.get(name, 0.0):.2f}")
        for name in stages
    ]
    if rows:
        yield _titled("Stages", ("stage", "signs settled", "seconds"), rows)
    removed: Counter[str] = Counter()
    steps = run.compression.steps if isinstance(run.compression, Compression) else ()
    for step in steps:
        removed[step.rewrite] += len(step.removed)
    for heading, column, counted in (
        ("Evidence", "signs", Counter(told["evidence"])),
        ("Rewrites", "units removed", removed),
    ):
        if counted:
            yield _titled(heading, (heading.rstrip("s").lower(), column), counted.items())


def _titled(heading: str, columns: tuple[str, ...], rows: object) -> Table:
    table = Table.of(columns, rows)  # type: ignore[arg-type]
    return Table(table.columns, table.rows, heading)


def _settings(run: CompressionRun) -> Iterator[tuple[str, object]]:
    """How it was made."""
    told, smaller = describe_compression(run), run.compression.network
    for name in ("strategy", "solver", "formulation", "milps_solved", "lps_solved", "nodes"):
        yield name.replace("_", " "), told[name]
    yield "seconds for verdicts", f"{run.stability.statistics.seconds:.2f}"
    yield "seconds in all", f"{run.seconds:.2f}"
    yield "hash of the network", run.original.content_hash
    yield "hash of the result", smaller.content_hash
    yield f"hash as {run.dtype}", run.stored.content_hash
    yield "hash of the domain", run.stability.domain.content_hash
    for name, version in told["versions"].items():
        yield f"version of {name}", version
