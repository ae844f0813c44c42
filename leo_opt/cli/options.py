"""Options and readers that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import InputFile, OutputFile
from leo_opt.deadline import MEMORY, Deadline, read_limit
from leo_opt.domain import Box, Domain
from leo_opt.errors import InvalidInputError, SolverNotAvailableError
from leo_opt.network import Network
from leo_opt.storage.files import AnyPath

if TYPE_CHECKING:
    from leo_opt.stability import Stability

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

CLOCK = "leo_opt.started"
"""Key of the context's `meta`: when the command line was entered, by `time.monotonic`."""


SELECTION = ("output_tensor", "normalised")
"""What is read of a network's file, as `load` calls it."""


KNOWN_FORMULATIONS = "big-m, complement, convex-hull, partition, ideal, indicator, sos1, triangle"
"""For the help, which does not wait for entry points to be looked up."""


def time_limit_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`--time-limit` for everything that a command does.

    It is handed over as a deadline, whose clock was started before imports and files were read.
    """

    def start(
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG001
        value: float | None,
    ) -> Deadline | None:
        seconds = read_limit(value)
        return None if seconds is None else Deadline(seconds, ctx.meta.get(CLOCK))

    return click.option("--time-limit", type=float, metavar="SECONDS", callback=start, help=text)


def memory_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--memory`, as `classify` and `verify` take it."""
    said = "For bounds, and for a model: one that would not fit is not made."
    return click.option(
        "--memory", type=float, default=MEMORY, show_default=True, metavar="GIGABYTES", help=said
    )(command)


def checked(check: Callable[[str], Any]) -> Callable[..., Any]:
    """A click callback that reads a word, and refuses a wrong one before any file is read."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str) -> Any:
        return check(value)

    return read


def _check_solver(name: str) -> str:
    from leo_opt.solvers import find

    find(name).require()
    return name


def _read_formulation(name: str) -> Any:
    from leo_opt.formulations import read_choice

    return read_choice(name)


def _read_strategy(text: str) -> Any:
    from leo_opt.decisions import STRATEGIES

    return STRATEGIES.find(text)


def solver_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--solver` and `--formulation`, refused before the work where there is none of the name."""
    for name, default, check, said in (
        ("--formulation", "big-m", _read_formulation, f"Of the MILPs: {KNOWN_FORMULATIONS}."),
        ("--solver", "highs", _check_solver, "Of the MILPs; see `solvers`."),
    ):
        command = click.option(
            name, default=default, show_default=True, callback=checked(check), help=said
        )(command)
    return command


def box_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--box` and `--domain`, which `read_domain` reads."""
    box, said = (
        "All inputs between two numbers.",
        "a .npz file (lower, upper), a VNN-LIB property or a .nnet file",
    )
    for option in (
        click.option("--domain", "domain_file", type=InputFile(), help=f"Box from {said}."),
        click.option("--box", nargs=2, type=float, metavar="LOWER UPPER", help=box),
    ):
        command = option(command)
    return command


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say what is read of a network's file."""
    for name, settings in (
        ("--normalised", {"is_flag": True, "help": "Of a .nnet file, its layers alone."}),
        (
            "--output-tensor",
            {"metavar": "NAME", "help": "Take this tensor for the output, and no other."},
        ),
    ):
        command = click.option(name, **settings)(command)
    return command


def load_network(path: AnyPath, options: Mapping[str, Any]) -> Network:
    """The network in a file, by the options of `network_options`; a tail is told of."""
    from leo_opt import formats
    from leo_opt.formats.outputs import describe_tails

    network = formats.load(path, **{name: options[name] for name in SELECTION})
    for line in describe_tails(network.signature):
        click.echo(line, err=True)
    return network


def domain_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where the network is looked at and how hard."""
    for option in reversed(
        (
            box_options,
            network_options,
            solver_options,
            click.option(
                "--strategy",
                default="cascade",
                show_default=True,
                callback=checked(_read_strategy),
                help="cascade, per-unit, joint, by-property, bounds; or cascade:stages=lp.",
            ),
            click.option(
                "--data",
                type=InputFile(),
                help=".npz file with inputs to try as witnesses.",
            ),
            click.option(
                "--workers", type=int, default=1, show_default=True, help="Processes to use."
            ),
            click.option("--dask", metavar="ADDRESS", help="Dask scheduler to use instead."),
            click.option(
                "--checkpoint",
                type=OutputFile(),
                help="Keep what is proved in this file: the same command goes on from there.",
            ),
            time_limit_option(
                "For all verdicts, reading files included; `compress` rewrites after it."
            ),
            click.option("--unit-time-limit", type=float, metavar="SECONDS", help="For one MILP."),
            click.option("--node-limit", type=int, metavar="NODES", help="For one MILP."),
            memory_option,
            click.option("--seed", type=int, default=0, show_default=True),
            click.option("-q", "--quiet", is_flag=True, help="No progress."),
        )
    ):
        command = option(command)
    return command


def read_domain(network: Network, options: dict[str, Any]) -> Domain:
    """The box or polytope that the options name."""
    from leo_opt import formats

    box, path = options["box"], options["domain_file"]
    if (box is None) == (path is None):
        raise InvalidInputError(
            "give the inputs allowed either by --box LOWER UPPER or --domain FILE"
        )
    if path is not None:
        normalised = options["normalised"]
        return formats.load_domain(path, network.input_size, normalised=normalised)
    return Box(*box).spread(network.input_size)


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
            kept = (
                f"what solvers, searches and input splitting have proved is in {checkpoint}, but "
                "for the last seconds; run the same command again to go on"
            )
        click.echo(f"Interrupted: {kept}.", err=True)
        sys.exit(INTERRUPTED)


def run_classification(
    network: Network, domain: Domain, options: dict[str, Any], known: Stability | None = None
) -> Any:
    """Run the classification that the options describe, with progress on standard error."""
    from leo_opt.decisions import classify as decide
    from leo_opt.formats import load_points
    from leo_opt.progress import progress_display

    data = options["data"]
    samples = None if data is None else network.batch(load_points(data))
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
            stability=known,
            samples=samples,
            time_limit=options["time_limit"],
            unit_time_limit=options["unit_time_limit"],
            node_limit=options["node_limit"],
            memory=options["memory"],
            seed=options["seed"],
            progress=progress,
        )
