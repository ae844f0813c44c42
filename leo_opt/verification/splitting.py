"""Halve the box until on every piece of it some inequality of each case fails.

Certified: on a piece a case is refuted by a bound that carries its rounding error. The input to
halve is the one along which the slacks vary most, averaged over some points of the piece: units
that are off at one point of it are on at another.

References
----------
S. Wang, K. Pei, J. Whitehouse, J. Yang, S. Jana, Formal Security Analysis of Neural Networks
using Symbolic Intervals, USENIX Security 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leo_opt.bounds import crown
from leo_opt.bounds.pieces import bound_pieces, boxes_at_once
from leo_opt.deadline import Deadline
from leo_opt.domain import Boxes
from leo_opt.network import FloatArray
from leo_opt.parallel import JobFailure, Workers
from leo_opt.verification.attack import Witness, check, ties
from leo_opt.verification.order import run_in_order
from leo_opt.verification.questions import Question
from leo_opt.witnesses import directions

MOST_INPUTS = 12
"""Inputs that can vary, beyond which halving one at a time gains too little."""
_ROUND = 4
"""Chunks of a round, which may be bounded at the same time."""
_PROBES = 5
"""Random points of a piece whose gradients say where to halve it."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Boxes with what is known on each of them.

    Parameters
    ----------
    boxes
        N boxes.
    lower, upper : one (N, n_out) array a layer
        Certified bounds of the pre-activations.
    open : (N, conjuncts) array
        Which conjuncts are still possible on which box.
    """

    boxes: Boxes
    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    open: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice | NDArray[np.bool_]) -> Pieces:
        return Pieces(
            self.boxes[rows],
            tuple(side[rows] for side in self.lower),
            tuple(side[rows] for side in self.upper),
            self.open[rows],
        )

    def halve(self, dimensions: NDArray[np.int64]) -> Pieces:
        """Both halves of each box; what holds on a box holds on its halves."""
        return Pieces(
            self.boxes.halve(dimensions),
            tuple(np.vstack([side, side]) for side in self.lower),
            tuple(np.vstack([side, side]) for side in self.upper),
            np.vstack([self.open, self.open]),
        )

    def join(self, *others: Pieces) -> Pieces:
        """These pieces, then the others."""
        every = (self, *others)
        layers = range(len(self.lower))
        return Pieces(
            Boxes(
                np.vstack([pieces.boxes.lower for pieces in every]),
                np.vstack([pieces.boxes.upper for pieces in every]),
            ),
            tuple(np.vstack([pieces.lower[k] for pieces in every]) for k in layers),
            tuple(np.vstack([pieces.upper[k] for pieces in every]) for k in layers),
            np.vstack([pieces.open for pieces in every]),
        )


@dataclass(frozen=True, eq=False)
class Splitting:
    """What input splitting found.

    Parameters
    ----------
    refuted
        Cases that are impossible on the whole box; certified.
    witness
        An input that shows a case to be possible, or None.
    pieces
        Boxes that were bounded.
    """

    refuted: tuple[int, ...]
    witness: Witness | None
    pieces: int


def is_low_dimensional(question: Question) -> bool:
    """Whether so few inputs can vary that splitting pays."""
    domain = question.domain
    return int((domain.lower < domain.upper).sum()) <= MOST_INPUTS


def split(
    question: Question,
    deadline: Deadline,
    piece_limit: int,
    seed: int,
    workers: Workers,
    report: Callable[[int, int], None],
) -> Splitting:
    """Refute the conjuncts of a question on pieces that cover its box, or find a witness.

    Parameters
    ----------
    piece_limit
        Most boxes to bound.
    workers
        They bound the chunks of a round, which is the same however many they are.
    report
        Called with the numbers of boxes bounded and waiting.
    """
    waiting, bounded, rounds = [_whole(question)], 0, 0
    size = boxes_at_once(question.mixed_network)
    stuck = np.zeros(len(question.conjuncts), dtype=bool)
    while waiting and bounded < piece_limit and not deadline.passed:
        chunks = _take(waiting, size)
        jobs = [
            _Chunk(question, chunk, (seed, rounds, k), deadline.at)
            for k, chunk in enumerate(chunks)
        ]
        rounds += 1
        for halved in run_in_order(workers, _halve, jobs):
            if isinstance(halved, JobFailure):
                return Splitting((), None, bounded)
            bounded += halved.bounded
            if halved.witness is not None:
                return Splitting((), halved.witness, bounded)
            stuck |= halved.stuck
            if halved.pieces is not None:
                waiting.append(halved.pieces)
        report(bounded, sum(map(len, waiting)))
    still = np.asarray(np.vstack([stuck, *(pieces.open for pieces in waiting)]).any(axis=0))
    refuted = [c.case for c, left in zip(question.conjuncts, still, strict=True) if not left]
    return Splitting(tuple(refuted), None, bounded)


def _take(waiting: list[Pieces], size: int) -> list[Pieces]:
    """Chunks of some size for one round, taken from the end of a list."""
    taken, count, most = [], 0, _ROUND * size
    while waiting and count < most:
        taken.append(waiting.pop())
        count += len(taken[-1])
    whole = taken[0].join(*taken[1:])
    more = whole[most:]
    if len(more):
        waiting.append(more)
    return [whole[start : start + size] for start in range(0, min(len(whole), most), size)]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Pieces to bound and halve while time lasts, and what seeds the probes that say where."""

    question: Question
    pieces: Pieces
    seed: tuple[int, ...]
    ends_at: float | None


@dataclass(frozen=True, eq=False)
class _Halved:
    """What became of a chunk.

    Parameters
    ----------
    bounded
        Boxes that were bounded.
    witness
        An input that shows a case to be possible, or None; then nothing else is known.
    stuck : (conjuncts,) array
        Which conjuncts are open on a box that is of no use to halve: one that has no halves, or
        whose centre no rounding can tell from a witness.
    pieces
        Halves of the boxes on which some conjunct is open, or None.
    """

    bounded: int
    witness: Witness | None
    stuck: NDArray[np.bool_]
    pieces: Pieces | None


def _halve(chunk: _Chunk) -> _Halved:
    """Bound the boxes of a chunk and halve those that are left."""
    question, pieces = chunk.question, chunk.pieces
    count, stuck = len(pieces), np.zeros(len(question.conjuncts), dtype=bool)
    # Where sums overflow nothing is proved.
    with np.errstate(over="ignore", invalid="ignore"):
        centres = pieces.boxes.centres
        deadline = Deadline.until(chunk.ends_at, None)
        witness = check(question, centres, deadline)
        if witness is not None:
            return _Halved(count, witness, stuck, None)
        pieces, slacks = _bound(question, pieces, deadline)
        # Between neighbouring floats there is nothing left to halve.
        wide = np.nextafter(pieces.boxes.lower, np.inf) < pieces.boxes.upper
        hopeless = pieces.open & (~wide.any(axis=1, keepdims=True) | ties(question, centres))
        stuck = np.asarray(hopeless.any(axis=0))
        pieces = replace(pieces, open=pieces.open & ~hopeless)
        going = np.asarray(pieces.open.any(axis=1) & wide.any(axis=1))
        pieces, slacks, wide = pieces[going], slacks[going], wide[going]
        if not len(pieces):
            return _Halved(count, None, stuck, None)
        generator = np.random.default_rng(chunk.seed)
        chosen = _choose(question, pieces, slacks, wide, generator)
        return _Halved(count, None, stuck, pieces.halve(chosen))


def _whole(question: Question) -> Pieces:
    """The whole box as the only piece."""
    domain, bounds = question.domain, question.bounds
    return Pieces(
        Boxes(domain.lower[None, :], domain.upper[None, :]),
        tuple(side[None, :] for side in bounds.lower),
        tuple(side[None, :] for side in bounds.upper),
        np.ones((1, len(question.conjuncts)), dtype=bool),
    )


def _bound(question: Question, pieces: Pieces, deadline: Deadline) -> tuple[Pieces, FloatArray]:
    """The pieces with tighter bounds, and lower bounds of slacks and mixtures (N, m)."""
    network = question.mixed_network
    lower, upper = bound_pieces(network, pieces.boxes, pieces.lower, pieces.upper, deadline)
    slacks, _ = crown.bound_layer(
        network, pieces.boxes, len(network.layers) - 1, lower, upper, ("adaptive",), deadline
    )
    still = pieces.open & (question.best(slacks) < 0.0)
    return Pieces(pieces.boxes, tuple(lower), tuple(upper), still), slacks


def _choose(
    question: Question,
    pieces: Pieces,
    slacks: FloatArray,
    wide: NDArray[np.bool_],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """The input along which the most promising slack of each piece varies most, (N,).

    That is the slack with the largest bound, of the open conjunct that is farthest from refuted.
    """
    hardest = np.where(pieces.open, question.best(slacks), np.inf).argmin(axis=1)
    mine = question.mixed_owners == hardest[:, None]
    row = np.where(mine, slacks, -np.inf).argmax(axis=1)
    boxes, layer = pieces.boxes, len(question.mixed_network.layers) - 1
    width = boxes.upper - boxes.lower
    influence = np.zeros_like(width)
    for _ in range(_PROBES):
        points = boxes.lower + width * generator.random(width.shape)
        gradient = directions(question.mixed_network, points, layer, row, np.ones(row.size))
        influence += np.abs(gradient)
    # Where no gradient shows anything the widest input is halved.
    share = width / np.maximum(width.max(axis=1, keepdims=True), 1e-300)
    effect = influence * width
    effect += share * (1e-6 * effect.max(axis=1, keepdims=True) + 1e-12)
    return np.asarray(np.where(wide, effect, -1.0).argmax(axis=1), dtype=np.int64)
