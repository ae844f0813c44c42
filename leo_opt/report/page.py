"""What a compression did, and what is proved of it, as a page to read and to hand on."""

from __future__ import annotations

import time
from collections import Counter
from html import escape

import numpy as np

from leo_opt.compression import Compression
from leo_opt.report.compression_run import CompressionRun, describe_compression, measure
from leo_opt.report.html import page
from leo_opt.report.picture import draw, strips
from leo_opt.storage.files import AnyPath, check_writable, write_atomically
from leo_opt.tables import Table


def write_report(run: CompressionRun, command: str) -> str:
    """The page of one run.

    Parameters
    ----------
    command
        What repeats it, for a shell or in Python.
    """
    told = describe_compression(run)
    units = [network.kinds.total() for network in (run.original, run.compression.network)]
    title = f"{units[0]} to {units[1]} hidden units"
    parts = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in meaning(run)),
        *(
            ["<h2>The network</h2>", draw(strips(run.compression))]
            if isinstance(run.compression, Compression)
            else [_parts(told).html()]
        ),
        *(table.html() for table in (_intervals(run), *_work(run), _settings(told, run))),
        f"<h2>To repeat it</h2><pre>{escape(command)}</pre>",
    ]
    return page(title, parts)


def save(compression: Compression, path: AnyPath) -> None:
    """Write the page of a compression that was made from Python.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    check_writable(path)
    stability, original = compression.stability, compression.original
    start = time.monotonic() - stability.statistics.seconds
    run = measure(original, stability, compression, original.signature.dtype, start)
    command = f"leo_opt.compress(network, {stability.domain!r})"
    write_atomically(path, write_report(run, command).encode())


def meaning(run: CompressionRun) -> list[str]:
    """What is proved, in words of somebody who uses the network."""
    where = f"for every input in {run.stability.domain!r}"
    removed = f"{run.percent:.1f} % of the hidden units are gone"
    if run.spent:
        first = f"Not lossless: {removed}, and {where} no output moves by more than"
        first += f" {run.deviation:.3g}, which a tolerance allowed."
    elif run.deviation == 0.0:
        first = f"Lossless: {removed}, and {where} both networks give exactly the same outputs in"
        first += " real arithmetic. That is proved for all of them, not measured on samples."
    else:
        first = f"Lossless up to rounding: {removed}, and {where} no output moves by more than"
        first += f" {run.deviation:.3g} in real arithmetic, since new weights are rounded to"
        first += " floats. That is proved for all of them, not measured on samples."
    roundings = run.inference_original, run.inference_compressed
    apart = 2.0 * (run.deviation_written + sum(roundings))
    return [
        first,
        f"Read from one file and written to the other as {run.dtype}, the outputs differ by at most"
        f" {run.deviation_written:.3g}. A program that computes in {run.dtype} rounds besides, by"
        f" at most {max(roundings):.3g} with either network. So two outputs of the original more"
        f" than {apart:.3g} apart stay in their order, and a class that leads by more stays.",
        "Outside these inputs nothing is said.",
    ]


def _parts(told: dict[str, list[dict[str, object]]]) -> Table:
    """What is left of the matrices of a graph."""
    rows = [list(part.values()) for part in told.get("parts", [])]
    return _titled("The graph", Table.of(("matrix", "before", "after"), rows))


def _intervals(run: CompressionRun) -> Table:
    """Where the inputs of the units of each layer lie."""
    stability = run.stability
    headings = ("layer", "units", "least", "greatest", "median width", "zero inside")
    rows: list[list[object]] = []
    for index, (low, high) in enumerate(
        zip(stability.trusted.lower, stability.trusted.upper, strict=True)
    ):
        inside = int(np.count_nonzero((low < 0.0) & (high > 0.0)))
        numbers = low.min(), high.max(), np.median(high - low)
        rows.append([index, low.size, *(f"{number:.4g}" for number in numbers), inside])
    return _titled("Intervals of pre-activations", Table.of(headings, rows))


def _work(run: CompressionRun) -> list[Table]:
    """What verdicts rest on, what settled them, and what was done with them."""
    told, statistics = describe_compression(run), run.stability.statistics
    tables = [("Evidence", ("evidence", "signs"), Counter(told["evidence"]))]
    tables.append(("Stages", ("stage", "signs settled"), Counter(statistics.settled)))
    if isinstance(run.compression, Compression):
        removed: Counter[str] = Counter()
        for step in run.compression.steps:
            removed[step.rewrite] += len(step.removed)
        tables.append(("Rewrites", ("rewrite", "units removed"), removed))
    return [
        _titled(heading, Table.of(columns, counted.items()))
        for heading, columns, counted in tables
        if counted
    ]


def _settings(told: dict[str, object], run: CompressionRun) -> Table:
    """How it was made."""
    names = ("strategy", "solver", "formulation", "milps_solved", "lps_solved", "nodes")
    rows: list[tuple[object, object]] = [(name.replace("_", " "), told[name]) for name in names]
    rows += [
        ("seconds for verdicts", f"{run.stability.statistics.seconds:.2f}"),
        ("seconds in all", f"{run.seconds:.2f}"),
        ("parameters", " to ".join(map(str, run.parameters))),
        ("hash of the network", run.original.content_hash),
        ("hash of the result", run.compression.network.content_hash),
        (f"hash as {run.dtype}", run.stored.content_hash),
        ("hash of the domain", run.stability.domain.content_hash),
    ]
    versions = told["versions"]
    assert isinstance(versions, dict)
    rows += [(f"version of {name}", version) for name, version in versions.items()]
    return _titled("Settings", Table.of(("what", "value"), rows))


def _titled(heading: str, table: Table) -> Table:
    return Table(table.columns, table.rows, heading)
