"""Training and compressing the networks of an experiment, one seed of all rows after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from leo_opt.compression import Compression, compress, compress_as_published
from leo_opt.decisions import classify
from leo_opt.domain import Box
from leo_opt.errors import OutputError
from leo_opt.formats import load
from leo_opt.network import Network
from leo_opt.reproduction.experiments import Experiment, TableRow
from leo_opt.reproduction.results import Reproduction, Shrunk, Trained, continued
from leo_opt.stability import Phase, Stability
from leo_opt.training import Samples
from leo_opt.training.resumed import train_files

FILE = "results.json"
_WITNESSES = 10_000
"""Images to train on that are tried as witnesses."""
_UNIT_SECONDS = 60.0
"""For one MILP."""
_TOLD = 10
"""Epochs from one word about them to the next."""


def reproduce(
    experiment: Experiment,
    samples: Samples,
    folder: Path,
    seeds: int,
    tell: Callable[[str], None] = lambda words: None,
    train: bool = True,
) -> Reproduction:
    """Train and compress the networks of an experiment, but for what a folder holds of them.

    Parameters
    ----------
    folder
        Networks are kept there, one file each, and what is found of them in `results.json`.
    seeds
        Networks a row.
    tell
        Called with words about what is being done.
    train
        Without it only networks that are in the folder are looked at.

    Raises
    ------
    MismatchError
        If the folder is of another experiment, setting or data.
    OutputError
        If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    fresh = Reproduction(experiment.title, str(experiment.setting), samples.content_hash)
    results = continued(folder / FILE, fresh)
    results.save(folder / FILE)
    for seed in range(seeds):
        for hidden, group in groupby(experiment.rows, lambda row: row.hidden):
            rows = {folder / f"{row.name(seed)}.onnx": row for row in group}
            who = f"seed {seed}, {'-'.join(map(str, hidden))}"
            penalties = {path: row.penalty for path, row in rows.items()}
            missing = penalties if train else {}
            for epoch in train_files(missing, hidden, seed, samples, experiment.setting):
                if epoch % _TOLD == 0:
                    tell(f"{who}: {epoch} of {experiment.setting.epochs} epochs")
            for path, row in rows.items():
                if path.exists() and all(one.seed != seed for one in results.of(row)):
                    tell(f"{who}: L1 weight {row.penalty:g}")
                    found = examine(load(path), row, seed, samples)
                    results = replace(results, networks=(*results.networks, found))
                    results.save(folder / FILE)
    return results


def examine(network: Network, row: TableRow, seed: int, samples: Samples) -> Trained:
    """What is left of a trained network by LEO's rewrites and by ours, for inputs in [0, 1]."""
    begin = time.process_time()
    stability = classify(
        network,
        Box(0.0, 1.0),
        samples=samples.inputs[:_WITNESSES],
        unit_time_limit=_UNIT_SECONDS,
    )
    seconds = time.process_time() - begin
    points = samples.test_inputs.astype(np.float64)
    predicted = network(points).argmax(axis=1)

    def shrunk(rewrite: Callable[[Network, Stability], Compression]) -> Shrunk:
        begin = time.process_time()
        result = rewrite(network, stability)
        spent = time.process_time() - begin
        return Shrunk(
            tuple(n - len(kept) for n, kept in zip(row.hidden, result.kept, strict=False)),
            result.network.parameters,
            float(result.max_deviation.max()),
            int((result.network(points).argmax(axis=1) != predicted).sum()),
            spent,
        )

    def count(phase: Phase) -> tuple[int, ...]:
        hidden = stability.phases[: len(row.hidden)]
        return tuple(sum(one is phase for one in layer) for layer in hidden)

    return Trained(
        row.hidden,
        row.penalty,
        seed,
        100.0 * float((predicted == samples.test_labels).mean()),
        count(Phase.STABLY_ACTIVE),
        count(Phase.STABLY_INACTIVE),
        count(Phase.UNDECIDED),
        network.parameters,
        seconds,
        shrunk(compress_as_published),
        shrunk(compress),
    )
