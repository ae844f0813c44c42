"""`leo-opt demo`: the main job on a network that ships with the package, checked."""

from __future__ import annotations

import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np

from leo_opt.compression import compress
from leo_opt.console import show
from leo_opt.decisions import classify
from leo_opt.domain import Box
from leo_opt.formats import load
from leo_opt.network import Network
from leo_opt.progress import progress_display
from leo_opt.report.compression_run import measure
from leo_opt.report.tables import compression_table, stability_table

NETWORK = "mnist_100-100_l1_0.0005_s0.onnx"
_POINTS = 10_000


def run_demo(output: str | None = None) -> None:
    """Compress the shipped 784-100-100-10 MNIST network on [0, 1] and check that nothing changed.

    Parameters
    ----------
    output
        Where to keep the smaller network; by default it is thrown away.
    """
    start = time.monotonic()
    with resources.as_file(resources.files("leo_opt") / "data" / NETWORK) as path:
        network = load(path)
    show([f"{NETWORK}: {network!r}, every pixel in [0, 1]", ""])
    with progress_display(quiet=False) as progress:
        stability = classify(network, Box(0.0, 1.0), progress=progress)
    compression = compress(network, stability)
    run = measure(network, stability, compression, network.signature.dtype, start)
    show([stability_table(stability), "", compression_table(run), ""])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(output) if output is not None else Path(folder) / "small.onnx"
        run.save(target)
        show([_check(network, compression.network, load(target), stability.domain.box)])
        if output is not None:
            show([f"written: {target}"])


def _check(network: Network, smaller: Network, stored: Network, domain: Box) -> str:
    """Compare the original with the result and with the written file at many inputs."""
    generator = np.random.default_rng(0)
    size = network.input_size
    inputs = np.vstack(
        [
            domain.sample(_POINTS // 2, generator),
            domain.vertices(generator.standard_normal((_POINTS // 2, size))),
        ]
    )
    expected = network(inputs)
    changed = int((stored(inputs).argmax(axis=1) != expected.argmax(axis=1)).sum())
    return (
        f"check at {len(inputs)} random points and corners: largest difference "
        f"{np.abs(smaller(inputs) - expected).max():.2g} as returned, "
        f"{np.abs(stored(inputs) - expected).max():.2g} as written; {changed} predictions changed"
    )
