"""`leo-opt reproduce`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from leo_opt.cli.files import FileCommand, InputFile


@click.command(cls=FileCommand)
@click.argument("name", metavar="TABLE", type=click.Choice(["table1", "isa"]))
@click.option(
    "--data",
    type=InputFile(),
    help=".npz file of MNIST: x_train, y_train, x_test, y_test. By default of torchvision.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="For networks and results. [default: TABLE, or TABLE-quick]",
)
@click.option("--seeds", type=click.IntRange(min=1), help="Networks a row. [default: 5; quick: 1]")
@click.option(
    "--variance",
    type=click.FloatRange(min=0.0),
    help="Of weights at the start, times inputs: 2 by default; PyTorch's layers have 1/3.",
)
@click.option("--quick", is_flag=True, help="On the digits of scikit-learn, for a first look.")
@click.option("--report-only", is_flag=True, help="Of networks that the folder holds; train none.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def reproduce(
    name: str,
    data: str | None,
    output: Path | None,
    seeds: int | None,
    variance: float | None,
    quick: bool,
    report_only: bool,
    quiet: bool,
) -> None:
    """Make the TABLE of a paper anew: train its networks, and compress each of them.

    table1 is of LEO (CPAIOR 2020), isa the MNIST part of the grid of ISA (NeurIPS 2021). In full
    they take hours. A killed run goes on where it stopped: what the folder holds is not done again.
    """
    from leo_opt.console import PlainConsole, show
    from leo_opt.errors import InvalidInputError
    from leo_opt.reproduction import EXPERIMENTS, QUICK, reproduce
    from leo_opt.training import download_mnist, load_digits, load_samples

    experiment = (QUICK if quick else EXPERIMENTS).get(name)
    if experiment is None or (quick and data is not None):
        raise InvalidInputError(
            f"--quick is of table1 on the digits of scikit-learn, and not of {data or name}; "
            "leave it out"
        )
    if variance is not None:
        setting = replace(experiment.setting, variance=variance)
        experiment = replace(experiment, setting=setting)
    folder = output or Path(f"{name}-quick" if quick else name)
    console = PlainConsole(stderr=True)
    if quick:
        samples = load_digits()
    else:
        samples = download_mnist(folder / "mnist") if data is None else load_samples(data)
    tell = (lambda _: None) if quiet else console.print
    seeds = seeds or (1 if quick else 5)
    results = reproduce(experiment, samples, folder, seeds, tell, train=not report_only)
    table = results.table(experiment)
    show([experiment.title, "", str(experiment.setting), "", table.renderable(), *table.remarks])
