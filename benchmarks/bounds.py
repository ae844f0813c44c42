"""Bounds of networks with thousands of units: seconds, peak memory and stable units, in one run.

    python benchmarks/bounds.py FOLDER
    python benchmarks/bounds.py FOLDER --only oval21 --repeat 3

Each network of the folder is bounded on its property's box, on a ball of radius 1/255 and on
[0, 1], each in a process of its own, whose peak memory is told. Beside it stands a plain CROWN in
float32 on the same layers: all rows, adaptive slopes, no terms for rounding, nothing shared. It is
no proof; the ratio says what proofs cost, and both meet the same machine.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from leo_opt import Box, Network, load, load_domain, propagate
from leo_opt.blas import one_blas_thread

FAMILIES = ("mnist_structured", "real/oval21", "real/marabou_cifar10", "real/cifar10_resnet")
RADIUS = 1 / 255
FLOAT = np.float32


def cases(folder: Path) -> Iterator[tuple[Path, str]]:
    """Networks with the domains that each is bounded on."""
    yield folder / "mnist" / "mnist_800-800_l1_0.0001_s0.onnx", "[0, 1]"
    for family in FAMILIES:
        for path in sorted((folder / family).glob("*.onnx")):
            for domain in sorted(path.parent.glob("*.vnnlib")):
                yield path, domain.name
            yield path, "ball"
            yield path, "[0, 1]"


def box_of(path: Path, domain: str, size: int) -> Box:
    """A domain by its name; the ball is around the middle of all pixels."""
    if domain == "ball":
        return Box(0.5 - RADIUS, 0.5 + RADIUS).spread(size)
    return Box(0.0, 1.0).spread(size) if domain == "[0, 1]" else load_domain(path.parent / domain)


def plain_crown(network: Network, box: Box) -> None:
    """Unproved bounds of all layers in float32; every unit with phases is taken for a rectifier."""
    layers = [(layer.weight.astype(FLOAT), layer.bias.astype(FLOAT)) for layer in network.layers]
    middle, radius = (box.lower + box.upper) / 2, (box.upper - box.lower) / 2
    middle, radius = middle.astype(FLOAT), radius.astype(FLOAT)
    lines: list[tuple[Any, Any, Any]] = []
    for (weight, bias), layer in zip(layers, network.layers, strict=True):
        ends = []
        for sign in (FLOAT(1), FLOAT(-1)):
            rows, total = sign * weight, sign * bias
            for (above, offset, below), (before, shift) in zip(
                reversed(lines), reversed(layers[: len(lines)]), strict=True
            ):
                dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
                positive, negative = np.maximum(dense, 0), np.minimum(dense, 0)
                scaled = positive * above + negative * below
                total = total + positive @ offset + scaled @ shift
                rows = scaled @ before
            ends.append(total + rows @ middle + abs(rows) @ radius)
        low, high = -ends[1], ends[0]
        crosses = layer.phased & (low < 0) & (high > 0)
        on = ~layer.phased | (low >= 0)
        chord = np.where(crosses, high / np.where(crosses, high - low, 1), on).astype(FLOAT)
        offset = np.where(crosses, -chord * low, 0).astype(FLOAT)
        lines.append((chord, offset, np.where(crosses, high > -low, on).astype(FLOAT)))


def seconds(work: Callable[[], object], repeat: int) -> float:
    """The median of some runs."""
    found = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def measure(path: Path, domain: str, repeat: int) -> str:
    """One row of the table; the peak is read before the plain CROWN runs."""
    network = load(path)
    box = box_of(path, domain, network.input_size)
    with one_blas_thread():
        bounds = propagate(network, box)
        units = stable = 0
        for layer, low, high in zip(network.layers, bounds.lower, bounds.upper, strict=True):
            units += int(layer.phased.sum())
            stable += int((layer.phased & ((low >= 0.0) | (high <= 0.0))).sum())
        ours = seconds(lambda: propagate(network, box), repeat)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        plain = seconds(lambda: plain_crown(network, box), repeat)
    return (
        f"| {path.stem} | {domain} | {units:,} | {stable:,} | {ours:.3f} | {plain:.3f} "
        f"| {ours / plain:.2f} | {peak:.2f} |"
    )


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Part of the paths to keep.")
@click.option("--repeat", type=int, default=1, show_default=True)
def main(folder: Path, only: str, repeat: int) -> None:
    """Bound the networks of a folder laid out as mnist_structured/, real/."""
    click.echo("| network | domain | units | stable | seconds | float32 | ratio | peak GB |")
    click.echo("|---|---|---:|---:|---:|---:|---:|---:|")
    for path, domain in cases(folder):
        if only in str(path):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                click.echo(pool.apply(measure, (path, domain, repeat)))


if __name__ == "__main__":
    main()
