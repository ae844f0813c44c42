"""Pieces of a box: what bounds say of each, and along which input it is halved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.deadline import Deadline
from leo_opt.decisions.goals import Goals
from leo_opt.decisions.splitting_state import SplitState
from leo_opt.domain import Boxes
from leo_opt.network import FloatArray
from leo_opt.witnesses import directions

_PROBES = 4
"""Random points of a piece whose gradients say where to halve it."""


@dataclass(frozen=True, eq=False)
class Pieces:
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
    def at(cls, start: SplitState, goals: Goals) -> Pieces:
        """Those that wait, each of which may leave every goal open."""
        count = len(start.boxes)
        ends = np.tile(goals.ends if goals.thorough else goals.ends[:0], (count, 1))
        return cls(start.boxes, start.shares, np.ones((count, goals.count), dtype=bool), ends)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice | BoolArray) -> Pieces:
        return Pieces(self.boxes[rows], self.shares[rows], self.open[rows], self.ends[rows])

    def join(self, other: Pieces) -> Pieces:
        """These, then the others."""
        return Pieces(
            self.boxes.join(other.boxes),
            np.concatenate([self.shares, other.shares]),
            np.vstack([self.open, other.open]),
            np.vstack([self.ends, other.ends]),
        )

    def halve(self, along: IntArray) -> Pieces:
        """Both halves of each."""
        halves = replace(self, shares=0.5 * self.shares)
        return replace(halves.join(halves), boxes=self.boxes.halve(along))


@dataclass(frozen=True, eq=False)
class Chunk:
    """Pieces to bound and halve, which goals are wanted, and what seeds the probes."""

    goals: Goals
    pieces: Pieces
    wanted: BoolArray
    seed: tuple[int, ...]
    ends_at: float | None
    memory: float


@dataclass(frozen=True, eq=False)
class Halved:
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
    pieces: Pieces


def halve_chunk(chunk: Chunk) -> Halved:
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
    return Halved(
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
    pieces: Pieces,
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
