"""The command line: `leo-opt compress | classify | info | solvers | demo`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, NoReturn
from zipfile import BadZipFile

import click
import numpy as np

from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError, LeoOptError, SolverNotAvailableError
from leo_opt.network import FloatArray, Network

_BAD_INPUT = 2
_INTERRUPTED = 130


class _Commands(click.Group):
    """Turns every error that is raised on purpose into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LeoOptError as error:
            _fail(str(error))
        except MemoryError:
            _fail("out of memory; use a smaller network or close other programs")
        except KeyboardInterrupt:
            click.echo("Interrupted: nothing was written.", err=True)
            sys.exit(_INTERRUPTED)


def _fail(message: str) -> NoReturn:
    """Say what is wrong in one line and leave with exit code 2."""
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(_BAD_INPUT)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leo-opt", prog_name="leo-opt")
def main() -> None:
    """Lossless compression and stability verdicts for ReLU networks.

    A trained network and a box of inputs go in; every hidden unit is proved stably active, stably
    inactive or unstable on the box; a smaller network with the same outputs on the box comes out.
    """


def _domain_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where the network is looked at and how hard."""
    for option in reversed(
        (
            click.option(
                "--box",
                nargs=2,
                type=float,
                metavar="LOWER UPPER",
                help="All inputs between two numbers.",
            ),
            click.option(
                "--domain",
                "domain_file",
                type=click.Path(dir_okay=False),
                help="Box from a .npz file (lower, upper) or a VNN-LIB property.",
            ),
            click.option("--solver", default="highs", show_default=True, help="See `solvers`."),
            click.option("--formulation", default="big-m", show_default=True),
            click.option(
                "--strategy",
                default="cascade",
                show_default=True,
                help="cascade; per-unit (LEO) and joint (ISA) as published.",
            ),
            click.option(
                "--data",
                type=click.Path(dir_okay=False),
                help=".npz file with inputs to try as witnesses.",
            ),
            click.option(
                "--workers", type=int, default=1, show_default=True, help="Processes to use."
            ),
            click.option("--dask", metavar="ADDRESS", help="Dask scheduler to use instead."),
            click.option(
                "--checkpoint",
                type=click.Path(),
                help="Keep every finding in this file; a run that finds it goes on there.",
            ),
            click.option("--time-limit", type=float, metavar="SECONDS", help="For all units."),
            click.option("--unit-time-limit", type=float, metavar="SECONDS", help="For one MILP."),
            click.option("--node-limit", type=int, metavar="NODES", help="For one MILP."),
            click.option("--seed", type=int, default=0, show_default=True),
            click.option("-q", "--quiet", is_flag=True, help="No progress."),
        )
    ):
        command = option(command)
    return command


@main.command()
@click.argument("network_file", metavar="NETWORK", type=click.Path())
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The smaller network, .onnx or .npz."
)
@_domain_options
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of the written weights.")
@click.option("--report", "report_file", type=click.Path(), help="Write all figures as JSON.")
def compress(
    network_file: str,
    output: str,
    dtype: str | None,
    report_file: str | None,
    **options: Any,
) -> None:
    """Rewrite NETWORK into a smaller one with the same outputs on a box."""
    from leo_opt import formats
    from leo_opt.compression import compress as rewrite
    from leo_opt.formats.files import write_atomically
    from leo_opt.report import (
        compression_table,
        describe_compression,
        measure,
        provenance,
        show,
        stability_table,
    )

    formats.check_writable(output, formats.FORMATS)
    if report_file is not None:
        formats.check_writable(report_file)
    start = time.monotonic()
    network = formats.load(network_file)
    domain = _read_domain(network, options)
    stability = _classify(network, domain, options)
    run = measure(
        network,
        stability,
        rewrite(network, stability),
        dtype or formats.default_dtype(network, output),
        start,
    )
    formats.save(run.compression.network, output, dtype=run.dtype, provenance=provenance(run))
    if report_file is not None:
        text = json.dumps(describe_compression(run), indent=2) + "\n"
        write_atomically(report_file, text.encode())
    show([stability_table(network, stability), "", compression_table(run), f"written: {output}"])


@main.command()
@click.argument("network_file", metavar="NETWORK", type=click.Path())
@_domain_options
@click.option("--json", "json_file", type=click.Path(), help="Write the stability file.")
def classify(network_file: str, json_file: str | None, **options: Any) -> None:
    """Decide for every unit of NETWORK whether it is stable on a box."""
    from leo_opt import formats
    from leo_opt.report import show, stability_table

    if json_file is not None:
        formats.check_writable(json_file)
    network = formats.load(network_file)
    stability = _classify(network, _read_domain(network, options), options)
    if json_file is not None:
        stability.save(json_file)
    show([stability_table(network, stability)])


@main.command()
@click.argument("network_file", metavar="NETWORK", type=click.Path())
def info(network_file: str) -> None:
    """Show layers, widths and parameters of NETWORK."""
    from leo_opt import formats
    from leo_opt.report import network_table, show

    show([network_table(formats.load(network_file))])


@main.command()
@click.option("--probe", is_flag=True, help="Start each solver to find out its licence.")
def solvers(probe: bool) -> None:
    """Show which solvers are installed, their licences and features."""
    from leo_opt.report import show, solver_table
    from leo_opt.solvers import survey

    show([solver_table(survey(probe=probe))])


@main.command()
@click.option("-o", "--output", type=click.Path(), help="Keep the smaller network here.")
def demo(output: str | None) -> None:
    """Compress an MNIST network that ships with the package, and check the result."""
    from leo_opt.demo import run_demo

    run_demo(output)


def _read_domain(network: Network, options: dict[str, Any]) -> Box:
    """The box that the options name."""
    from leo_opt import formats

    box, path = options["box"], options["domain_file"]
    if (box is None) == (path is None):
        raise InvalidInputError(
            "give the inputs allowed either by --box LOWER UPPER or --domain FILE"
        )
    if path is not None:
        return formats.load_domain(path, network.input_size).spread(network.input_size)
    return Box(*box).spread(network.input_size)


def _read_samples(path: str | None, network: Network) -> FloatArray | None:
    """Inputs of a .npz file: its only array, or the one named `inputs`."""
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if len(names) != 1 and "inputs" not in names:
                raise InvalidInputError(
                    f"{path} holds {', '.join(names)}; name the array of inputs `inputs`"
                )
            array = archive["inputs" if "inputs" in names else names[0]]
    except (OSError, ValueError, AttributeError, TypeError, BadZipFile) as error:
        if isinstance(error, LeoOptError):
            raise
        raise InvalidInputError(f"{path} is not a .npz file of inputs: {error}") from error
    if not np.issubdtype(array.dtype, np.number):
        raise InvalidInputError(f"inputs in {path} are {array.dtype}; they must be numbers")
    if array.size == 0:
        raise InvalidInputError(f"inputs in {path} have shape {array.shape}; give at least one")
    if np.iscomplexobj(array) or not np.isfinite(array).all():
        raise InvalidInputError(f"inputs in {path} are not all finite real numbers")
    samples = array.reshape(len(array), -1) if array.ndim > 1 else array
    return network.batch(samples)


@contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    """The executor of a Dask cluster, or None where none is asked for."""
    if address is None:
        yield None
        return
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise SolverNotAvailableError("--dask needs dask: pip install 'leo-opt[dask]'") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client.get_executor()


@contextmanager
def _hint_at(checkpoint: str | None) -> Iterator[None]:
    """On Ctrl-C say what was kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is None:
            kept = "nothing was kept; with --checkpoint FILE a run can be continued"
        else:
            kept = f"all findings are in {checkpoint}; run the same command again to go on"
        click.echo(f"Interrupted: {kept}.", err=True)
        sys.exit(_INTERRUPTED)


def _classify(network: Network, domain: Box, options: dict[str, Any]) -> Any:
    """Run the classification that the options describe, with progress on standard error."""
    from leo_opt.progress import progress_display
    from leo_opt.strategies import classify as decide

    samples = _read_samples(options["data"], network)
    with (
        progress_display(options["quiet"]) as progress,
        _executor(options["dask"]) as executor,
        _hint_at(options["checkpoint"]),
    ):
        return decide(
            network,
            domain,
            workers=options["workers"],
            executor=executor,
            checkpoint=options["checkpoint"],
            strategy=options["strategy"],
            solver=options["solver"],
            formulation=options["formulation"],
            samples=samples,
            time_limit=options["time_limit"],
            unit_time_limit=options["unit_time_limit"],
            node_limit=options["node_limit"],
            seed=options["seed"],
            progress=progress,
        )
