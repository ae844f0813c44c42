"""What an approximation did, and what is proved of it, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from leo_opt.approximation import Approximation
from leo_opt.report import html
from leo_opt.report.approximation_run import describe_approximation, layer_table
from leo_opt.report.classes import told_classes
from leo_opt.report.compression_run import as_code, describe_domain
from leo_opt.report.drawing import to_html
from leo_opt.report.records import ApproximationRecord
from leo_opt.report.scenes import of_approximation


def write_report(approximation: Approximation, dtype: str, command: str) -> str:
    """The page of one run.

    Parameters
    ----------
    dtype
        Of the written weights.
    command
        What repeats it, for a shell or in Python.
    """
    told = describe_approximation(approximation, dtype)
    before, after = approximation.cost_before, approximation.cost
    return html.page(
        f"{100.0 * approximation.share:.1f} % of the numbers",
        [
            html.figures(
                [
                    ("numbers and indices", f"{before.parameters:,} → {after.parameters:,}"),
                    ("multiplications", f"{before.multiply_adds:,} → {after.multiply_adds:,}"),
                    *(
                        []
                        if approximation.deviation is None
                        else [("outputs move at most", f"{approximation.deviation:.2g}")]
                    ),
                    ("outputs on the data move", f"{100.0 * approximation.response_error:.3g} %"),
                ]
            ),
            html.section("What is known", html.paragraphs(meaning(approximation, dtype))),
            html.section("Layers", to_html(of_approximation(approximation))),
            layer_table(approximation).html(),
            html.section("Settings", html.settings(_settings(told))),
            html.command(command),
        ],
    )


def write_page(approximation: Approximation) -> str:
    """The page of an approximation that was made from Python."""
    command = (
        f"leo_opt.approximate(network, data, method={approximation.method!r}, "
        f"budget={approximation.budget!r}, domain={as_code(approximation.domain)})"
    )
    return write_report(approximation, approximation.original.signature.dtype, command)


def meaning(approximation: Approximation, dtype: str) -> list[str]:
    """What is known of the outputs, in words of somebody who uses the network."""
    told, domain = describe_approximation(approximation, dtype), approximation.domain
    lines = [
        f"Not lossless: {100.0 * (1.0 - approximation.share):.1f} % of the numbers are gone. On "
        "the inputs that it was fitted to, outputs are off by "
        f"{100.0 * approximation.response_error:.3g} % in all (root mean square)."
    ]
    if domain is None:
        lines.append("Nothing is proved of other inputs: no domain was given.")
    else:
        lines += [
            f"For every input ({describe_domain(domain)}) it is proved that no output moves by "
            f"more than {told['max_deviation']:.3g} in real arithmetic, and from file to file by "
            f"no more than {told['max_deviation_written']:.3g}. The largest move that was found "
            f"is {told['max_deviation_found']:.3g}.",
            "A class that leads by more than twice the proved number stays the class. Outside "
            "these inputs nothing is said.",
        ]
    return [*lines, *told_classes(approximation.classes), *approximation.notes]


def _settings(told: ApproximationRecord) -> Iterator[tuple[str, object]]:
    """How it was made."""
    for name in ("method", "budget", "dtype", "network_hash"):
        yield name.replace("_", " "), told[name]
    for name, version in told["versions"].items():
        yield f"version of {name}", version
