"""What approximation costs and keeps: accuracy and response error against budgets, by method.

    python benchmarks/approximation.py NETWORKS DATA -o approximation.csv
    python benchmarks/approximation.py NETWORKS DATA --only exactcompression --method hard

NETWORKS is a folder of networks, DATA one with `mnist.npz` and `cifar10.npz` (images x_train and
x_test of bytes, labels y_test). Fitted to 3,000 training images without labels, measured on the
10,000 test images. No fine-tuning. A row a network, method and budget; rows that are in the table
already are not made again. `--plot` draws accuracy against the share of numbers.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from leo_opt import Network, approximate, load
from leo_opt.approximation import METHODS, Parameters
from leo_opt.blas import one_blas_thread
from leo_opt.errors import LeoOptError
from leo_opt.tables import Table

NETWORKS = {
    "exactcompression/mnist_100-100_l1_0.onnx": "mnist.npz",
    "mnist/mnist_400-400_l1_0.0001_s0.onnx": "mnist.npz",
    "cifar10/cifar10_400-400_l1_0.000175_s0.onnx": "cifar10.npz",
    "mnist_structured/mnist_conv_l1_5e-05_s0.onnx": "mnist.npz",
    "mnist_structured/mnist_conv_l1_0.0002_s0.onnx": "mnist.npz",
    "mnist_structured/mnist_pool_l1_0.0001_s0.onnx": "mnist.npz",
}
BUDGETS = (0.15, 0.204, 0.25, 0.5)
MIXED = "hard:low_rank=0.5"
CALIBRATION = slice(20000, 23000)
COLUMNS = ("network", "method", "budget", "accuracy", "response_error", "share", "bitmap_share",
           "multiply_add_share", "found", "proved", "separate", "seconds")  # fmt: skip


def images(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs to fit to, inputs to measure on, and the labels of these."""
    with np.load(path) as archive:
        fit, test = archive["x_train"][CALIBRATION], archive["x_test"]
        labels = archive["y_test"].ravel()
    return fit.reshape(len(fit), -1) / 255.0, test.reshape(len(test), -1) / 255.0, labels


def row_of(
    network: Network, data: tuple[np.ndarray, ...], method: str, budget: float, box: bool
) -> dict[str, Any]:
    """One approximation, measured."""
    fit, test, labels = data
    start = time.perf_counter()
    domain = (0, 1) if box else None
    made = approximate(network, fit, method=method, budget=Parameters(budget), domain=domain)
    seconds = time.perf_counter() - start
    meant, outputs = network(test), made.network(test)
    before = made.cost_before
    return {
        "accuracy": 100.0 * (outputs.argmax(axis=1) == labels).mean(),
        "response_error": np.linalg.norm(outputs - meant) / np.linalg.norm(meant),
        "share": made.share,
        "bitmap_share": made.cost.bitmap / before.parameters,
        "multiply_add_share": made.cost.multiply_adds / before.multiply_adds,
        "found": made.difference.found.max() if made.difference else "",
        "proved": made.difference.bound.max() if made.difference else "",
        "separate": made.difference.separate.max() if made.difference else "",
        "seconds": seconds,
    }


def cells(only: tuple[str, ...], methods: tuple[str, ...]) -> Iterator[tuple[str, str, float]]:
    """Networks, methods and budgets."""
    for name in NETWORKS:
        if not only or any(part in name for part in only):
            for method in methods or (*METHODS, MIXED):
                for budget in BUDGETS:
                    yield name, method, budget


def draw(rows: list[dict[str, str]], path: str) -> None:
    """Accuracy against the share of numbers, a curve a method, a panel a network."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["network"] for row in rows))
    figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), place)
        for method in dict.fromkeys(row["method"] for row in rows):
            mine = [r for r in rows if (r["network"], r["method"]) == (name, method)]
            points = sorted((float(r["share"]), float(r["accuracy"])) for r in mine)
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=method)
        axes.set(title=Path(name).stem, xlabel="numbers and indices, share", ylabel="accuracy, %")
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, help="Networks whose name has this in it.")
@click.option("--method", "methods", multiple=True, help="By default all.")
@click.option("--box", is_flag=True, help="Rewrite losslessly on [0, 1], and prove the deviation.")
@click.option("-o", "--output", default="approximation.csv", show_default=True)
@click.option("--plot", help="Draw the curves into this file.")
def main(
    networks: Path,
    data: Path,
    only: tuple[str, ...],
    methods: tuple[str, ...],
    box: bool,
    output: str,
    plot: str | None,
) -> None:
    """Approximate networks by every method for every budget, and print the table."""
    path = Path(output)
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if not rows:
            writer.writeheader()
        for name, method, budget in cells(only, methods):
            key = {"network": name, "method": method, "budget": str(budget)}
            if any(all(row[k] == v for k, v in key.items()) for row in rows):
                continue
            network, samples = load(networks / name), images(data / NETWORKS[name])
            try:
                with one_blas_thread():
                    row = {**key, **row_of(network, samples, method, budget, box)}
            except LeoOptError as error:
                click.echo(f"{name} {method} {budget}: {error}", err=True)
                continue
            writer.writerow(row)
            stream.flush()
            rows.append({k: str(v) for k, v in row.items()})
    shown = [[row[k] if k in COLUMNS[:2] else _short(row[k]) for k in COLUMNS] for row in rows]
    click.echo(Table.of(COLUMNS, shown).markdown())
    if plot is not None:
        draw(rows, plot)


def _short(text: str) -> str:
    return f"{float(text):.4g}" if text else "-"


if __name__ == "__main__":
    main()
