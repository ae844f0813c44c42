"""How far a network and a second one are apart: proved, by two separate intervals, and found.

    python benchmarks/difference.py NETWORK.onnx ...
    python benchmarks/difference.py NETWORK.onnx --box -0.5 0.5 --refine 10
    python benchmarks/difference.py NETWORK.onnx --data mnist.npz

Second networks are its copy in float32 (of weights moved by 1e-6 at first, since those of files are
float32 already), copies whose numbers are moved by up to 1e-4 and 20 % of their size, and what
lossless rewriting makes of it on the box; with `--data`, approximations for budgets of numbers,
fitted to 3,000 training images. The domains are the box and a ball of radius 1/255 around its
middle, or around the first test image, cut off at the box.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Layer, Network, bound_difference, classify, compress, frontier, load
from leo_opt.blas import one_blas_thread
from leo_opt.weights import entries, with_numbers

RADIUS = 1 / 255
BUDGETS = (0.15, 0.204, 0.25, 0.5)
CALIBRATION = slice(20000, 23000)


def moved(network: Network, size: float, seed: int) -> Network:
    """Each number times 1 plus up to so much."""
    generator = np.random.default_rng(seed)

    def change(values: np.ndarray) -> np.ndarray:
        return values * (1.0 + size * generator.uniform(-1.0, 1.0, values.shape))

    layers = (
        Layer(
            with_numbers(layer.weight, change(entries(layer.weight))),
            change(layer.bias),
            layer.activation,
        )
        for layer in network.layers
    )
    return Network(tuple(layers))


def rounded(network: Network) -> Network:
    """All numbers as float32."""
    layers = (
        Layer(
            with_numbers(layer.weight, entries(layer.weight).astype(np.float32).astype(float)),
            layer.bias.astype(np.float32),
            layer.activation,
        )
        for layer in network.layers
    )
    return Network(tuple(layers))


def pairs(network: Network, box: Box, limit: float) -> Iterator[tuple[str, Network, Network, dict]]:
    """A name, two networks, and what is known of the first."""
    near = moved(network, 1e-6, 0)
    yield "float32", near, rounded(near), {}
    yield "moved by 1e-4", network, moved(network, 1e-4, 1), {}
    yield "moved by 20 %", network, moved(network, 0.2, 2), {}
    stability = classify(network, box, time_limit=limit)
    smaller = compress(network, stability).network
    yield "rewritten", network, smaller, {"bounds": stability.certified}


def approximations(file: Path, data: Path) -> list[tuple[str, Network, Network, dict]]:
    """Those of `BUDGETS`, by the default method, without any domain."""
    with np.load(data) as archive:
        images = archive["x_train"][CALIBRATION] / 255.0
    network = load(file)
    sizes = frontier(file, network.batch(images.reshape(len(images), -1)))
    return [
        (
            f"{100 * budget:g} %",
            network,
            sizes.pick(budget).network,
            {},
        )
        for budget in BUDGETS
    ]


def first_image(data: Path) -> np.ndarray:
    """Of the test images, as inputs."""
    with np.load(data) as archive:
        return archive["x_test"][0].reshape(-1) / 255.0


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--box", nargs=2, type=float, default=(0.0, 1.0), show_default=True)
@click.option("--refine", type=float, metavar="SECONDS", help="For a tighter bound, besides.")
@click.option("--limit", type=float, default=60.0, show_default=True, help="For `classify`.")
@click.option("--data", type=click.Path(path_type=Path), help="Images: approximations, then.")
def main(
    files: tuple[Path, ...], box: tuple[float, float], refine: float, limit: float, data: Path
) -> None:
    """Print one row of Markdown a network, second network and domain; outputs' largest numbers."""
    click.echo("| network | second | domain | two intervals | proved | found | processor seconds |")
    click.echo("|---|---|---|---|---|---|---|")
    for file in files:
        network = load(file)
        whole = Box(*box).spread(network.input_size)
        made = None if data is None else approximations(file, data)
        centre = whole.centre if data is None else first_image(data)
        for name, domain in (("ball", Box.around(centre, RADIUS, whole)), ("box", whole)):
            for second, *networks, known in made or pairs(network, domain, limit):
                start = time.process_time()
                found = bound_difference(*networks, domain, refine=refine, **known)
                numbers = (found.separate.max(), found.bound.max(), found.found.max())
                cells = [f"{value:.3g}" for value in (*numbers, time.process_time() - start)]
                click.echo(f"| {file.stem} | {second} | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    with one_blas_thread():
        main()
