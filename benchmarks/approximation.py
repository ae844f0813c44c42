"""What approximation costs and keeps: accuracy and response error against budgets, by method.

    python benchmarks/approximation.py NETWORKS DATA -o approximation.csv
    python benchmarks/approximation.py NETWORKS DATA --only exactcompression --method hard

NETWORKS is a folder of networks, DATA one with `mnist.npz` and `cifar10.npz` (images x_train and
x_test of bytes, labels y_test). Fitted to 3,000 training images without labels, measured on the
10,000 test images. No fine-tuning. A row a network, method and budget; rows that are in the table
already are not made again. Seconds are those of the processor for the frontier and one budget.
Printed are accuracy in % and the relative error of the outputs; `--plot` draws accuracy against the
share of numbers.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from leo_opt import Approximation, Frontier, frontier
from leo_opt.approximation import METHODS
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
CALIBRATION = {"mnist.npz": slice(20000, 23000), "cifar10.npz": slice(3000)}
COLUMNS = ("network", "method", "budget", "accuracy", "response_error", "share", "bitmap_share",
           "multiply_add_share", "free_share", "found", "proved", "separate",
           "seconds")  # fmt: skip


def images(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs to fit to, inputs to measure on, and the labels of these."""
    with np.load(path) as archive:
        fit, test = archive["x_train"][CALIBRATION[path.name]], archive["x_test"]
        labels = archive["y_test"].ravel()
    return fit.reshape(len(fit), -1) / 255.0, test.reshape(len(test), -1) / 255.0, labels


def row_of(sizes: Frontier, data: tuple[np.ndarray, ...], budget: float) -> dict[str, Any]:
    """One approximation, measured."""
    _, test, labels = data
    start = time.process_time()
    made = sizes.pick(budget)
    seconds = time.process_time() - start
    meant, outputs = sizes.subject.original(test), outputs_of(made, test)
    before = made.cost_before
    return {
        "accuracy": 100.0 * (outputs.argmax(axis=1) == labels).mean(),
        "response_error": np.linalg.norm(outputs - meant) / np.linalg.norm(meant),
        "share": made.share,
        "bitmap_share": made.cost.bitmap / before.parameters,
        "multiply_add_share": made.cost.multiply_adds / before.multiply_adds,
        "free_share": free_cost(sizes) / before.parameters,
        "found": made.difference.found.max() if made.difference else "",
        "proved": made.difference.bound.max() if made.difference else "",
        "separate": made.difference.separate.max() if made.difference else "",
        "seconds": seconds,
    }


def outputs_of(made: Approximation, test: np.ndarray) -> np.ndarray:
    """Of the graph where it is one, by onnxruntime: as a chain it would take long."""
    if made.model is None:
        return made.network(test)
    import onnxruntime

    session = onnxruntime.InferenceSession(made.model.SerializeToString())
    [port] = session.get_inputs()
    images = test.reshape(-1, *port.shape[1:]).astype(np.float32)
    return session.run(None, {port.name: images})[0]


def free_cost(sizes: Frontier) -> int:
    """Numbers of the network after lossless rewriting."""
    return sizes.search.calibration.own_cost.parameters


def cells(only: tuple[str, ...], methods: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Networks and methods."""
    for name in NETWORKS:
        if not only or any(part in name for part in only):
            for method in methods or (*METHODS, MIXED):
                yield name, method


def draw(rows: list[dict[str, str]], path: str) -> None:
    """Accuracy against the share of numbers, a curve a method, a panel a network."""
    from matplotlib.figure import Figure

    names = [name for name in NETWORKS if any(row["network"] == name for row in rows)]
    figure = Figure(figsize=(10, 3 * -(-len(names) // 3)), layout="constrained")
    panels = figure.subplots(-(-len(names) // 3), 3, squeeze=False).ravel()
    for name, axes in zip(names, panels, strict=False):
        best = max(float(row["accuracy"]) for row in rows if row["network"] == name)
        for method in (*METHODS, MIXED):
            mine = [r for r in rows if (r["network"], r["method"]) == (name, method)]
            points = sorted((100 * float(r["share"]), float(r["accuracy"])) for r in mine)
            axes.plot(*zip(*points, strict=True) if points else ([], []), marker=".", label=method)
        axes.set_title(Path(name).stem, fontsize="medium")
        axes.set(xlabel="numbers and indices, %", ylabel="accuracy, %", ylim=(best - 6, best + 0.4))
        axes.grid(alpha=0.3)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=7)
    figure.savefig(path, dpi=90)


def table(rows: list[dict[str, str]], name: str) -> str:
    """Accuracy and response error of one network, a row a method, a column a budget."""
    mine = {
        (row["method"], row["budget"]): f"{float(row['accuracy']):.2f}, "
        f"{float(row['response_error']):.2g}"
        for row in rows
        if row["network"] == name
    }
    budgets = [str(budget) for budget in BUDGETS]
    shown = [
        [f"`{method}`", *(mine.get((method, budget), "") for budget in budgets)]
        for method in (*METHODS, MIXED)
    ]
    return Table.of((name, *(f"{100 * share:g} %" for share in BUDGETS)), shown).markdown()


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, help="Networks whose name has this in it.")
@click.option("--method", "methods", multiple=True, help="By default all.")
@click.option("--budget", "budgets", multiple=True, type=float, help="By default the four.")
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
    budgets: tuple[float, ...],
) -> None:
    """Approximate networks by every method for every budget, and print the table."""
    path = Path(output)
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if not rows:
            writer.writeheader()
        for name, method in cells(only, methods):
            done = {r["budget"] for r in rows if (r["network"], r["method"]) == (name, method)}
            left = [budget for budget in budgets or BUDGETS if str(budget) not in done]
            if not left:
                continue
            samples, start = images(data / NETWORKS[name]), time.process_time()
            domain = (0, 1) if box else None
            with one_blas_thread():
                sizes = frontier(networks / name, samples[0], method=method, domain=domain)
                first = sizes.points and time.process_time() - start
                for budget in left:
                    try:
                        row = row_of(sizes, samples, budget)
                    except LeoOptError as error:
                        click.echo(f"{name} {method} {budget}: {error}", err=True)
                        continue
                    key = {"network": name, "method": method, "budget": str(budget)}
                    row = {**key, **row, "seconds": first + row["seconds"]}
                    writer.writerow(row)
                    stream.flush()
                    rows.append({k: str(v) for k, v in row.items()})
    for name in NETWORKS:
        if any(row["network"] == name for row in rows):
            click.echo(f"{table(rows, name)}\n")
    if plot is not None:
        draw(rows, plot)


if __name__ == "__main__":
    main()
