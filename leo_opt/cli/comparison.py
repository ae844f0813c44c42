"""`leo-opt bench`."""

from __future__ import annotations

import sys

import click

from leo_opt.cli.files import FileCommand, InputFile

_CLASH = 1
_PLAN = """
\b
Every combination of a plan's tables is run; the documentation, under Comparison, has all keys:
  time_limit = 20    # seconds for a cell
  [[networks]]
  path = "net.onnx"  # relative to the plan
  [[domains]]
  name = "all images"
  box = [0, 1]
  [[questions]]
  kind = "outputs"   # or "directions": open signs of hidden units
  [[formulations]]
  name = "big-m"
  [[solvers]]
  name = "highs"
"""


@click.command(cls=FileCommand, epilog=_PLAN)
@click.argument("plan_file", metavar="PLAN", required=False, type=InputFile())
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Folder for the results.",
)
@click.option(
    "--report-only",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write tables and plots of a folder anew; runs nothing.",
)
@click.option("--workers", type=int, default=1, show_default=True, help="Cells side by side.")
@click.option("--retry", is_flag=True, help="Run again what was refused or failed.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="Times in tables and profiles; cpu is fairer on a busy machine.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def bench(
    plan_file: str | None,
    output: str | None,
    report_only: str | None,
    workers: int,
    retry: bool,
    clock: str,
    quiet: bool,
) -> None:
    """Compare formulations and solvers on networks, as the TOML file PLAN says.

    A killed run goes on where it stopped: cells that the folder holds are not run again. The exit
    code is 1 if two answers contradict each other.
    """
    from leo_opt.comparison import (
        check_folder,
        read_plan,
        read_results,
        run_plan,
        show_progress,
        write_report,
    )
    from leo_opt.errors import InvalidInputError

    if (report_only is None) == (plan_file is None):
        raise InvalidInputError("give either a PLAN with -o FOLDER, or --report-only FOLDER")
    folder = report_only or output
    if folder is None:
        raise InvalidInputError("give the folder for the results: -o FOLDER")
    check_folder(folder)
    if plan_file is None:
        results = read_results(folder)
    else:
        plan = read_plan(plan_file)
        try:
            with show_progress(quiet) as progress:
                results = run_plan(plan, folder, workers=workers, retry=retry, progress=progress)
        except KeyboardInterrupt:
            click.echo(f"Finished cells are in {folder}; the same command goes on.", err=True)
            raise
    report = write_report(results, folder, clock)
    click.echo(report.text)
    if report.clashes:
        sys.exit(_CLASH)
