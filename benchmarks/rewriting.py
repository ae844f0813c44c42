"""What rewriting alone costs: seconds against width.

    python benchmarks/rewriting.py NETWORKS

Trained networks of `NETWORKS`/mnist with verdicts of bounds, and seeded random sparse ones,
784-w-w-10 with biases around 1. Seconds are of the processor, without those of the verdicts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from scipy.sparse import csr_array, random_array

from leo_opt import Box, Network, Phase, classify, compress, load
from leo_opt.blas import one_blas_thread

TRAINED = ("100-100_l1_0.0005", "100-100-100-100-100_l1_0.0002", "400-400_l1_0.0001")
TRAINED += ("800-800_l1_0.0001",)
SPARSE = ((400, 20), (800, 20), (1600, 20), (3200, 20), (3200, 40))
"""Widths, and weights a row."""


def sparse_network(width: int, count: int) -> Network:
    """A random network."""
    generator = np.random.default_rng(0)
    sizes = (784, width, width, 10)
    weights, biases = [], []
    for n_in, n_out in pairwise(sizes):
        entries = random_array((n_out, n_in), density=count / n_in, rng=generator)
        entries.data = 0.3 * generator.normal(size=entries.data.size)
        weights.append(csr_array(entries))
        biases.append(2.0 * generator.normal(size=n_out) + 1.0)
    return Network.from_arrays(weights, biases)


def networks(folder: Path) -> Iterator[tuple[str, Network]]:
    """All networks with their names."""
    for name in TRAINED:
        yield f"mnist {name}", load(folder / "mnist" / f"mnist_{name}_s0.onnx")
    for width, count in SPARSE:
        yield f"random 784-{width}-{width}-10, {count} weights a row", sparse_network(width, count)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Print the table."""
    click.echo("| network | units | stably active | after | seconds |\n|---|---:|---:|---:|---:|")
    for name, network in networks(folder):
        with one_blas_thread():
            known = classify(network, Box(0, 1), strategy="bounds")
            begin = time.process_time()
            smaller = compress(network, known).network
            seconds = time.process_time() - begin
        layers = range(len(network.layers))
        active = sum(known.count(index, Phase.STABLY_ACTIVE) for index in layers)
        units = network.kinds.total(), active, smaller.kinds.total()
        click.echo(f"| {name} | {units[0]} | {units[1]} | {units[2]} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
