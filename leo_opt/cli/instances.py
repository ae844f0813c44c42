"""`leo-opt verify` on many instances: one line each, and a table that a later run goes on with."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from leo_opt import formats
from leo_opt.cli.options import SELECTION
from leo_opt.deadline import Deadline
from leo_opt.errors import LeoOptError, OutputError
from leo_opt.network import Network
from leo_opt.solvers import find as find_solver
from leo_opt.verification import Progress, load_property, save_witness, verify
from leo_opt.verification.instances import Instance, InstanceResult, ResultsTable
from leo_opt.verification.settings import VerifySettings

EXIT_CODES = {"violated": 1, "error": 2, "unknown": 3, "holds": 0}
"""By answer; of several answers the first in this order counts. 2 is bad input, as everywhere."""


def verify_each(
    instances: Sequence[Instance],
    table_file: str | None,
    witness_folder: str | None,
    narrate: Callable[[Progress], None] | None,
    options: dict[str, Any],
) -> int:
    """Decide all instances that are not decided in the table already; the exit code."""
    if witness_folder is not None:
        _make_folder(witness_folder)
    # What is wrong with the options is wrong with every instance.
    VerifySettings(**{name: value for name, value in options.items() if name not in SELECTION})
    find_solver(options["solver"])
    run = _Run(witness_folder, narrate, options)
    table = ResultsTable(instances, table_file)
    done = 0
    try:
        for position, (instance, known) in enumerate(zip(instances, list(table), strict=True)):
            limit, files = run.limit_of(instance), instance.digest()
            if known is not None and known.stands(_text(limit), run.described, files):
                result, source = known, f"in {table_file}"
            else:
                result, source = run.decide(instance, position, limit, files)
                table.put(position, result)
            done += 1
            click.echo(f"{done} of {len(instances)}: {_describe(instance, result, source)}")
    except KeyboardInterrupt:
        kept = (
            "they stand above; with -o FILE.csv a run can be continued"
            if table_file is None
            else f"they are in {table_file}; run the same command again to go on"
        )
        click.echo(f"{done} of {len(instances)} instances are decided: {kept}.", err=True)
        raise
    counts = Counter(result.answer for result in table if result is not None)
    told = ", ".join(f"{counts[answer]} {answer}" for answer in EXIT_CODES if counts[answer])
    click.echo(f"{len(instances)} instances: {told or 'nothing to do'}")
    return next((code for answer, code in EXIT_CODES.items() if counts[answer]), 0)


def _make_folder(path: str) -> None:
    """Make a folder, or find out that it cannot be made."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {path} cannot be made: {error.strerror}") from error


def _text(limit: float | None) -> str:
    """A time limit in the table."""
    return "" if limit is None else f"{limit:g}"


def _describe(instance: Instance, result: InstanceResult, source: str) -> str:
    """One line about an instance."""
    where = f"line {instance.line}, " if result.answer == "error" and instance.line else ""
    note = f": {' '.join(result.note.split())}" if result.note else ""
    return f"{result.answer}, {source}, {where}{result.network} {result.property}{note}"


class _Run:
    """What the instances of a run share: options, and the network that was loaded last."""

    def __init__(
        self,
        witness_folder: str | None,
        narrate: Callable[[Progress], None] | None,
        options: dict[str, Any],
    ) -> None:
        self._folder = witness_folder
        self._narrate = narrate
        self._options = dict(options)
        self._selection = {name: self._options.pop(name) for name in SELECTION}
        most: Deadline | None = self._options.pop("time_limit")
        self._most = None if most is None else most.seconds
        self._network: tuple[Path, Network] | None = None
        chosen = {name: value for name, value in self._selection.items() if value}
        told = self._options | chosen
        self.described = " ".join(f"{name}={value}" for name, value in told.items())

    def limit_of(self, instance: Instance) -> float | None:
        """The smaller one of the limits of an instance and of the command."""
        limits = [limit for limit in (instance.seconds, self._most) if limit is not None]
        return min(limits, default=None)

    def decide(
        self, instance: Instance, position: int, limit: float | None, files: str
    ) -> tuple[InstanceResult, str]:
        """The result of an instance, and how long it took."""
        start = time.monotonic()
        found = {"network": instance.network, "property": instance.asked, "limit": _text(limit)}
        found |= {"options": self.described, "files": files}
        try:
            found |= self._verify(instance, position, limit)
        except (LeoOptError, MemoryError) as error:
            # A full disk is no fault of the instance.
            if isinstance(error, OutputError):
                raise
            note = "out of memory" if isinstance(error, MemoryError) else str(error)
            found |= {"answer": "error", "note": note}
        seconds = f"{time.monotonic() - start:.2f}"
        return InstanceResult(seconds=seconds, **found), f"{seconds} s"

    def _verify(self, instance: Instance, position: int, limit: float | None) -> dict[str, str]:
        """What the table says of an instance that can be read."""
        deadline = None if limit is None else Deadline(limit)
        if instance.problem:
            return {"answer": "error", "note": instance.problem}
        verdict = verify(
            self._load(instance.network_file),
            load_property(instance.property_file),
            time_limit=deadline,
            progress=self._narrate,
            **self._options,
        )
        written: tuple[str, ...] = ()
        if self._folder is not None:
            stem = instance.property_file.name.partition(".vnnlib")[0]
            name = os.path.join(self._folder, f"{position + 1:04d}-{stem}.txt")
            written = save_witness(verdict, name)
        return {
            "answer": str(verdict.answer),
            "certified": "yes" if verdict.certified else "",
            "witness": " ".join(written[:1]),
            "note": "; ".join(verdict.reasons),
        }

    def _load(self, path: Path) -> Network:
        """A network, which is often that of the instance before."""
        if self._network is None or self._network[0] != path:
            self._network = path, formats.load(path, **self._selection)
        return self._network[1]
