"""Structured networks on balls around images as sequential networks, and what that saves.

    python benchmarks/chain.py NETWORKS DATA
    python benchmarks/chain.py NETWORKS DATA --only mnist_conv --balls 2

`NETWORKS` holds mnist_structured/ and real/, `DATA` mnist.npz and cifar10.npz with test images.
Whether the class stays on balls around the first images is asked of each network and of its chain:
by `verify`, and by HiGHS of the largest lead of the runner-up in the big-M model with bounds of
CROWN. What the chain takes to make (classify by bounds and witnesses, compress) stands by itself.
Seconds are of the processor, in this process, the median of the balls.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from leo_opt import Box, Cascade, Network, classify, compress, load, propagate, rectified
from leo_opt.blas import one_blas_thread
from leo_opt.encoding import Encoding
from leo_opt.report.compression_run import describe_sequential
from leo_opt.solvers import find
from leo_opt.stability import Phase
from leo_opt.verification import keep_class, verify

OPEN = (Phase.UNSTABLE, Phase.UNDECIDED)
CIFAR = {
    "cifar10_resnet/resnet_2b": ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    "oval21/cifar_base_kw": ((0.485, 0.456, 0.406), (0.225, 0.225, 0.225)),
}
"""Means and deviations of the channels with which the inputs of these files are scaled."""


@dataclass
class Row:
    """Figures of the balls of one network and radius."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    answers: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def seconds(self, name: str, work: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = work()
        self.add(name, time.process_time() - begin)
        return result

    def tell(self, name: str, answer: object) -> None:
        self.answers.setdefault(name, Counter())[str(answer)] += 1

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])

    def cell(self, name: str) -> str:
        """Seconds, with the answers that took them."""
        told = ", ".join(f"{n} {answer}" for answer, n in sorted(self.answers[name].items()))
        return f"{self.median(name):.1f} ({told})"


def cases(
    networks: Path, data: Path, balls: int, radii: Sequence[int]
) -> Iterator[tuple[Path, int, list[Box]]]:
    """Networks with a radius, in steps of a pixel of 8 bits, and balls around test images."""
    scaled = dict.fromkeys(sorted((networks / "mnist_structured").glob("*.onnx")), (0.0, 1.0))
    scales = {
        networks / "real" / f"{name}.onnx": tuple(np.repeat(part, 1024) for part in scale)
        for name, scale in CIFAR.items()
    }
    for path, (mean, deviation) in {**scaled, **scales}.items():
        name = "mnist" if path in scaled else "cifar10"
        pixels = np.load(data / f"{name}.npz")["x_test"][:balls].reshape(balls, -1) / 255.0
        for radius in radii:
            ends = (np.clip(pixels + sign * radius / 255.0, 0.0, 1.0) for sign in (-1, 1))
            pairs = zip(*((end - mean) / deviation for end in ends), strict=True)
            yield path, radius, [Box(low, high) for low, high in pairs]


def lead(network: Network, box: Box, label: int, rival: int, limit: float) -> str:
    """What HiGHS proves of the largest lead of another class: its sign, or that it is open."""
    network = rectified(network)
    encoding = Encoding.of(network, box, propagate(network, box), "big-m")
    goal = np.zeros(network.output_size)
    goal[[rival, label]] = 1.0, -1.0
    cost, constant = encoding.objective(goal)
    with find("highs").open(encoding.form) as session:
        answer = session.maximize(
            cost, constant=constant, stop_above=0.0, stop_below=0.0, time_limit=limit
        )
    if answer.objective_bound is not None and answer.objective_bound < 0.0:
        return "keeps"
    return "loses" if (answer.incumbent_objective or 0.0) > 0.0 else "open"


def measure(network: Network, box: Box, limit: float, row: Row) -> None:
    """All figures of one ball."""
    middle = network((box.lower + box.upper) / 2)
    label, rival = np.argsort(-middle)[:2].tolist()
    stages = Cascade(stages=())
    known = row.seconds(
        "classify", lambda: classify(network, box, strategy=stages, time_limit=limit)
    )
    result = row.seconds("compress", lambda: compress(network, known, form="chain"))
    smaller = result.network
    row.add("open", sum(phase in OPEN for phases in known.phases for phase in phases))
    row.add("rectifiers", smaller.kinds.total())
    for name in ("passed", "shifted", "split"):
        row.add(name, describe_sequential(result).get(name, 0))
    row.add("parameters", sum((k.n_in + 1) * k.n_out for k in smaller.layers))
    row.add("deviation", float(result.max_deviation.max()))
    asked = keep_class(box, label, network.output_size)
    for name, net in (("before", network), ("after", smaller)):
        verdict = row.seconds(f"verify {name}", lambda n=net: verify(n, asked, time_limit=limit))
        row.tell(f"verify {name}", verdict.answer)
        answer = row.seconds(f"milp {name}", lambda n=net: lead(n, box, label, rival, limit))
        row.tell(f"milp {name}", answer)


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Part of the paths to keep.")
@click.option("--balls", type=int, default=5, show_default=True)
@click.option("--radius", "radii", type=int, multiple=True, default=(1, 4), show_default=True)
@click.option("--time-limit", type=float, default=20.0, show_default=True, help="Of each step.")
def main(
    networks: Path, data: Path, only: str, balls: int, radii: tuple[int, ...], time_limit: float
) -> None:
    """Print the table, a row a network and radius."""
    headings = (
        *("network", "radius", "units", "open", "chain", "passed", "shifted", "split"),
        *("parameters", "deviation", "classify s", "compress s"),
        *("verify s", "of the chain", "MILP s", "of the chain"),
    )
    click.echo(f"| {' | '.join(headings)} |")
    click.echo("|---|---|" + "---:|" * 10 + "---|" * 4)
    for path, radius, boxes in cases(networks, data, balls, radii):
        if only not in str(path):
            continue
        network, row = load(path), Row()
        with one_blas_thread():
            for box in boxes:
                measure(network, box, time_limit, row)
        kinds = [f"{count} {kind}" for kind, count in network.kinds.items()]
        apart = f" ({', '.join(kinds)})" if len(kinds) > 1 else ""
        sizes = [f"{network.kinds.total()}{apart}"]
        sizes += [f"{row.median(n):.0f}" for n in ("open", "rectifiers")]
        made = [f"{row.median(n):.0f}" for n in ("passed", "shifted", "split", "parameters")]
        cost = [f"{row.median(n):.1f}" for n in ("classify", "compress")]
        asked = [
            row.cell(f"{what} {when}")
            for what in ("verify", "milp")
            for when in ("before", "after")
        ]
        cells = [
            path.stem,
            f"{radius}/255",
            *sizes,
            *made,
            f"{max(row.figures['deviation']):.1e}",
            *cost,
            *asked,
        ]
        click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
