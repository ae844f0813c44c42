"""`leo-opt info`."""

from __future__ import annotations

import click


@click.command()
@click.argument("network_file", metavar="NETWORK", type=click.Path())
def info(network_file: str) -> None:
    """Show layers, widths and parameters of NETWORK."""
    from leo_opt import formats
    from leo_opt.report import network_table, show

    show([network_table(formats.load(network_file))])
