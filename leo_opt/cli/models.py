"""`leo-opt formulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import (
    KNOWN_FORMULATIONS,
    box_options,
    checked,
    load_network,
    memory_option,
    network_options,
    read_domain,
)

if TYPE_CHECKING:
    from leo_opt.bounds import Bounds
    from leo_opt.domain import Domain
    from leo_opt.network import Network
    from leo_opt.stability import Stability


def _check_method(name: str) -> str:
    from leo_opt.bounds import METHODS

    METHODS.find(name)
    return name


def _files(output: str) -> tuple[str, str]:
    """The model and its sidecar."""
    return output, str(Path(output).with_suffix(".json"))


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputFile(beside=lambda path: _files(path)[1:]),
    help="The model, .mps or .lp; a sidecar .json is written beside it.",
)
@box_options
@network_options
@click.option(
    "--formulation",
    default="big-m",
    show_default=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help=f"{KNOWN_FORMULATIONS}; partition:parts=4,split=equal-range has options.",
)
@click.option("--parts", type=int, help="Short for --formulation partition:parts=...")
@click.option("--split", help="Short for --formulation partition:split=...")
@click.option(
    "--objective", metavar="TEXT", help="'max output 3', 'min output 3 - output 5', 'max pre 1 17'."
)
@click.option(
    "--method",
    default="crown",
    show_default=True,
    callback=checked(_check_method),
    help="How bounds are found where none are given: interval, crown.",
)
@click.option(
    "--bounds", "bounds_file", type=InputFile(), help="Bounds from a .npz file of Bounds.save."
)
@click.option(
    "--stability",
    "stability_file",
    type=InputFile(),
    help="Bounds and phases from a file of `classify --json`.",
)
@click.option(
    "--certified-only", is_flag=True, help="Of a stability file, take what no solver is behind."
)
@click.option(
    "--no-centre", is_flag=True, help="Linear and stably active units are not held as deviations."
)
@memory_option
def formulate(
    network_file: str,
    output: str,
    formulation: str,
    objective: str | None,
    method: str,
    no_centre: bool,
    **options: Any,
) -> None:
    """Write NETWORK on a box as a mixed-integer program, MPS or LP."""
    from leo_opt.console import show
    from leo_opt.formulations import FORMULATIONS
    from leo_opt.model_files import check_output, export_network

    check_output(output)
    shorts = {key: options[key] for key in ("parts", "split") if options[key] is not None}
    chosen = FORMULATIONS.read(formulation, shorts)
    network = load_network(network_file, options)
    bounds, domain = _read_bounds(network, options)
    sidecar = export_network(
        network,
        domain,
        output,
        formulation=chosen,
        bounds=bounds,
        method=method,
        objective=objective,
        centred=not no_centre,
        memory=options["memory"],
    )
    size = sidecar.about["size"]
    asked = "no objective" if sidecar.objective is None else sidecar.objective["name"]
    show(
        [
            f"{network_file}: {network!r}",
            f"{chosen.name}: {size['rows']} rows, {size['columns']} columns, "
            f"{size['binaries']} binaries, {size['nonzeros']} nonzeros; {asked}",
            *(f"needs a solver with {need}" for need in sidecar.about["needs"]),
            *(f"written: {path}" for path in _files(output)),
        ]
    )


def _read_bounds(
    network: Network, options: dict[str, Any]
) -> tuple[Bounds | Stability | None, Domain | None]:
    """The bounds that the options name, and the domain; one of them may be missing."""
    from leo_opt.bounds import Bounds
    from leo_opt.errors import InvalidInputError
    from leo_opt.stability import Stability

    if options["bounds_file"] is not None and options["stability_file"] is not None:
        raise InvalidInputError("--bounds and --stability are both given; give one of them")
    if options["certified_only"] and options["stability_file"] is None:
        raise InvalidInputError("--certified-only is about a --stability file; give one")
    bounds: Bounds | Stability | None = None
    if options["bounds_file"] is not None:
        bounds = Bounds.load(options["bounds_file"])
    if options["stability_file"] is not None:
        stability = Stability.load(options["stability_file"], network)
        bounds = stability.certified if options["certified_only"] else stability
    if bounds is not None and options["box"] is None and options["domain_file"] is None:
        return bounds, None
    return bounds, read_domain(network, options)
