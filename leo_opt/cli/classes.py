"""Options that ask whether a class can change: on the whole domain, or on balls around inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import InputFile
from leo_opt.domain import Box, Domain
from leo_opt.errors import InvalidInputError

if TYPE_CHECKING:
    from leo_opt.network import Network


def class_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--classes`, `--balls` and `--radius`, which `read_class_domains` reads."""
    for option in (
        click.option("--radius", type=float, metavar="R", help="Of the balls of --balls."),
        click.option(
            "--balls",
            "balls_file",
            type=InputFile(),
            help="Decide it, too, on a ball around each input of a .npz file.",
        ),
        click.option("--classes", is_flag=True, help="Decide whether a class can change."),
    ):
        command = option(command)
    return command


def read_class_domains(
    network: Network, options: Mapping[str, Any], domain: Domain | None
) -> list[Domain]:
    """Where it is asked whether a class can change; balls are cut off at the domain's box."""
    from leo_opt import formats

    path, radius = options["balls_file"], options["radius"]
    if (path is None) != (radius is None):
        raise InvalidInputError("balls need --balls FILE and --radius R; give both")
    if options["classes"] and domain is None:
        raise InvalidInputError("--classes is about a domain; give --box or --domain")
    whole: list[Domain] = [domain] if options["classes"] and domain is not None else []
    within = None if domain is None else domain.box
    if path is None:
        return whole
    points = network.batch(formats.load_points(path))
    return [*whole, *(Box.around(point, radius, within) for point in points)]
