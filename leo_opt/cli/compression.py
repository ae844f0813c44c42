"""`leo-opt compress`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile, network_suffixes
from leo_opt.cli.options import domain_options, load_network, read_domain, run_classification

if TYPE_CHECKING:
    from leo_opt.network import Network
    from leo_opt.report.compression_run import CompressionRun

_SAMPLES = 64
"""Inputs at which the file that was written is compared with the one that was read."""


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputFile(network_suffixes),
    help="The smaller network: .onnx, .onnx.gz, .nnet or .npz.",
)
@domain_options
@click.option("--drop-tail", is_flag=True, help="Leave off what follows the network in its file.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of the written weights.")
@click.option("--report", "report_file", type=OutputFile(), help="Write all figures as JSON.")
def compress(
    network_file: str,
    output: str,
    drop_tail: bool,
    dtype: str | None,
    report_file: str | None,
    **options: Any,
) -> None:
    """Rewrite NETWORK into a smaller one with the same outputs on a box."""
    from leo_opt import formats
    from leo_opt.compression import compress as rewrite
    from leo_opt.console import show
    from leo_opt.report.compression_run import describe_compression, measure, provenance
    from leo_opt.report.tables import compression_table, stability_table
    from leo_opt.storage.files import write_atomically

    start = time.monotonic()
    network = load_network(network_file, options)
    if drop_tail:
        network = replace(network, signature=replace(network.signature, tails=()))
    domain = read_domain(network, options)
    stability = run_classification(network, domain, options)
    run = measure(
        network,
        stability,
        rewrite(network, stability),
        dtype or formats.default_dtype(network, output),
        start,
    )
    formats.save(run.compression.network, output, dtype=run.dtype, provenance=provenance(run))
    written = [f"written: {output}"]
    if report_file is not None:
        text = json.dumps(describe_compression(run), indent=2) + "\n"
        write_atomically(report_file, text.encode())
        written.append(f"written: {report_file}")
    checked = [] if drop_tail else _compared(network_file, output, network, run)
    show([stability_table(stability), "", compression_table(run), *written, *checked])


def _compared(source: str, target: str, network: Network, run: CompressionRun) -> list[str]:
    """What onnxruntime, where it is installed, says of the two files."""
    import numpy as np

    from leo_opt.formats import written
    from leo_opt.formats.onnx.runtime import compare_files

    if not all(name.lower().endswith((".onnx", ".onnx.gz")) for name in (source, target)):
        return []
    points = run.stability.domain.sample(_SAMPLES, np.random.default_rng(0))
    room = run.deviation_written + run.inference_original + run.inference_compressed
    networks = (network, written(run.compression.network, run.dtype))
    off = compare_files(Path(source), Path(target), networks, points, room)
    return (
        []
        if off is None
        else [f"onnxruntime: the files differ by at most {off:.2g} at {_SAMPLES} inputs"]
    )
