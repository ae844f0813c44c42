"""`leo-opt demo`."""

from __future__ import annotations

import click


@click.command()
@click.option("-o", "--output", type=click.Path(), help="Keep the smaller network here.")
def demo(output: str | None) -> None:
    """Compress an MNIST network that ships with the package, and check the result."""
    from leo_opt.demo import run_demo

    run_demo(output)
