"""What exact compression buys in inference: latency of onnxruntime on one core.

    python benchmarks/latency.py NETWORKS

Files are written anew before and after compression on a box (`strategy="bounds"`, `form="chain"`),
with matrices and rectifiers alone, and called in turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Network, Signature, classify, compress, load, save
from leo_opt.verification import load_property

LATENCIES = {
    "mnist/mnist_100-100_l1_0.0005_s0.onnx": "",
    "mnist/mnist_100-100-100-100-100_l1_0.0002_s0.onnx": "",
    "mnist/mnist_400-400_l1_0.0001_s0.onnx": "",
    "mnist/mnist_800-800_l1_0.0001_s0.onnx": "",
    "mnistfc/mnist-net_256x2.onnx": "prop_0_0.03.vnnlib",
    "real/cora/mnist-set.onnx": "mnist-img6.vnnlib",
    "acasxu/ACASXU_run2a_1_1_batch_2000.onnx": "prop_4.vnnlib",
}
"""Files, with the property on whose box they are compressed, or on [0, 1]."""
_HEADINGS = (
    *("network", "units", "after", "one input, us", "after", "speed-up"),
    *("256 inputs, us", "after", "speed-up"),
)


def latencies(networks: Path, folder: Path) -> Iterator[tuple[str, ...]]:
    """Microseconds a call of onnxruntime on one core, of files before and after, one input and
    256 at once: the median of 200 calls, the two files in turns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for path, box in LATENCIES.items():
        # Without the shapes of the file, of which some take one input at a time.
        network = Network(load(networks / path).layers, Signature(dtype="float32"))
        domain = Box(0, 1) if not box else load_property((networks / path).with_name(box)).domain
        known = classify(network, domain, strategy="bounds")
        smaller = compress(network, known, form="chain")
        files = folder / "before.onnx", folder / "after.onnx"
        save(network, files[0])
        smaller.save(files[1])
        sessions = [onnxruntime.InferenceSession(str(file), options) for file in files]
        cells = [f"{Path(path).stem} {Path(box).stem or '[0, 1]'}"]
        cells += [f"{n.kinds.total()}" for n in (network, smaller.network)]
        for count in (1, 256):
            points = known.domain.sample(count, np.random.default_rng(0)).astype(np.float32)
            seconds: list[list[float]] = [[], []]
            for _ in range(200):
                for session, own in zip(sessions, seconds, strict=True):
                    begin = time.perf_counter()
                    session.run(None, {session.get_inputs()[0].name: points})
                    own.append(time.perf_counter() - begin)
            first, second = (statistics.median(own) for own in seconds)
            cells += [f"{1e6 * first:.0f}", f"{1e6 * second:.0f}", f"{first / second:.1f}"]
        yield tuple(cells)


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(networks: Path) -> None:
    """Print the table."""
    click.echo(f"| {' | '.join(_HEADINGS)} |\n|---{'|---:' * (len(_HEADINGS) - 1)}|")
    with tempfile.TemporaryDirectory() as folder:
        for cells in latencies(networks, Path(folder)):
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
