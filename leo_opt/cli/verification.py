"""`leo-opt verify`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import (
    SELECTION,
    memory_option,
    network_options,
    solver_options,
    time_limit_option,
)
from leo_opt.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from leo_opt.verification import Progress

_EVERY = 2.0
"""Seconds between two lines of progress within a stage."""


def _witness_suffixes() -> Collection[str]:
    from leo_opt.verification import WITNESS_FORMATS

    return WITNESS_FORMATS


def _exact_files(path: str) -> tuple[str, ...]:
    """What may be written beside a witness."""
    from leo_opt.verification import exact_witness_file

    beside = exact_witness_file(path)
    return () if beside is None else (beside,)


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", required=False, type=InputFile())
@click.argument("property_files", metavar="PROPERTY...", nargs=-1, type=InputFile())
@click.option(
    "--instances",
    "list_file",
    type=InputFile(),
    help="CSV file with rows network,property,seconds instead; paths are relative to it.",
)
@click.option(
    "-o",
    "--output",
    "table_file",
    type=OutputFile(lambda: (".csv",)),
    help="Keep what is decided in this CSV file; a run that finds it goes on there.",
)
@click.option(
    "--witness",
    "witness_file",
    type=OutputFile(_witness_suffixes, _exact_files),
    help="Write it: .npz or .txt.",
)
@click.option(
    "--witnesses",
    "witness_folder",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write those of several properties into this folder.",
)
@click.option("--json", "json_file", type=OutputFile(), help="Write the verdict, all of it.")
@network_options
@solver_options
@time_limit_option("For each property, reading files included.")
@click.option("--node-limit", type=int, metavar="NODES", help="For one MILP.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes to use.")
@memory_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(
    network_file: str | None,
    property_files: tuple[str, ...],
    list_file: str | None,
    table_file: str | None,
    witness_file: str | None,
    witness_folder: str | None,
    json_file: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Decide whether NETWORK has each VNN-LIB PROPERTY.

    A property file describes what must not happen. The exit code is 0 if the property holds, 1 if
    it is violated, with a witness that the network confirms, 3 if the answer is unknown, and 2 for
    bad input. Of several properties it is 1 if one is violated, else 2 if one cannot be read, else
    3 if one is unknown, else 0.
    """
    if (list_file is None) == (network_file is None or not property_files):
        raise InvalidInputError(
            "give either a NETWORK and one PROPERTY or more, or --instances FILE.csv"
        )
    narrate = None if quiet else _narrator()
    if list_file is None and len(property_files) == 1 and table_file is witness_folder is None:
        assert network_file is not None
        _verify_one(network_file, property_files[0], witness_file, json_file, narrate, options)
    if witness_file is not None or json_file is not None:
        raise InvalidInputError(
            "--witness and --json are for one property; give -o FILE.csv and --witnesses FOLDER"
        )
    from leo_opt.cli.instances import verify_each
    from leo_opt.verification.instances import Instance, read_instances

    if list_file is not None:
        instances = read_instances(list_file)
    else:
        limit = options["time_limit"]
        instances = [
            Instance(0, str(network_file), asked, None if limit is None else limit.seconds)
            for asked in property_files
        ]
    sys.exit(verify_each(instances, table_file, witness_folder, narrate, options))


def _verify_one(
    network_file: str,
    property_file: str,
    witness_file: str | None,
    json_file: str | None,
    narrate: Callable[[Progress], None] | None,
    options: dict[str, Any],
) -> NoReturn:
    """Decide one property, tell all about it, and leave with its exit code."""
    from leo_opt import formats
    from leo_opt.cli.instances import EXIT_CODES
    from leo_opt.console import show
    from leo_opt.verification import load_property, save_witness
    from leo_opt.verification import verify as decide

    network = formats.load(network_file, **{name: options.pop(name) for name in SELECTION})
    asked = load_property(property_file)
    verdict = decide(network, asked, progress=narrate, **options)
    written = []
    if witness_file is not None:
        written += [f"written: {name}" for name in save_witness(verdict, witness_file)]
    if json_file is not None:
        verdict.save(json_file)
        written.append(f"written: {json_file}")
    show([verdict.summary(), *written])
    sys.exit(EXIT_CODES[str(verdict.answer)])


def _narrator() -> Callable[[Progress], None]:
    """A callback that says on standard error where a verification stands, now and then."""
    last: dict[str, float] = {}

    def narrate(event: Progress) -> None:
        now = time.monotonic()
        if event.note and now - last.get(event.stage, now - _EVERY) < _EVERY:
            return
        last[event.stage] = now
        click.echo(str(event), err=True)

    return narrate
