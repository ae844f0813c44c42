"""Which formulation wins where: open directions of ACAS Xu and MNIST networks, all solvers.

    python benchmarks/formulations.py --networks FOLDER -o results/
    python benchmarks/formulations.py --networks FOLDER -o results/ --quick

`FOLDER` holds `acasxu/`, `mnist/` and `mnistfc/` with ONNX networks and VNN-LIB properties. The
script writes `plan.toml` into the results folder and runs it with the harness, so it may be
killed and started again. Solvers that are not installed are left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from leo_opt import load_domain
from leo_opt.comparison import read_plan, run_plan, show_progress, write_report
from leo_opt.solvers import SOLVERS, find

FORMULATIONS = (
    'name = "big-m"',
    'name = "complement"',
    'name = "partition"\nparts = 2',
    'name = "partition"\nparts = 4',
    'name = "partition"\nparts = 4\nsplit = "equal-range"',
    'name = "partition"\nparts = 4\npart_bounds = "crown"',
    'name = "ideal"',
    'name = "ideal"\nseparation = "tree"',
    'name = "convex-hull"',
    'name = "indicator"',
    'name = "sos1"',
)
"""All exact formulations; `ideal` with rows in rounds at the root, and in the tree."""

BINARIES = (20, 100)
ACAS_RADIUS = 0.03


ACAS = tuple(
    f"acasxu/ACASXU_run2a_{name}_batch_2000.onnx"
    for name in ("1_1", "1_2", "1_9", "2_3", "3_3", "4_2", "5_9")
)
CASES = (
    (ACAS[0], "ball"),
    ("mnist/mnist_25-25_l1_0.0002_s0.onnx", "all images"),
    (ACAS[1], "ball"),
    ("mnist/mnist_50-50_l1_0.0002_s0.onnx", "all images"),
    (ACAS[2], "ball"),
    ("mnist/mnist_100-100_l1_0.0005_s0.onnx", "all images"),
    (ACAS[3], "ball"),
    ("mnist/mnist_100-100_l1_0.0001_s0.onnx", "all images"),
    (ACAS[4], "ball"),
    ("mnist/mnist_100-100-100-100-100_l1_0.0002_s0.onnx", "one image"),
    (ACAS[5], "ball"),
    (ACAS[6], "ball"),
)
"""Networks and their boxes, mixed so that a run that is cut short has some of both."""

QUICK = CASES[:2]


def write_plan(
    folder: Path, cases: Sequence[tuple[str, str]], time_limit: float, count: int
) -> str:
    """The plan as TOML; a JSON string or list is one of TOML, too."""
    centre = load_domain(folder / "acasxu" / "prop_3.vnnlib", 5).centre
    image = str(folder / "mnistfc" / "prop_1_0.03.vnnlib")
    lines = [
        f"time_limit = {time_limit}",
        '[[domains]]\nname = "ball"',
        f"point = {json.dumps(centre.tolist())}\nradius = {ACAS_RADIUS}",
        '[[domains]]\nname = "all images"\nbox = [0, 1]',
        f'[[domains]]\nname = "one image"\nfile = {json.dumps(image)}',
        f'[[questions]]\nkind = "directions"\ncount = {count}',
        f"binaries = {json.dumps(BINARIES)}\nrandom_points = 2000",
    ]
    for name, domain in cases:
        path = json.dumps(str(folder / name))
        lines.append(f"[[networks]]\npath = {path}\ndomains = [{json.dumps(domain)}]")
    lines += [f"[[formulations]]\n{text}" for text in FORMULATIONS]
    installed = [name for name in SOLVERS if find(name).available()]
    lines += [f'[[solvers]]\nname = "{name}"' for name in installed]
    return "\n\n".join(lines) + "\n"


@click.command()
@click.option("--networks", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--time-limit", type=float, default=30.0, show_default=True, help="For one cell.")
@click.option("--count", default=1, show_default=True, help="Directions of a network and box.")
@click.option("--workers", default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Two networks only.")
def main(
    networks: Path, output: Path, time_limit: float, count: int, workers: int, quick: bool
) -> None:
    """Write the plan, run what is missing, print the tables."""
    output.mkdir(parents=True, exist_ok=True)
    plan = output / "plan.toml"
    cases = QUICK if quick else CASES
    plan.write_text(write_plan(networks.resolve(), cases, time_limit, count), encoding="utf-8")
    with show_progress(quiet=False) as progress:
        results = run_plan(read_plan(plan), output, workers=workers, progress=progress)
    report = write_report(results, output, clock="cpu")
    click.echo(report.text)
    sys.exit(1 if report.clashes else 0)


if __name__ == "__main__":
    main()
