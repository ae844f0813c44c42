"""`leo-opt compress`."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile, network_suffixes
from leo_opt.cli.options import domain_options, read_domain, run_classification


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
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of the written weights.")
@click.option("--report", "report_file", type=OutputFile(), help="Write all figures as JSON.")
def compress(
    network_file: str,
    output: str,
    dtype: str | None,
    report_file: str | None,
    **options: Any,
) -> None:
    """Rewrite NETWORK into a smaller one with the same outputs on a box."""
    from leo_opt import formats
    from leo_opt.compression import compress as rewrite
    from leo_opt.report import (
        compression_table,
        describe_compression,
        measure,
        provenance,
        show,
        stability_table,
    )
    from leo_opt.storage.files import write_atomically

    start = time.monotonic()
    network = formats.load(network_file)
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
    if report_file is not None:
        text = json.dumps(describe_compression(run), indent=2) + "\n"
        write_atomically(report_file, text.encode())
    show([stability_table(stability), "", compression_table(run), f"written: {output}"])
