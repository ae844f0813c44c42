"""`leo-opt approximate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.classes import class_options, read_class_domains
from leo_opt.cli.files import (
    FileCommand,
    InputFile,
    OutputFile,
    network_output,
    repeated,
    report_output,
    stored_dtype,
)
from leo_opt.cli.options import box_options, checked, load_network, network_options, read_domain
from leo_opt.errors import InvalidInputError

if TYPE_CHECKING:
    from leo_opt.approximation import Approximation, Budget
    from leo_opt.fitting import Frontier

_BUDGETS = {
    "parameters": ("SHARE", "Of the network's numbers; an index counts as one. [default: 0.25]"),
    "multiply_adds": ("SHARE", "Of the network's multiplications."),
    "response": ("ERROR", "Of the outputs on the data, relative, at most."),
    "deviation": ("BOUND", "On the difference of every output, proved; needs --box or --domain."),
}


def _read_method(text: str) -> Any:
    from leo_opt.approximation import METHODS

    return METHODS.find(text)


def _budget_options(command: Any) -> Any:
    for name, (metavar, said) in reversed(_BUDGETS.items()):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, name, type=float, metavar=metavar, help=said)(command)
    return command


def _read_budget(options: Mapping[str, Any]) -> Budget:
    """The one budget that the options name."""
    from leo_opt.approximation import Deviation, MultiplyAdds, Parameters, Response

    kinds = dict(zip(_BUDGETS, (Parameters, MultiplyAdds, Response, Deviation), strict=True))
    given = {name: options[name] for name in _BUDGETS if options[name] is not None}
    if len(given) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInputError(f"{flags} are given; give one budget")
    for name, value in given.items():
        return kinds[name](value)
    return Parameters()


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@click.option("--data", required=True, type=InputFile(), help=".npz file with inputs to fit to.")
@network_output
@click.option(
    "--method",
    default="hard",
    show_default=True,
    callback=checked(_read_method),
    help="hard, low-rank-sparse, filter-groups, whitened, svd, magnitude; hard:low_rank=0.5 has "
    "options.",
)
@_budget_options
@click.option(
    "--allocation",
    type=click.Choice(["energy", "deviation"]),
    default="energy",
    show_default=True,
    help="What decides on the size of each layer: errors on the data, or proved deviations.",
)
@click.option(
    "--frontier",
    "frontier_file",
    type=OutputFile(lambda: (".csv", ".png", ".svg", ".pdf")),
    help="Write all sizes between which the budget chooses: .csv, or a picture, .png, .svg, .pdf.",
)
@box_options
@click.option("--refine", type=float, metavar="SECONDS", help="For a tighter bound, at the end.")
@class_options
@click.option(
    "--class-limit",
    type=float,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="For each question whether a class can change.",
)
@network_options
@stored_dtype
@report_output
def approximate(
    network_file: str,
    data: str,
    output: str,
    method: Any,
    allocation: str,
    frontier_file: str | None,
    refine: float | None,
    class_limit: float,
    dtype: str | None,
    report_file: str | None,
    **options: Any,
) -> None:
    """Replace NETWORK by a smaller one with nearly the same outputs.

    An .onnx file with convolutions stays a graph of them. It is fitted to inputs, without labels.
    With --box or --domain a bound on the difference of all outputs is proved there; lossless
    rewriting then comes first.
    """
    from leo_opt import formats
    from leo_opt.approximation import MultiplyAdds
    from leo_opt.console import show
    from leo_opt.fitting import frontier
    from leo_opt.report.approximation_run import approximation_table, stored_network, write
    from leo_opt.verification.classes import check_classes

    budget = _read_budget(options)
    network = load_network(network_file, options)
    formats.is_sequential(network, output)  # Refuses outputs that the file cannot have.
    anywhere = options["box"] is None and options["domain_file"] is None
    domain = None if anywhere else read_domain(network, options)
    asked = read_class_domains(network, options, domain)
    whole = dtype is None and options["output_tensor"] is None
    found = frontier(
        network_file if whole and _stays_graph(network_file, output) else network,
        network.batch(formats.load_points(data)),
        method=method,
        counts="multiply-adds" if isinstance(budget, MultiplyAdds) else "parameters",
        domain=domain,
        allocation=allocation,
    )
    made = found.pick(budget, refine=refine)
    stored = dtype or formats.default_dtype(network, output)
    # Of classes what the file says counts.
    rounded = stored_network(made, stored)
    made = replace(made, classes=check_classes(network, rounded, asked, class_limit))
    write(made, output, stored)
    sizes = {"original": Path(network_file).stat().st_size, "written": Path(output).stat().st_size}
    beside = _beside(made, found, sizes, stored, report_file, frontier_file)
    show([approximation_table(made), _told_size(made, output, **sizes), *beside])


def _stays_graph(*files: str) -> bool:
    """Whether the network of the first file can be written to the second as the graph it is."""
    from leo_opt import formats
    from leo_opt.graphs import is_structured

    return all(map(formats.has_graph, files)) and is_structured(files[0])


def _told_size(made: Approximation, output: str, original: int, written: int) -> str:
    """The size of what was written, and why it may be more than what is counted."""
    numbers = 4 * made.cost_before.parameters
    full = output.lower().endswith(".onnx") and 8 * made.cost.parameters < numbers < written
    packed = "; with the zeros of sparse parts, .onnx.gz is smaller" if full else ""
    return f"written: {output} ({written} bytes, of {original} before{packed})"


def _beside(
    made: Approximation,
    sizes: Frontier[Any],
    bytes_of: dict[str, int],
    stored: str,
    report_file: str | None,
    frontier_file: str | None,
) -> Iterator[str]:
    """Write what was asked for beside the network, and say so."""
    from leo_opt.report.approximation_page import write_report
    from leo_opt.report.approximation_run import describe_approximation
    from leo_opt.report.files import report_text
    from leo_opt.report.frontier import frontier_file as drawn
    from leo_opt.storage.files import write_atomically

    if report_file is not None:
        text = report_text(
            report_file,
            lambda: write_report(made, stored, repeated()),
            lambda: describe_approximation(made, stored, bytes_of),
        )
        write_atomically(report_file, text.encode())
        yield f"written: {report_file}"
    if frontier_file is not None:
        write_atomically(frontier_file, drawn(sizes, frontier_file))
        yield f"written: {frontier_file}"
