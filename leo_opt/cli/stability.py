"""`leo-opt classify`."""

from __future__ import annotations

from typing import Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import domain_options, load_network, read_domain, run_classification


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@domain_options
@click.option(
    "--stability",
    "stability_file",
    type=InputFile(),
    help="Go on from this stability file of the same network, on the same box or a larger one.",
)
@click.option("--json", "json_file", type=OutputFile(), help="Write the stability file.")
def classify(
    network_file: str, stability_file: str | None, json_file: str | None, **options: Any
) -> None:
    """Decide for every unit of NETWORK whether it is stable on a box."""
    from leo_opt.console import show
    from leo_opt.report.tables import stability_table
    from leo_opt.stability import Stability

    network = load_network(network_file, options)
    known = None if stability_file is None else Stability.load(stability_file, network)
    stability = run_classification(network, read_domain(network, options), options, known)
    written = []
    if json_file is not None:
        stability.save(json_file)
        written.append(f"written: {json_file}")
    show([stability_table(stability), *written])
