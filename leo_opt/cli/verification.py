"""`leo-opt verify`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import time_limit_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from leo_opt.verification import Progress, Verdict

EXIT_CODES = {"holds": 0, "violated": 1, "unknown": 3}
"""2 is bad input, as in all commands."""

_SHOWN = 10
"""Most numbers of a witness on the screen."""
_EVERY = 2.0
"""Seconds between two lines of progress within a stage."""


@click.command(cls=FileCommand)
@click.argument("network_file", metavar="NETWORK", type=InputFile())
@click.argument("property_file", metavar="PROPERTY", type=InputFile())
@click.option("--witness", "witness_file", type=OutputFile(), help="Write it: .npz or .txt.")
@click.option("--json", "json_file", type=OutputFile(), help="Write the verdict, all of it.")
@click.option("--solver", default="highs", show_default=True, help="See `solvers`.")
@click.option("--formulation", default="big-m", show_default=True)
@time_limit_option("For everything, reading files included.")
@click.option("--node-limit", type=int, metavar="NODES", help="For one MILP.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes to use.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(
    network_file: str,
    property_file: str,
    witness_file: str | None,
    json_file: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Decide whether NETWORK has the VNN-LIB PROPERTY.

    The property file describes what must not happen. The exit code is 0 if the property holds, 1
    if it is violated, with a witness that the network confirms, 3 if the answer is unknown, and 2
    for bad input.
    """
    from leo_opt import formats
    from leo_opt.report import show
    from leo_opt.verification import WITNESS_FORMATS, load_property, save_witness
    from leo_opt.verification import verify as decide

    if witness_file is not None:
        formats.check_writable(witness_file, WITNESS_FORMATS)
    if json_file is not None:
        formats.check_writable(json_file)
    network = formats.load(network_file)
    asked = load_property(property_file)
    verdict = decide(network, asked, progress=None if quiet else _narrator(), **options)
    written = []
    if witness_file is not None:
        written += [f"written: {name}" for name in save_witness(verdict, witness_file)]
    if json_file is not None:
        verdict.save(json_file)
        written.append(f"written: {json_file}")
    show([*_describe(verdict), *written])
    sys.exit(EXIT_CODES[str(verdict.answer)])


def _narrator() -> Callable[[Progress], None]:
    """A callback that says on standard error where a verification stands, now and then."""
    last: dict[str, float] = {}

    def narrate(event: Progress) -> None:
        now = time.monotonic()
        if event.note and now - last.get(event.stage, now - _EVERY) < _EVERY:
            return
        last[event.stage] = now
        left = "" if event.remaining is None else f", {event.remaining:.0f} s left"
        note = f", {event.note}" if event.note else ""
        click.echo(f"{event.stage}: {event.open} of {event.cases} cases open{note}{left}", err=True)

    return narrate


def _describe(verdict: Verdict) -> list[str]:
    """The verdict in a few lines."""
    lines = [str(verdict.answer)]
    if verdict.inputs is not None and verdict.outputs is not None:
        lines.append(f"case {verdict.case} occurs: the network confirms the witness")
        lines.append(f"inputs:  {_shorten(verdict.inputs.tolist())}")
        lines.append(f"outputs: {_shorten(verdict.outputs.tolist())}")
    elif verdict.premises:
        lines += [f"if this is believed: {premise}" for premise in verdict.premises]
    elif verdict.certified:
        lines.append("certified: rests on arithmetic alone")
    lines += [f"unknown: {reason}" for reason in verdict.reasons]
    counted: dict[str, int] = {}
    for case in verdict.cases:
        if case.method:
            counted[case.method] = counted.get(case.method, 0) + 1
    lines.append(
        f"{len(verdict.cases)} cases"
        + "".join(f", {count} by {method}" for method, count in sorted(counted.items()))
    )
    lines.append(
        f"{verdict.pieces} pieces, {verdict.lps} LPs, {verdict.milps} MILPs, "
        f"{verdict.nodes} nodes, {verdict.seconds:.2f} seconds"
    )
    return lines


def _shorten(values: list[float]) -> str:
    """Some numbers, the first of them where they are many."""
    shown = ", ".join(f"{value:.6g}" for value in values[:_SHOWN])
    more = f", ... {len(values)} in all; see --witness" if len(values) > _SHOWN else ""
    return shown + more
