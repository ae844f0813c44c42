"""What each kind of rewriting leaves of networks, trained and downloaded, on a box.

    python benchmarks/compression.py NETWORKS DATA
    python benchmarks/compression.py NETWORKS DATA --only mnist_25

`NETWORKS` holds mnist/, cifar10/, exactcompression/, mnist_structured/, acasxu/ and mnistfc/, and
`DATA` mnist.npz and cifar10.npz with test images. Image classifiers are rewritten on [0, 1], the
others on the boxes of the properties beside them. Verdicts are those of bounds alone, no witness is
looked for and no solver asked, and networks are chains here, graphs with convolutions as well. The
plans: LEO's rewrites (`compress_as_published`), `compress`, and `compress` within two tolerances.
Units are all rows of hidden layers, and rectifiers and linear units apart; multiply-adds are
weights that are not 0. Deviations are proved, for the whole box, and measured, on test images or
samples of the box. A row is printed as soon as it is known; after `--time-limit` seconds of
classification what is open is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Compression, Network, classify, compress, load
from leo_opt.blas import one_blas_thread
from leo_opt.compression import compress_as_published
from leo_opt.domain import Domain
from leo_opt.stability import Stability
from leo_opt.verification import load_property
from leo_opt.weights import entries

PLANS = {
    "LEO": compress_as_published,
    "lossless": compress,
    "1e-6": lambda network, known: compress(network, known, tolerance=1e-6),
    "1e-4": lambda network, known: compress(network, known, tolerance=1e-4),
}
_IMAGES = ("mnist", "exactcompression", "mnist_structured", "cifar10")
_PROPERTIES = {
    "acasxu": ("prop_1", "prop_2", "prop_3", "prop_4"),
    "mnistfc": ("prop_0_0.03", "prop_1_0.03"),
}
_HEADINGS = (
    *("network", "plan", "units left", "% removed", "rectifiers", "linear", "parameters"),
    *("multiply-adds", "proved", "measured", "accuracy %", "CPU s"),
)
_BATCH = 1000
_SAMPLES = 1000


def outputs(network: Network, points: np.ndarray) -> np.ndarray:
    """Outputs at many points, some at a time."""
    parts = range(0, len(points), _BATCH)
    return np.concatenate([network(points[start : start + _BATCH]) for start in parts])


def row_of(
    name: str,
    plan: str,
    result: Compression,
    seconds: float,
    points: np.ndarray,
    labels: np.ndarray | None,
) -> tuple[str, ...]:
    """What a plan has made."""
    network, smaller = result.original, result.network
    given, before = outputs(smaller, points), network.kinds.total()
    kinds = smaller.kinds
    products = sum(int(np.count_nonzero(entries(layer.weight))) for layer in smaller.layers)
    right = "" if labels is None else f"{100.0 * (given.argmax(axis=1) == labels).mean():.2f}"
    return (
        name,
        plan,
        "-".join(str(layer.n_out) for layer in smaller.layers[:-1]) or "none",
        f"{100.0 * (before - kinds.total()) / before:.1f}",
        str(kinds.total() - kinds["linear"]),
        str(kinds["linear"]),
        str(smaller.parameters),
        str(products),
        f"{result.max_deviation.max():.1g}",
        f"{np.abs(given - outputs(network, points)).max():.1g}",
        right,
        f"{seconds:.1f}",
    )


def cases(
    networks: Path, data: Path
) -> Iterator[tuple[str, Path, Domain, np.ndarray, np.ndarray | None]]:
    """Name, file, domain, points and their labels, if they have some."""
    for folder in _IMAGES:
        for path in sorted((networks / folder).glob("*.onnx")):
            images = np.load(data / f"{'cifar10' if 'cifar10' in path.name else 'mnist'}.npz")
            points = images["x_test"].reshape(10000, -1) / 255.0
            yield path.stem, path, Box(0, 1), points, images["y_test"]
    for folder, names in _PROPERTIES.items():
        for path in sorted((networks / folder).glob("*.onnx")):
            for name in names:
                domain = load_property(path.with_name(f"{name}.vnnlib")).domain
                points = domain.sample(_SAMPLES, np.random.default_rng(0))
                yield f"{path.stem} {name}", path, domain, points, None


def classified(network: Network, domain: Domain, limit: float) -> Stability:
    """Verdicts of bounds."""
    return classify(network, domain, strategy="bounds", time_limit=limit)


@click.command()
@click.argument("networks", type=Path)
@click.argument("data", type=Path)
@click.option("--only", default="", help="Networks with this in their name.")
@click.option("--time-limit", type=float, default=300.0, show_default=True)
def main(networks: Path, data: Path, only: str, time_limit: float) -> None:
    """Print the table."""
    click.echo(f"| {' | '.join(_HEADINGS)} |\n|---|---|---|{'---:|' * (len(_HEADINGS) - 3)}")
    for name, path, domain, points, labels in cases(networks, data):
        if only not in name:
            continue
        with one_blas_thread():
            network = load(path)
            known = classified(network, domain, time_limit)
            for plan, rewrite in PLANS.items():
                begin = time.process_time()
                result = rewrite(network, known)
                seconds = time.process_time() - begin
                click.echo(f"| {' | '.join(row_of(name, plan, result, seconds, points, labels))} |")


if __name__ == "__main__":
    main()
