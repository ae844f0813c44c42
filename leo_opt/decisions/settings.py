"""What a run may spend and how it reports, as values; each option is written once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, fields

from numpy.typing import ArrayLike

from leo_opt.arguments import (
    MOST_SEED,
    MOST_WORKERS,
    Options,
    at_most,
    not_negative,
    option,
    optional,
    positive,
    read_callback,
    read_executor,
    read_number,
    read_path,
    read_whole,
)
from leo_opt.deadline import MEMORY, Deadline, read_deadline, read_limit, read_memory
from leo_opt.formulations import FormulationLike, read_choice
from leo_opt.storage.files import AnyPath


@dataclass(frozen=True)
class Progress:
    """Where a classification or a verification stands.

    Parameters
    ----------
    stage
        "bounds", "witness", "tighten", "joint" or one of `cascade.STAGES`; of a verification
        "crown" or one of its own.
    open, asked
        Directions of the layer, or cases of the property, still without an answer, and all that
        the stage began with.
    remaining
        Seconds left of the time limit, or None without one.
    layer
        The layer at work, an index into network.layers; None for a verification.
    share
        Of the work of the stage that is done, where that says more than `open`: of the box, for
        input splitting, which settles everything at its end.
    note
        What the stage itself counts, such as "512 pieces", or "".
    """

    stage: str
    open: int
    asked: int
    remaining: float | None = None
    layer: int | None = None
    share: float | None = None
    note: str = ""

    def __str__(self) -> str:
        """One line."""
        where, what = f"{self.stage}:", "cases"
        if self.layer is not None:
            where, what = f"layer {self.layer}: {self.stage},", "directions"
        note = self.note and f", {self.note}"
        left = "" if self.remaining is None else f", {self.remaining:.0f} s left"
        return f"{where} {self.open} of {self.asked} {what} open{note}{left}"


@dataclass(frozen=True)
class Milps(Options):
    """How MILPs are asked: the part of `Settings` that travels with them."""

    solver: str = "highs"
    formulation: FormulationLike = option("big-m", read_choice)
    node_limit: int | None = option(None, optional(positive(read_whole)))
    margin: float = option(2e-6, positive(read_number))
    seed: int = option(0, at_most(MOST_SEED, not_negative(read_whole)))
    memory: float = option(MEMORY, read_memory)


@dataclass(frozen=True)
class Settings(Milps):
    """Options of every run; see `classify` and `verify`."""

    time_limit: float | Deadline | None = option(None, read_deadline)
    workers: int = option(1, at_most(MOST_WORKERS, positive(read_whole)))
    executor: Executor | None = option(None, optional(read_executor))
    progress: Callable[[Progress], None] | None = option(None, optional(read_callback))

    @property
    def milps(self) -> Milps:
        """What travels."""
        return Milps(**{one.name: getattr(self, one.name) for one in fields(Milps)})


@dataclass(frozen=True)
class ClassifySettings(Settings):
    """Options of `classify` that every strategy understands; see there."""

    samples: ArrayLike | None = None
    unit_time_limit: float | None = option(60.0, read_limit)
    checkpoint: AnyPath | None = option(None, optional(read_path))
