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

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Bounds
from leo_opt.bounds.pieces import boxes_at_once
from leo_opt.deadline import GIGABYTE, Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.goals import Goals
from leo_opt.decisions.splitting_state import (
    ANY_BUDGET,
    NO_RECORD,
    Pace,
    Record,
    Rhythm,
    SplitState,
)
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Network
from leo_opt.parallel import JobFailure, Workers
from leo_opt.witnesses import Witnesses, collect, directions

MOST_INPUTS = 12
"""Inputs that can vary, beyond which halving one of them at a time gains too little."""
_ROUND = 4
"""Chunks of a round of a thorough run, which may be bounded at the same time. Others have one: the
fewer pieces wait, the fewer are left to bound at the end."""
_PROBES = 4
"""Random points of a piece whose gradients say where to halve it."""


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


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Boxes with what is known of each.

    Parameters
    ----------
    shares : (N,) array
        Of the whole box.
    open : (N, goals) array
        Which goals it may leave open.
    ends : (N, ...) array
        Of a thorough run `Goals.ends`, tightened on the box it is a half of: fewer units cross
        zero there. Others keep none, as a run that goes on from a record has none.
    """

    boxes: Boxes
    shares: FloatArray
    open: BoolArray
    ends: FloatArray

    @classmethod
    def at(cls, start: SplitState, goals: Goals) -> _Pieces:
        """Those that wait, each of which may leave every goal open."""
        count = len(start.boxes)
        ends = np.tile(goals.ends if goals.thorough else goals.ends[:0], (count, 1))
        return cls(start.boxes, start.shares, np.ones((count, goals.count), dtype=bool), ends)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice | BoolArray) -> _Pieces:
        return _Pieces(self.boxes[rows], self.shares[rows], self.open[rows], self.ends[rows])

    def join(self, other: _Pieces) -> _Pieces:
        """These, then the others."""
        return _Pieces(
            self.boxes.join(other.boxes),
            np.concatenate([self.shares, other.shares]),
            np.vstack([self.open, other.open]),
            np.vstack([self.ends, other.ends]),
        )

    def halve(self, along: IntArray) -> _Pieces:
        """Both halves of each."""
        halves = replace(self, shares=0.5 * self.shares)
        return replace(halves.join(halves), boxes=self.boxes.halve(along))


class _Cover:
    """The largest bounds over the pieces that are done, one array a layer."""

    def __init__(self, start: SplitState) -> None:
        self.lower, self.upper = list(start.lower), list(start.upper)

    def include(self, lower: Sequence[FloatArray], upper: Sequence[FloatArray]) -> None:
        """Widen by the bounds of some pieces, one (N, n_out) array a layer."""
        for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self.lower[layer] = np.minimum(self.lower[layer], low.min(axis=0, initial=np.inf))
            self.upper[layer] = np.maximum(self.upper[layer], high.max(axis=0, initial=-np.inf))


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Pieces to bound and halve, which goals are wanted, and what seeds the probes."""

    goals: Goals
    pieces: _Pieces
    wanted: BoolArray
    seed: tuple[int, ...]
    ends_at: float | None
    memory: float


@dataclass(frozen=True, eq=False)
class _Halved:
    """What became of a chunk.

    Parameters
    ----------
    points : (N, n_in) array
        Inputs that may be witnesses.
    tied : (goals,) array
        Which goals some point reaches, if only by rounding.
    stuck : (goals,) array
        Which goals are open on a piece that is of no use to halve: one that has no halves, or with
        a point that ties.
    share, lower, upper
        Of the pieces that are done: their share of the whole, and the largest bounds.
    pieces
        Halves of the others.
    """

    points: FloatArray
    tied: BoolArray
    stuck: BoolArray
    share: float
    lower: list[FloatArray]
    upper: list[FloatArray]
    pieces: _Pieces


def _halve(chunk: _Chunk) -> _Halved:
    """Bound the pieces of a chunk and halve those that are not done."""
    goals, pieces = chunk.goals, chunk.pieces
    deadline = Deadline.until(chunk.ends_at, memory=chunk.memory)
    # Where sums overflow nothing is proved.
    with np.errstate(over="ignore", invalid="ignore"):
        centres = pieces.boxes.centres
        reached = goals.reach(centres)
        known = pieces.ends if goals.thorough else None
        lower, upper = goals.bound(pieces.boxes, deadline, known)
        values = goals.at_rows([-low for low in lower], upper)
        # What is not a number is no bound below zero.
        left = ~(goals.least(values) <= 0.0) & chunk.wanted
        # Between neighbouring floats there is nothing left to halve.
        wide = np.nextafter(pieces.boxes.lower, np.inf) < pieces.boxes.upper
        useless = left & (reached | ~wide.any(axis=1, keepdims=True))
        going = np.asarray((left & ~useless).any(axis=1))
        more = replace(pieces, open=left & ~useless)
        if goals.thorough:
            hidden = len(goals.known.lower)
            more = replace(more, ends=np.hstack([*lower[:hidden], *upper[:hidden]]))
        more = more[going]
        generator = np.random.default_rng(chunk.seed)
        along = _choose(goals, more, values[going], wide[going], generator, deadline)
    return _Halved(
        points=centres[(reached & chunk.wanted).any(axis=1)],
        tied=np.asarray(reached.any(axis=0)),
        stuck=np.asarray(useless.any(axis=0)),
        share=float(pieces.shares[~going].sum()),
        lower=[low[~going].min(axis=0, keepdims=True, initial=np.inf) for low in lower],
        upper=[high[~going].max(axis=0, keepdims=True, initial=-np.inf) for high in upper],
        pieces=more.halve(along),
    )


def _choose(
    goals: Goals,
    pieces: _Pieces,
    values: FloatArray,
    wide: BoolArray,
    generator: np.random.Generator,
    deadline: Deadline,
) -> IntArray:
    """For each piece the input along which the most promising rows of its open goals vary most."""
    layers, units, signs = goals.places
    alive, least = pieces.open, goals.least(values)
    if goals.thorough:
        # One witness is enough, and one goal that is left: the one farthest from settled.
        hardest = np.where(alive, least, -np.inf).argmax(axis=1)
        alive = hardest[:, None] == np.arange(goals.count)
    # A row is settled first where its bound is the least of its goal.
    chosen = alive[:, goals.owners] & (values <= least[:, goals.owners])
    width = pieces.boxes.upper - pieces.boxes.lower
    influence = np.zeros_like(width)
    for _ in range(_PROBES):
        points = pieces.boxes.lower + width * generator.random(width.shape)
        for layer in np.unique(layers):
            if deadline.passed:
                break
            rows, columns = np.nonzero(chosen & (layers == layer))
            ones = signs[columns].astype(np.float64)
            gradients = directions(goals.network, points[rows], int(layer), units[columns], ones)
            np.add.at(influence, rows, np.abs(gradients))
    # Where no gradient shows anything the widest input is halved.
    share = width / np.maximum(width.max(axis=1, keepdims=True, initial=0.0), 1e-300)
    effect = influence * width
    effect += share * (1e-6 * effect.max(axis=1, keepdims=True, initial=0.0) + 1e-12)
    return np.asarray(np.where(wide, effect, -1.0).argmax(axis=1), dtype=np.int64)


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
    waiting = _Pieces.at(start, goals)
    tied = goals.holding(start.tied)
    stuck, lost = np.zeros(goals.count, dtype=bool), False
    shown = look(start.points)

    def state(reached: int = 0) -> SplitState:
        boxes = waiting[slice(0, 0 if reached else None)]
        gone = tuple(row for row, k in zip(goals.rows, goals.owners, strict=True) if tied[k])
        ends = tuple(cover.lower), tuple(cover.upper)
        nothing = np.empty((0, goals.network.input_size))
        return SplitState(
            goals.rows, gone, *ends, boxes.boxes, boxes.shares, nothing, pace.state, reached
        )

    record.report(pace.share, pace.bounded, len(waiting))
    size = boxes_at_once(goals.network)
    most = _ROUND * size if goals.thorough else size
    while len(waiting) and shown is not None and pace.suffices and not (lost or deadline.passed):
        taken, waiting = waiting[slice(-most, None)], waiting[slice(-most)]
        wanted = ~shown & (goals.thorough | ~tied)
        limits = deadline.at, deadline.memory / GIGABYTE
        chunks = [
            _Chunk(goals, taken[slice(k, k + size)], wanted, (seed, pace.bounded + k), *limits)
            for k in range(0, len(taken), size)
        ]
        outcomes: Iterable[_Halved | JobFailure] = map(_halve, chunks)
        if workers is not None:
            outcomes = workers.in_order(_halve, chunks)
        for chunk, halved in zip(chunks, outcomes, strict=False):
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


def _rest(
    goals: Goals, pieces: _Pieces, deadline: Deadline
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
