"""What `compress --form graph` takes off ONNX files, and that nothing changes.

    python benchmarks/graphs.py FILE... --box 0 1 [--images mnist.npz] [--time-limit SECONDS]
    python benchmarks/graphs.py FILE... --domain PROPERTY.vnnlib
    python benchmarks/graphs.py FILE... --images mnist.npz --balls 5 --radius 0.02

Prints one row a file and domain: channels and units of each matrix; all rows of hidden layers, and
rectifiers, other pieces and linear units apart; parameters of the file, seconds of the processor to
classify and to rewrite, what is proved of the difference between the files, the
largest difference that onnxruntime shows on points of the domain, and, where images with labels
(x_test, y_test, bytes) are given for the whole box, the accuracy of both files on all of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

import leo_opt
from leo_opt import Box, Network
from leo_opt.formats import load_domain
from leo_opt.graphs import compress_graph

HEADINGS = (
    *("file", "domain", "channels or units", "hidden units", "parameters"),
    *("seconds", "proved", "measured", "accuracy"),
)
POINTS = 1000
"""Points of a domain at which files are compared where no images are given."""


def domains(arguments: argparse.Namespace, images: Any) -> Iterator[tuple[str, Any]]:
    """Names and domains that were asked for."""
    if arguments.domain:
        yield Path(arguments.domain).stem[:20], load_domain(arguments.domain)
    elif arguments.balls:
        for index in range(arguments.balls):
            centre = images["x_test"][index].ravel() / 255.0
            ends = (
                np.clip(centre + side, 0.0, 1.0) for side in (-arguments.radius, arguments.radius)
            )
            yield f"image {index}", Box(*ends)
    else:
        yield f"{arguments.box}", Box(*arguments.box)


def outputs(path: Path, points: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of points, one row each."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    port = session.get_inputs()[0]
    kind = np.float64 if "double" in port.type else np.float32
    free = not isinstance(port.shape[0], int)
    sizes = [1 if not isinstance(size, int) else size for size in port.shape]
    if free:
        block = points.reshape(-1, *sizes[1:]).astype(kind)
        return np.reshape(session.run(None, {port.name: block})[0], (len(points), -1))
    rows = (session.run(None, {port.name: p.reshape(sizes).astype(kind)})[0] for p in points)
    return np.vstack([np.reshape(row, (1, -1)) for row in rows])


def rows_of(before: Network, after: Network) -> str:
    """Rows of hidden layers, all and of each kind."""
    kinds = before.kinds | after.kinds
    apart = (f"{before.kinds[kind]} -> {after.kinds[kind]} {kind}" for kind in kinds)
    total = f"{before.kinds.total()} -> {after.kinds.total()}"
    return f"{total} ({', '.join(apart)})" if len(kinds) > 1 else total


def row(path: Path, name: str, domain: Any, images: Any, limit: float) -> list[str]:
    """One row of the table."""
    start = time.process_time()
    network = leo_opt.load(path)
    stability = leo_opt.classify(network, domain, time_limit=limit)
    decided = time.process_time()
    found = compress_graph(path, stability)
    done = time.process_time()
    with TemporaryDirectory() as folder:
        smaller = Path(folder) / "smaller.onnx"
        found.save(smaller)
        inside = domain.spread(network.input_size)
        points = inside.sample(POINTS, np.random.default_rng(0))
        whole = images is not None and bool(inside.holds(points[:1] * 0.0).all())
        if whole:
            points = images["x_test"].reshape(len(images["x_test"]), -1) / 255.0
        before, after = outputs(path, points), outputs(smaller, points)
    accuracy = ""
    if whole:
        rates = (100.0 * np.mean(o.argmax(axis=1) == images["y_test"]) for o in (before, after))
        accuracy = " -> ".join(f"{rate:.2f} %" for rate in rates)
    parts = ", ".join(f"{part.before} -> {part.after}" for part in found.parts)
    return [
        path.stem,
        name,
        parts,
        rows_of(found.original, found.network),
        " -> ".join(map(str, found.parameters)),
        f"{decided - start:.1f} + {done - decided:.1f}",
        f"{found.max_deviation.max():.2g}",
        f"{np.abs(before - after).max():.2g}",
        accuracy,
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--box", nargs=2, type=float, default=(0.0, 1.0))
    parser.add_argument("--domain", help="a VNN-LIB property, for its inputs")
    parser.add_argument("--images", help="an .npz with x_test and y_test")
    parser.add_argument("--balls", type=int, default=0, help="so many balls around images")
    parser.add_argument("--radius", type=float, default=1 / 255)
    parser.add_argument("--time-limit", type=float, default=60.0)
    arguments = parser.parse_args()
    images = dict(np.load(arguments.images)) if arguments.images else None
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for path in arguments.files:
        for name, domain in domains(arguments, images):
            cells = row(path, name, domain, images, arguments.time_limit)
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
