"""`leo-opt classify`."""

from __future__ import annotations

from typing import Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import domain_options, load_network, read_domain, run_classification


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@domain_options
@click.option("--json", "json_file", type=OutputFile(), help="Write the stability file.")
def classify(network_file: str, json_file: str | None, **options: Any) -> None:
    """Decide for every unit of NETWORK whether it is stable on a box."""
    from leo_opt.console import show
    from leo_opt.report.tables import stability_table

    network = load_network(network_file, options)
    stability = run_classification(network, read_domain(network, options), options)
    written = []
    if json_file is not None:
        stability.save(json_file)
        written.append(f"written: {json_file}")
    show([stability_table(stability), *written])
