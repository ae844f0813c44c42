"""`leo-opt compress`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import (
    FileCommand,
    InputFile,
    OutputFile,
    network_output,
    repeated,
    report_output,
    stored_dtype,
)
from leo_opt.cli.options import CLOCK, domain_options, load_network, read_domain, run_classification

if TYPE_CHECKING:
    from leo_opt.compression import Compression
    from leo_opt.graphs import GraphCompression
    from leo_opt.network import Network
    from leo_opt.report.compression_run import CompressionRun

_SAMPLES = 64
"""Inputs at which the file that was written is compared with the one that was read."""

_CHAIN_ONLY = {
    "--dtype": ("dtype", None),
    "--keep-outputs": ("keep_outputs", None),
    "--minimize": ("minimize", "units"),
    "--tolerance": ("tolerance", 0.0),
    "--stability-out": ("stability_file", None),
}
"""Options that a graph does not have: names and defaults of their values."""


def _read_outputs(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Numbers with commas between them."""
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 0,3") from None


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@network_output
@domain_options
@click.option(
    "--form",
    type=click.Choice(["auto", "graph", "chain"]),
    default="auto",
    show_default=True,
    help="graph: the file's own operators, with fewer channels; chain: a sequential network of "
    "Gemm and Relu alone, which any verifier reads; auto: graph for ONNX files with convolutions, "
    "chain for layers of rectifiers alone, else a chain that carries values past layers.",
)
@click.option(
    "--keep-outputs",
    metavar="0,3,...",
    callback=_read_outputs,
    help="Numbers of the outputs that the smaller network has; by default all.",
)
@click.option(
    "--minimize",
    type=click.Choice(["units", "parameters", "multiply-adds", "nonzeros"]),
    default="units",
    show_default=True,
    help="What shall be fewest.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0.0),
    default=0.0,
    metavar="EPS",
    help="Not lossless: outputs may differ by as much as this on the box, proved.",
)
@click.option("--drop-tail", is_flag=True, help="Leave off what follows the network in its file.")
@stored_dtype
@report_output
@click.option(
    "--stability-out",
    "stability_file",
    type=OutputFile(),
    help="Write what is known of the units of the smaller network, for `classify --stability`.",
)
def compress(
    network_file: str,
    output: str,
    form: str,
    keep_outputs: tuple[int, ...] | None,
    minimize: str,
    tolerance: float,
    drop_tail: bool,
    dtype: str | None,
    report_file: str | None,
    stability_file: str | None,
    **options: Any,
) -> None:
    """Rewrite NETWORK into a smaller one with the same outputs on a box."""
    from leo_opt import formats
    from leo_opt.api import becomes_sequential, choose_form
    from leo_opt.compression import compress as rewrite
    from leo_opt.compression import read_options
    from leo_opt.console import show
    from leo_opt.graphs import compress_graph
    from leo_opt.report.compression_run import measure
    from leo_opt.report.tables import compression_table, stability_table

    context = click.get_current_context()
    asked = [
        option for option, (name, default) in _CHAIN_ONLY.items() if context.params[name] != default
    ]
    form = choose_form(form, network_file, asked, output, "--form {}")
    network = load_network(network_file, options)
    if drop_tail:
        network = replace(network, signature=replace(network.signature, tails=()))
    # Refuses what makes no sense, or what the output cannot hold, before anything is decided.
    read_options(network, keep_outputs, minimize, tolerance)
    sequential = formats.is_sequential(network, output)
    stability = run_classification(network, read_domain(network, options), options)
    smaller: Compression | GraphCompression
    if form == "graph":
        tensor = options["output_tensor"]
        smaller = compress_graph(
            network_file, stability, network=network, output_tensor=tensor, drop_tail=drop_tail
        )
    else:
        smaller = rewrite(
            network,
            stability,
            sequential=sequential or becomes_sequential(form, network_file, network),
            keep_outputs=keep_outputs,
            minimize=minimize,
            tolerance=tolerance,
        )
    dtype = dtype or formats.default_dtype(network, output)
    run = measure(network, stability, smaller, dtype, context.meta[CLOCK])
    run.save(output)
    lines = [stability_table(stability), "", compression_table(run), f"written: {output}"]
    lines += _beside(run, report_file, stability_file)
    if not (drop_tail or keep_outputs):
        lines += _compared(network_file, output, network, run)
    show(lines)


def _beside(
    run: CompressionRun, report_file: str | None, stability_file: str | None
) -> Iterator[str]:
    """Write what was asked for beside the network, and say so."""
    from leo_opt.compression import Compression
    from leo_opt.report.compression_page import write_report
    from leo_opt.report.compression_run import describe_compression
    from leo_opt.report.files import report_text
    from leo_opt.storage.files import write_atomically

    if report_file is not None:
        text = report_text(
            report_file, lambda: write_report(run, repeated()), lambda: describe_compression(run)
        )
        write_atomically(report_file, text.encode())
        yield f"written: {report_file}"
    if stability_file is not None and isinstance(run.compression, Compression):
        run.compression.carry(run.stored).save(stability_file)
        yield f"written: {stability_file}"


def _compared(source: str, target: str, network: Network, run: CompressionRun) -> list[str]:
    """What onnxruntime, where it is installed, says of the two files."""
    import numpy as np

    from leo_opt.formats.onnx.runtime import compare_files

    if not all(name.lower().endswith((".onnx", ".onnx.gz")) for name in (source, target)):
        return []
    points = run.stability.domain.sample(_SAMPLES, np.random.default_rng(0))
    room = run.deviation_written + run.inference_original + run.inference_compressed
    networks = (network, run.stored)
    off = compare_files(Path(source), Path(target), networks, points, room)
    return (
        []
        if off is None
        else [f"onnxruntime: the files differ by at most {off:.2g} at {_SAMPLES} inputs"]
    )
