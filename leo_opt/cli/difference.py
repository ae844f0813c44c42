"""`leo-opt difference`."""

from __future__ import annotations

from typing import Any

import click

from leo_opt.cli.classes import class_options, read_class_domains
from leo_opt.cli.files import FileCommand, InputFile, OutputFile
from leo_opt.cli.options import (
    box_options,
    load_network,
    memory_option,
    network_options,
    read_domain,
    time_limit_option,
)


@click.command(cls=FileCommand)
@click.argument("first_file", metavar="FIRST", type=InputFile())
@click.argument("second_file", metavar="SECOND", type=InputFile())
@box_options
@network_options
@click.option("--refine", type=float, metavar="SECONDS", help="For a tighter bound, at the end.")
@class_options
@time_limit_option("For bounds, and for the questions of classes what is left.")
@memory_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "json_file", type=OutputFile(), help="Write all of it.")
def difference(
    first_file: str,
    second_file: str,
    refine: float | None,
    json_file: str | None,
    **options: Any,
) -> None:
    """Bound how far the outputs of FIRST and SECOND are apart on a box."""
    from leo_opt.console import show
    from leo_opt.difference import bound_difference
    from leo_opt.report.classes import told_classes
    from leo_opt.report.difference_run import describe_difference
    from leo_opt.report.files import json_text
    from leo_opt.report.summaries import difference_table
    from leo_opt.storage.files import write_atomically
    from leo_opt.verification.classes import ClassCheck, same_class

    first, second = (load_network(name, options) for name in (first_file, second_file))
    domain = read_domain(first, options)
    limits = {name: options[name] for name in ("time_limit", "memory", "seed")}
    found = bound_difference(first, second, domain, refine=refine, **limits)
    checks = [
        ClassCheck(region, same_class(first, second, region, **limits))
        for region in read_class_domains(first, options, domain)
    ]
    lines = [difference_table(found), *told_classes(checks)]
    if json_file is not None:
        tree = describe_difference((first, second), found, checks)
        write_atomically(json_file, json_text(tree).encode())
        lines.append(f"written: {json_file}")
    show(lines)
