"""Input splitting: halve the box until bounds decide every piece of it.

For boxes in which few inputs vary this settles many goals at once, and every bound it proves is
certified: the largest of the bounds of pieces that cover the box. The input to halve is the one
along which the rows of open goals vary most, averaged over some points of the piece: units that
are off at one point of it are on at another.

References
----------
S. Wang, K. Pei, J. Whitehouse, J. Yang, S. Jana, Formal Security Analysis of Neural Networks
using Symbolic Intervals, USENIX Security 2018, section 4 (iterative interval refinement).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leo_opt.arrays import BoolArray
from leo_opt.bounds import Bounds
from leo_opt.bounds.pieces import boxes_at_once
from leo_opt.deadline import GIGABYTE, Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.goals import Goals
from leo_opt.decisions.halving import Chunk, Halved, Pieces, halve_chunk
from leo_opt.decisions.splitting_state import (
    ANY_BUDGET,
    NO_RECORD,
    Pace,
    Record,
    Rhythm,
    SplitState,
)
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network
from leo_opt.parallel import JobFailure, Workers
from leo_opt.witnesses import Witnesses, collect

MOST_INPUTS = 12
"""Inputs that can vary, beyond which halving one of them at a time gains too little."""
_ROUND = 4
"""Chunks of a round of a thorough run, which may be bounded at the same time. Others have one: the
fewer pieces wait, the fewer are left to bound at the end."""


@dataclass(frozen=True, eq=False)
class Splitting:
    """What input splitting found.

    Parameters
    ----------
    lower, upper : one (n_out,) array a layer
        Proved bounds of the pre-activations on the whole box; a thorough one has none.
    settled : (goals,) array
        Which goals are nowhere positive.
    pieces
        Boxes that were bounded, those of the run that it goes on from among them.
    """

    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    settled: BoolArray
    pieces: int


Look = Callable[[FloatArray], BoolArray | None]
"""Tries points (N, n_in) as witnesses: which goals need no further work, (goals,), or None where
none does."""


def few_inputs(domain: Box) -> bool:
    """Whether so few inputs vary that splitting pays."""
    return int((domain.lower < domain.upper).sum()) <= MOST_INPUTS


class _Cover:
    """The largest bounds over the pieces that are done, one array a layer."""

    def __init__(self, start: SplitState) -> None:
        self.lower, self.upper = list(start.lower), list(start.upper)

    def include(self, lower: Sequence[FloatArray], upper: Sequence[FloatArray]) -> None:
        """Widen by the bounds of some pieces, one (N, n_out) array a layer."""
        for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self.lower[layer] = np.minimum(self.lower[layer], low.min(axis=0, initial=np.inf))
            self.upper[layer] = np.maximum(self.upper[layer], high.max(axis=0, initial=-np.inf))


def split(
    goals: Goals,
    look: Look,
    budget: int,
    deadline: Deadline,
    workers: Workers | None = None,
    record: Record = NO_RECORD,
    seed: int = 0,
) -> Splitting:
    """Halve a box until no goal is open on any piece, a limit strikes, or `look` has seen enough.

    Parameters
    ----------
    budget
        Most pieces to bound.
    workers
        They bound the chunks of a round, which is the same however many they are; by default none.
    record
        The way from and to a record of the run.
    """
    domain, start = goals.known.domain.box, record.start
    if start is None or not start.answers(goals.rows, budget):
        start = SplitState.begin(goals.network, domain, goals.rows)
    pace, rhythm, cover = Pace(budget, start, goals.thorough), Rhythm(), _Cover(start)
    waiting = Pieces.at(start, goals)
    tied = goals.holding(start.tied)
    stuck, lost = np.zeros(goals.count, dtype=bool), False
    shown = look(start.points)

    def state(reached: int = 0) -> SplitState:
        left = waiting[slice(0, 0 if reached else None)]
        return _state(goals, tied, cover, left, pace, reached)

    record.report(pace.share, pace.bounded, len(waiting))
    size = boxes_at_once(goals.network)
    most = _ROUND * size if goals.thorough else size
    while len(waiting) and shown is not None and pace.suffices and not (lost or deadline.passed):
        taken, waiting = waiting[slice(-most, None)], waiting[slice(-most)]
        wanted = ~shown & (goals.thorough | ~tied)
        limits = deadline.at, deadline.memory / GIGABYTE
        chunks = [
            Chunk(goals, taken[slice(k, k + size)], wanted, (seed, pace.bounded + k), *limits)
            for k in range(0, len(taken), size)
        ]
        for chunk, halved in zip(chunks, _halve(chunks, workers), strict=False):
            if isinstance(halved, JobFailure):
                waiting, lost = waiting.join(chunk.pieces), True
                continue
            tied, stuck = tied | halved.tied, stuck | halved.stuck
            pace.advance(len(chunk.pieces), halved.share)
            cover.include(halved.lower, halved.upper)
            waiting = waiting.join(halved.pieces)
            shown = look(halved.points) if len(halved.points) else shown
            if shown is None:
                break
        record.report(pace.share, pace.bounded, len(waiting))
        if rhythm.is_due:
            record.keep(state())
    # What was not wanted any more was not looked at either.
    unasked = np.ones(goals.count, dtype=bool) if shown is None else shown
    unasked = unasked if goals.thorough else unasked | tied
    settled = ~(stuck | unasked | waiting.open.any(axis=0))
    if not goals.thorough:
        if len(waiting):
            record.keep(state())
        for first in range(0, len(waiting), size):
            cover.include(*_rest(goals, waiting[slice(first, first + size)], deadline))
        if not deadline.passed and not start.reached:
            record.keep(state(reached=budget if len(waiting) else ANY_BUDGET))
    return Splitting(tuple(cover.lower), tuple(cover.upper), settled, pace.bounded)


def _state(
    goals: Goals, tied: BoolArray, cover: _Cover, left: Pieces, pace: Pace, reached: int
) -> SplitState:
    """What a run is resumed from that has come so far; points are for whoever keeps it to add."""
    gone = tuple(row for row, k in zip(goals.rows, goals.owners, strict=True) if tied[k])
    ends = tuple(cover.lower), tuple(cover.upper)
    nothing = np.empty((0, goals.network.input_size))
    return SplitState(
        goals.rows, gone, *ends, left.boxes, left.shares, nothing, pace.state, reached
    )


def _halve(chunks: list[Chunk], workers: Workers | None) -> Iterable[Halved | JobFailure]:
    """What becomes of chunks, in their order."""
    if workers is None:
        return map(halve_chunk, chunks)
    return workers.in_order(halve_chunk, chunks)


def _rest(
    goals: Goals, pieces: Pieces, deadline: Deadline
) -> tuple[Sequence[FloatArray], Sequence[FloatArray]]:
    """Bounds of pieces that are not halved any more, one (N, n_out) array a layer."""
    if deadline.passed:
        # What holds on the whole box holds on the pieces that are left.
        known = goals.known
        return [low[None] for low in known.lower], [high[None] for high in known.upper]
    return goals.bound(pieces.boxes, deadline)


def split_inputs(
    network: Network,
    known: Bounds,
    asked: Sequence[Direction],
    witnesses: Witnesses,
    budget: int,
    deadline: Deadline,
    record: Record = NO_RECORD,
    seed: int = 0,
) -> tuple[Splitting, Witnesses]:
    """Bounds of all units, and witnesses, from splitting until no direction asked is open.

    It also ends where the budget would not do at the pace of the last pieces.

    Parameters
    ----------
    known
        Finite bounds of all layers on the domain; certified where there is a record.
    """
    goals = Goals.of_directions(network, known, asked)

    def look(points: FloatArray) -> BoolArray:
        nonlocal witnesses
        witnesses = collect(network, known.domain, points, witnesses)
        rows = [
            (witnesses.below if sign < 0 else witnesses.above)[layer][unit]
            for layer, unit, sign in asked
        ]
        return np.array(rows, dtype=np.int64) >= 0

    def keep(state: SplitState) -> None:
        record.keep(replace(state, points=witnesses.inputs))

    found = split(goals, look, budget, deadline, None, replace(record, keep=keep), seed)
    return found, witnesses
