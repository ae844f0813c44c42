"""`leo-opt info`."""

from __future__ import annotations

import click

from leo_opt.cli.files import FileCommand, InputFile


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
def info(network_file: str) -> None:
    """Show layers, widths and parameters of NETWORK, and where it comes from."""
    from leo_opt import formats
    from leo_opt.report import network_table, provenance_table, show

    network = formats.load(network_file)
    told = formats.load_provenance(network_file)
    show([network_table(network), *([provenance_table(network, told)] if told else [])])
