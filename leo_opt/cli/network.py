"""`leo-opt info`."""

from __future__ import annotations

from typing import Any

import click

from leo_opt.cli.files import FileCommand, InputFile
from leo_opt.cli.options import network_options


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@network_options
def info(network_file: str, **options: Any) -> None:
    """Show layers, widths and parameters of NETWORK, and where it comes from."""
    from leo_opt import formats
    from leo_opt.console import show
    from leo_opt.report.tables import network_table, provenance_table

    network = formats.load(network_file, **options)
    told = formats.load_provenance(network_file)
    show([network_table(network), *([provenance_table(network, told)] if told else [])])
