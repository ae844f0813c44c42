"""What was found of trained networks: kept in one file, shown as a table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leo_opt.errors import FileFormatError, MismatchError
from leo_opt.reproduction.experiments import Experiment, TableRow
from leo_opt.storage import codec
from leo_opt.storage.files import AnyPath, check_readable, write_atomically
from leo_opt.tables import Table

FORMAT = "leo-opt reproduction 1"


@dataclass(frozen=True)
class Shrunk:
    """What rewrites leave of a network.

    Parameters
    ----------
    removed
        Hidden units fewer than before, for each layer.
    parameters
        Weights and biases that are left.
    deviation
        Proved bound on the difference of any output.
    changed
        Predictions on the images for testing that are not those of the network.
    seconds
        Of the processor, for the rewriting.
    """

    removed: tuple[int, ...]
    parameters: int
    deviation: float
    changed: int
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A trained network and what is left of it.

    Parameters
    ----------
    hidden, penalty, seed
        Which one it is.
    accuracy
        On the images for testing, in percent.
    active, inactive, undecided
        Stably active and inactive units of each hidden layer, and those of which it is not known.
    parameters
        Weights and biases.
    seconds
        Of the processor, for the verdicts.
    leo, ours
        What LEO's rewrites leave, and `compress`.
    """

    hidden: tuple[int, ...]
    penalty: float
    seed: int
    accuracy: float
    active: tuple[int, ...]
    inactive: tuple[int, ...]
    undecided: tuple[int, ...]
    parameters: int
    seconds: float
    leo: Shrunk
    ours: Shrunk


@dataclass(frozen=True)
class Reproduction:
    """All that was found in a setting.

    Parameters
    ----------
    title, setting
        Of the experiment.
    data
        Hash of the images.
    networks
        In the order in which they were done.
    """

    title: str
    setting: str
    data: str
    networks: tuple[Trained, ...] = ()
    format: str = FORMAT

    def of(self, row: TableRow) -> tuple[Trained, ...]:
        """The networks of a row."""
        key = row.hidden, row.penalty
        return tuple(one for one in self.networks if (one.hidden, one.penalty) == key)

    def save(self, path: AnyPath) -> None:
        """Write the file, whole or not at all."""
        rows = ",\n".join(
            f"  {json.dumps(codec.to_tree(one), allow_nan=False)}" for one in self.networks
        )
        head = {k: v for k, v in codec.to_tree(self).items() if k != "networks"}
        text = json.dumps(head, indent=1)[:-2] + f',\n "networks": [\n{rows}\n ]\n}}\n'
        write_atomically(path, text.encode())

    def table(self, experiment: Experiment) -> Table:
        """Row by row what the paper has, what LEO's rewrites and what ours leave."""
        texts = [text for row in experiment.rows for text in _texts(row, self.of(row))]
        columns = (
            *("units", "L1 weight", "who", "networks", "accuracy %", "units removed a layer"),
            *("units removed %", "parameters removed %", "CPU s"),
        )
        missing: dict[str, list[str]] = {}
        for row in experiment.rows:
            if not self.of(row):
                missing.setdefault(row.widths, []).append(f"{row.penalty:g}")
        remarks = tuple(
            f"not trained: {widths} with L1 weight {', '.join(weights)}"
            for widths, weights in missing.items()
        )
        return Table(columns, tuple(texts), remarks=remarks)


def read_results(path: AnyPath) -> Reproduction:
    """What `Reproduction.save` has written.

    Raises
    ------
    FileFormatError
        If the file holds something else.
    """
    try:
        return codec.from_json(check_readable(path).read_bytes(), Reproduction, FORMAT)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from error


def continued(path: Path, fresh: Reproduction) -> Reproduction:
    """What a file has from an earlier run in the same setting, or the fresh start.

    Raises
    ------
    MismatchError
        If the file is of another setting.
    """
    if not path.exists():
        return fresh
    found = read_results(path)
    for name in ("title", "setting", "data"):
        mine, other = getattr(fresh, name), getattr(found, name)
        if mine != other:
            raise MismatchError(
                f"{path} is of another run, with {name} {other!r} instead of {mine!r}; choose "
                "another folder"
            )
    return found


def _texts(row: TableRow, networks: Sequence[Trained]) -> list[tuple[str, ...]]:
    """Of the paper, of LEO's rewrites, and of ours."""
    head = row.widths, f"{row.penalty:g}"
    rows: list[tuple[str, ...]] = []
    if row.published is not None:
        paper = row.published
        removed = ", ".join(paper.removed)
        rows.append((*head, "paper", "31", paper.accuracy, removed, paper.compression, "-", "-"))
    for who, parts in (
        ("LEO's rewrites", [(one, one.leo) for one in networks]),
        ("compress", [(one, one.ours) for one in networks]),
    ):
        if not parts:
            continue
        units, layers = sum(row.hidden), range(len(row.hidden))
        rows.append(
            (
                *(*head, who, str(len(parts))),
                _mean((one.accuracy for one, _ in parts), 2),
                ", ".join(_mean((left.removed[k] for _, left in parts), 1) for k in layers),
                _mean((100.0 * sum(left.removed) / units for _, left in parts), 1),
                _mean((100.0 * (1.0 - left.parameters / one.parameters) for one, left in parts), 1),
                _mean((one.seconds + left.seconds for one, left in parts), 1),
            )
        )
    return rows


def _mean(values: Iterable[float], digits: int) -> str:
    """The mean, and where there are several values its standard error."""
    found = list(values)
    mean = f"{statistics.fmean(found):.{digits}f}"
    if len(found) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(found) / len(found) ** 0.5:.{digits}f}"
