"""What each kind of rewriting leaves of trained networks on [0, 1].

    python benchmarks/compression.py NETWORKS DATA

`NETWORKS` holds mnist/, cifar10/ and exactcompression/, `DATA` mnist.npz and cifar10.npz with test
images. Verdicts are those of bounds and witnesses alone, no solver is asked. The columns: LEO's
rewrites (stably inactive and constant units deleted, dependent stably active ones merged, layers
that are stably active throughout folded), `compress`, and `compress` within two tolerances.
Deviations are proved, for the whole box, and measured, on the test images.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Cascade, Network, classify, compress, load
from leo_opt.blas import one_blas_thread
from leo_opt.compression import compress_as_published
from leo_opt.stability import Stability
from leo_opt.tables import Table

PLANS = ("LEO", "lossless", "1e-6", "1e-4")
_FOLDERS = ("mnist", "exactcompression", "cifar10")
_BATCH = 2000


def rewritten(plan: str, network: Network, stability: Stability) -> tuple[Network, float]:
    """The network after a plan of `PLANS`, and what is proved of its outputs."""
    if plan == "LEO":
        result = compress_as_published(network, stability)
    else:
        tolerance = 0.0 if plan == "lossless" else float(plan)
        result = compress(network, stability, tolerance=tolerance)
    return result.network, float(result.max_deviation.max())


def outputs(network: Network, points: np.ndarray) -> np.ndarray:
    """Outputs at many points, some at a time."""
    parts = range(0, len(points), _BATCH)
    return np.concatenate([network(points[start : start + _BATCH]) for start in parts])


def rows_of(path: Path, data: Path) -> list[tuple[str, ...]]:
    """One row a plan."""
    images = np.load(data / f"{'cifar10' if 'cifar10' in path.name else 'mnist'}.npz")
    points, labels = images["x_test"].reshape(10000, -1) / 255.0, images["y_test"]
    network = load(path)
    stability = classify(network, Box(0, 1), strategy=Cascade(stages=()))
    truth, found = outputs(network, points), []
    for plan in PLANS:
        begin = time.process_time()
        smaller, proved = rewritten(plan, network, stability)
        seconds = time.process_time() - begin
        given = outputs(smaller, points)
        kinds, before = smaller.kinds, network.kinds.total()
        widths = "-".join(str(layer.n_out) for layer in smaller.layers[:-1]) or "none"
        found.append(
            (
                path.stem,
                plan,
                widths,
                f"{100.0 * (before - kinds.total()) / before:.1f}",
                str(kinds["linear"]),
                str(smaller.parameters),
                f"{proved:.1g}",
                f"{np.abs(given - truth).max():.1g}",
                f"{100.0 * (given.argmax(axis=1) == labels).mean():.2f}",
                f"{seconds:.1f}",
            )
        )
    return found


@click.command()
@click.argument("networks", type=Path)
@click.argument("data", type=Path)
@click.option("--only", default="", help="Networks with this in their name.")
def main(networks: Path, data: Path, only: str) -> None:
    """Print the table."""
    headings = (
        *("network", "plan", "units left", "% removed", "linear units", "parameters"),
        *("proved", "measured", "accuracy %", "CPU s"),
    )
    paths = (path for folder in _FOLDERS for path in sorted((networks / folder).glob("*.onnx")))
    with one_blas_thread():
        rows = [row for path in paths if only in path.stem for row in rows_of(path, data)]
    click.echo(Table.of(headings, rows, "right").markdown())


if __name__ == "__main__":
    main()
