"""What further BLAS threads cost on a machine with other work: ratios from one run.

    python benchmarks/blas_threads.py
    python benchmarks/blas_threads.py --widths 100 --widths 800 --load 2 --repeat 3

The same bounds and witnesses of a random network are computed with one thread and with as many as
there are cores, in turns, alone and beside an artificial load of busy processes. What else runs on
the machine meanwhile meets both alike, so that the ratio is what counts.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import click
import numpy as np
from threadpoolctl import threadpool_limits

from leo_opt import Box, Network, propagate
from leo_opt.witnesses import Witnesses, collect, first_layer_vertices


def network(width: int, inputs: int = 100, layers: int = 3) -> Network:
    """A random network whose units cross on their intervals."""
    generator = np.random.default_rng(0)
    sizes = [inputs, *[width] * layers, 10]
    return Network.from_arrays(
        [
            generator.standard_normal((after, before)) * np.sqrt(2.0 / before)
            for before, after in pairwise(sizes)
        ],
        [None] * (layers + 1),
    )


def work(net: Network) -> None:
    """The products of which a classification consists, without the guard of `classify`."""
    box = Box(-1, 1).spread(net.input_size)
    propagate(net, box)
    collect(net, box, first_layer_vertices(net, box), Witnesses.none(net))


def _burn() -> None:
    matrix = np.ones((300, 300))
    while True:
        matrix @ matrix


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that do nothing but multiply, with the threads that BLAS likes to use."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_burn, daemon=True) for _ in range(processes)]
    for other in others:
        other.start()
    time.sleep(2.0 if others else 0.0)
    try:
        yield
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.join()


def compare(net: Network, threads: int, repeat: int) -> tuple[float, float]:
    """Median seconds with one thread and with several, measured in turns."""
    found: dict[int, list[float]] = {1: [], threads: []}
    for _ in range(repeat):
        for count, seconds in found.items():
            with threadpool_limits(count, user_api="blas"):
                begin = time.perf_counter()
                work(net)
                seconds.append(time.perf_counter() - begin)
    return statistics.median(found[1]), statistics.median(found[threads])


@click.command()
@click.option("--widths", type=int, multiple=True, default=(50, 200, 800), show_default=True)
@click.option("--threads", type=int, default=max(2, os.cpu_count() or 2), show_default=True)
@click.option("--load", type=int, default=os.cpu_count() or 2, show_default=True)
@click.option("--repeat", type=int, default=5, show_default=True)
def main(widths: Sequence[int], threads: int, load: int, repeat: int) -> None:
    """Compare one BLAS thread with several, alone and beside other work."""
    click.echo(f"layers of  beside         1 thread  {threads} threads  ratio")
    for width in widths:
        net = network(width)
        work(net)
        for processes in (0, load):
            with busy(processes):
                one, several = compare(net, threads, repeat)
            beside = f"{processes} processes" if processes else "nothing"
            click.echo(
                f"{width:9}  {beside:12} {one:9.3f} s {several:8.3f} s  {several / one:5.2f}"
            )


if __name__ == "__main__":
    main()
