"""Training that can be killed: a checkpoint goes along, and networks are written whole."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from leo_opt.blas import one_blas_thread
from leo_opt.formats import save
from leo_opt.storage.files import write_atomically
from leo_opt.training.samples import Samples
from leo_opt.training.stack import Setting, Stack

_SECONDS = 60.0
"""Between two checkpoints."""


def train_files(
    targets: Mapping[Path, float],
    hidden: tuple[int, ...],
    seed: int,
    samples: Samples,
    setting: Setting,
) -> Iterator[int]:
    """Train the networks whose files are not there yet, side by side, and write them.

    A run that was killed goes on from its last checkpoint, a file beside the first network.

    Parameters
    ----------
    targets
        The L1 penalty of each network, by its file.
    hidden
        Units of each hidden layer, the same for all.

    Yields
    ------
    int
        After each epoch the number of those that are done.

    Raises
    ------
    InvalidInputError
        If the training diverges.
    OutputError
        If a file cannot be written.
    """
    missing = {path: penalty for path, penalty in targets.items() if not path.exists()}
    if not missing:
        return
    widths = (samples.inputs.shape[1], *hidden, samples.classes)
    stack = Stack(widths, list(missing.values()), seed, setting)
    checkpoint = next(iter(missing)).with_suffix(f".of-{len(missing)}.partial.npz")
    if checkpoint.exists():
        with np.load(checkpoint, allow_pickle=False) as kept:
            stack.restore(dict(kept))
    written = time.monotonic()
    while stack.epoch < setting.epochs:
        with one_blas_thread():
            stack.run_epoch(samples.inputs, samples.labels)
        if time.monotonic() - written > _SECONDS:
            _write(checkpoint, stack)
            written = time.monotonic()
        yield stack.epoch
    for path, network in zip(missing, stack.networks(), strict=True):
        save(network, path, dtype="float32")
    checkpoint.unlink(missing_ok=True)


def _write(path: Path, stack: Stack) -> None:
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **stack.state())
    write_atomically(path, content.getvalue())
