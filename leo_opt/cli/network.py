"""`leo-opt info`."""

from __future__ import annotations

import click

from leo_opt.cli.files import FileCommand, InputFile


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
def info(network_file: str) -> None:
    """Show layers, widths and parameters of NETWORK."""
    from leo_opt import formats
    from leo_opt.report import network_table, show

    show([network_table(formats.load(network_file))])
