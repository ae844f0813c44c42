"""`leo-opt demo`."""

from __future__ import annotations

import click

from leo_opt.cli.files import FileCommand, OutputFile, network_suffixes


@click.command(cls=FileCommand)
@click.option(
    "-o", "--output", type=OutputFile(network_suffixes), help="Keep the smaller network here."
)
def demo(output: str | None) -> None:
    """Compress an MNIST network that ships with the package, and check the result."""
    from leo_opt.demo import run_demo

    run_demo(output)
