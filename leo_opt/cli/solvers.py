"""`leo-opt solvers`."""

from __future__ import annotations

import click


@click.command()
@click.option("--probe", is_flag=True, help="Start each solver to find out its licence.")
def solvers(probe: bool) -> None:
    """Show which solvers are installed, their licences and features."""
    from leo_opt.console import show
    from leo_opt.report.tables import solver_table
    from leo_opt.solvers import survey

    show([solver_table(survey(probe=probe))])
