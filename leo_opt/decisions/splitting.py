"""Input splitting: halve the box until bounds decide every piece of it.

For networks with few inputs this settles many directions at once, and every bound it proves is
certified: the largest of the bounds of pieces that cover the box.

References
----------
S. Wang, K. Pei, J. Whitehouse, J. Yang, S. Jana, Formal Security Analysis of Neural Networks
using Symbolic Intervals, USENIX Security 2018, section 4 (iterative interval refinement).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leo_opt.bounds import Bounds
from leo_opt.bounds.pieces import bound_pieces, boxes_at_once
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.splitting_state import (
    ANY_BUDGET,
    NO_RECORD,
    Record,
    Rhythm,
    SplitState,
)
from leo_opt.domain import Boxes
from leo_opt.enclosure import evaluate
from leo_opt.network import FloatArray, Network
from leo_opt.witnesses import Witnesses, collect, directions

MOST_INPUTS = 12
"""Inputs beyond which halving one of them at a time gains too little."""
_STRIDE = 1000, 0.1
"""Pieces after which the pace is measured: at least so many, and this share of the budget."""
_PROBES = 3
"""Random points of a piece whose gradients say where to halve it."""


@dataclass(frozen=True, eq=False)
class Splitting:
    """What input splitting found.

    Parameters
    ----------
    lower, upper : one (n_out,) array a layer
        Proved bounds of the pre-activations on the whole box.
    witnesses
        Those known before, and more.
    pieces
        Boxes that were bounded, those of the run that it goes on from among them.
    """

    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    witnesses: Witnesses
    pieces: int


@dataclass(frozen=True, eq=False)
class _Stack:
    """Boxes that wait, and the share of the whole that each stands for."""

    boxes: Boxes
    shares: FloatArray

    def pop(self, count: int) -> tuple[_Stack, _Stack]:
        """The last ones, and the rest."""
        last, rest = slice(-count, None), slice(-count)
        return _Stack(self.boxes[last], self.shares[last]), _Stack(
            self.boxes[rest], self.shares[rest]
        )

    def push(self, boxes: Boxes, shares: FloatArray, along: NDArray[np.int64]) -> _Stack:
        """With the halves of boxes on top."""
        halves = np.concatenate([0.5 * shares, 0.5 * shares])
        return _Stack(self.boxes.join(boxes.halve(along)), np.concatenate([self.shares, halves]))


class _Cover:
    """The largest bounds over the pieces that are done, one array a layer."""

    def __init__(self, start: SplitState) -> None:
        self.lower, self.upper = list(start.lower), list(start.upper)

    def include(self, lower: list[FloatArray], upper: list[FloatArray]) -> None:
        """Widen by the bounds of some pieces, one (N, n_out) array a layer."""
        for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self.lower[layer] = np.minimum(self.lower[layer], low.min(axis=0, initial=np.inf))
            self.upper[layer] = np.maximum(self.upper[layer], high.max(axis=0, initial=-np.inf))


class _Pace:
    """Tells when the pieces bounded last say that the budget will not do."""

    def __init__(self, budget: int, start: SplitState) -> None:
        self._budget = budget
        self._stride = max(_STRIDE[0], int(_STRIDE[1] * budget))
        self._bounded, self._done, self._measured_at, self._done_then = start.pace

    def advance(self, pieces: int, share: float) -> None:
        """Count pieces bounded, and the share of the whole that needs no more of them."""
        self._bounded += pieces
        self._done += share

    @property
    def state(self) -> tuple[int, float, int, float]:
        """Pieces and share so far, and those at the last measurement."""
        return self._bounded, self._done, self._measured_at, self._done_then

    @property
    def share(self) -> float:
        """Of the whole that is done."""
        return self._done

    @property
    def bounded(self) -> int:
        """Pieces so far."""
        return self._bounded

    @property
    def suffices(self) -> bool:
        """Whether the end may be reached within the budget."""
        stride = self._bounded - self._measured_at
        if stride >= self._stride:
            gained = self._done - self._done_then
            self._measured_at, self._done_then = self._bounded, self._done
            if stride * (1.0 - self._done) > gained * (self._budget - self._bounded):
                return False
        return self._bounded < self._budget


class _Work:
    """Input splitting under way: what is done, what waits, and what was seen."""

    def __init__(
        self,
        network: Network,
        known: Bounds,
        asked: list[Direction],
        witnesses: Witnesses,
        pace: _Pace,
        start: SplitState,
    ) -> None:
        self.network, self.known, self.asked, self.pace = network, known, asked, pace
        self.witnesses = witnesses
        if len(start.points):
            self.witnesses = collect(network, known.domain, start.points, witnesses)
        self.cover = _Cover(start)
        self.stack = _Stack(start.boxes, start.shares)
        tied = set(start.tied)
        self._hopeful = np.array([direction not in tied for direction in asked], dtype=bool)

    def halve(self, count: int, deadline: Deadline) -> None:
        """Bound the last pieces that wait, and let halves of those that are not done wait."""
        pieces, stack = self.stack.pop(count)
        lower, upper = _bound(self.network, pieces.boxes, self.known, deadline)
        self.witnesses, tied = _look(
            self.network, self.known, self.asked, pieces.boxes.centres, self.witnesses
        )
        self._hopeful &= ~tied
        alive = _alive(self.asked, self.witnesses, lower, upper) & self._hopeful
        # Between neighbouring floats there is nothing left to halve.
        wide = np.nextafter(pieces.boxes.lower, np.inf) < pieces.boxes.upper
        going = np.asarray(alive.any(axis=1) & wide.any(axis=1))
        self.pace.advance(len(pieces.boxes), float(pieces.shares[~going].sum()))
        self.cover.include([low[~going] for low in lower], [high[~going] for high in upper])
        boxes = pieces.boxes[going]
        # The same probes whether a run has gone on from here or has come here by itself.
        probes = np.random.default_rng(self.pace.bounded)
        along = _choose(
            self.network, boxes, wide[going], self.asked, alive[going], probes, deadline
        )
        self.stack = stack.push(boxes, pieces.shares[going], along)

    def state(self, reached: int = 0) -> SplitState:
        """Where it stands, as a value."""
        hopes = zip(self.asked, self._hopeful, strict=True)
        waiting = slice(0, 0 if reached else None)
        return SplitState(
            asked=tuple(self.asked),
            tied=tuple(direction for direction, hopeful in hopes if not hopeful),
            lower=tuple(self.cover.lower),
            upper=tuple(self.cover.upper),
            boxes=self.stack.boxes[waiting],
            shares=self.stack.shares[waiting],
            points=self.witnesses.inputs,
            pace=self.pace.state,
            reached=reached,
        )


def split_inputs(
    network: Network,
    known: Bounds,
    asked: list[Direction],
    witnesses: Witnesses,
    budget: int,
    deadline: Deadline,
    record: Record = NO_RECORD,
) -> Splitting:
    """Halve the domain of some bounds until no direction asked is open, or the budget is spent.

    It also ends where the budget would not do at the pace of the last pieces.

    Parameters
    ----------
    known
        Finite bounds of all layers on the domain.
    budget
        Most pieces to bound.
    record
        The way from and to a record of the run, for which `known` must be certified.
    """
    start = record.start
    if start is None or not start.answers(asked, budget):
        start = SplitState.begin(network, known.domain, asked)
    pace, rhythm = _Pace(budget, start), Rhythm()
    work = _Work(network, known, asked, witnesses, pace, start)
    keep = record.keep or (lambda state: None)
    report = record.report or (lambda share: None)
    chunk = boxes_at_once(network)
    report(pace.share)
    while len(work.stack.boxes) and pace.suffices and not deadline.passed:
        work.halve(chunk, deadline)
        report(pace.share)
        if rhythm.is_due:
            keep(work.state())
    left = work.stack.boxes
    if len(left):
        keep(work.state())
    for first in range(0, len(left), chunk):
        if deadline.passed:
            # What holds on the whole box holds on the pieces that are left.
            work.cover.include([low[None] for low in known.lower], [up[None] for up in known.upper])
            break
        work.cover.include(*_bound(network, left[first : first + chunk], known, deadline))
    if not deadline.passed and not start.reached:
        keep(work.state(reached=budget if len(left) else ANY_BUDGET))
    return Splitting(tuple(work.cover.lower), tuple(work.cover.upper), work.witnesses, pace.bounded)


def _bound(
    network: Network, pieces: Boxes, known: Bounds, deadline: Deadline
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Certified bounds of every layer on each piece, one (N, n_out) array a layer."""
    lower, upper = (
        [np.broadcast_to(side, (len(pieces), side.size)) for side in sides]
        for sides in (known.lower, known.upper)
    )
    return bound_pieces(network, pieces, lower, upper, deadline)


def _look(
    network: Network,
    known: Bounds,
    asked: list[Direction],
    points: FloatArray,
    witnesses: Witnesses,
) -> tuple[Witnesses, NDArray[np.bool_]]:
    """Witnesses among some points (N, n_in), and which directions reach zero but for rounding.

    No bound of a piece with such a point can prove a sign, however small the piece is.
    """
    values = evaluate(network, points)
    showing, tied = np.zeros(len(points), dtype=bool), np.zeros(len(asked), dtype=bool)
    for column, (layer, unit, sign) in enumerate(asked):
        value, radius = sign * values[layer][0][:, unit], values[layer][1][:, unit]
        showing |= value > radius
        tied[column] = (np.abs(value) <= radius).any()
    if showing.any():
        witnesses = collect(network, known.domain, points[showing], witnesses)
    return witnesses, tied


def _alive(
    asked: list[Direction],
    witnesses: Witnesses,
    lower: list[FloatArray],
    upper: list[FloatArray],
) -> NDArray[np.bool_]:
    """Which pieces leave which directions open, (N, directions)."""
    alive = np.zeros((len(lower[0]), len(asked)), dtype=bool)
    for column, (layer, unit, sign) in enumerate(asked):
        shown = witnesses.below if sign < 0 else witnesses.above
        if shown[layer][unit] < 0:
            alive[:, column] = -lower[layer][:, unit] > 0 if sign < 0 else upper[layer][:, unit] > 0
    return alive


def _choose(
    network: Network,
    pieces: Boxes,
    wide: NDArray[np.bool_],
    asked: list[Direction],
    alive: NDArray[np.bool_],
    generator: np.random.Generator,
    deadline: Deadline,
) -> NDArray[np.int64]:
    """For each piece the input along which the open pre-activations vary most."""
    width = pieces.upper - pieces.lower
    influence = np.zeros_like(width)
    layers = np.array([direction.layer for direction in asked])
    units = np.array([direction.unit for direction in asked])
    for _ in range(_PROBES):
        points = pieces.lower + width * generator.random(width.shape)
        for layer in np.unique(layers):
            if deadline.passed:
                break
            rows, columns = np.nonzero(alive & (layers == layer))
            signs = np.ones(rows.size)
            gradients = directions(network, points[rows], int(layer), units[columns], signs)
            np.add.at(influence, rows, np.abs(gradients))
    # Where no gradient shows anything the widest input is halved.
    share = width / np.maximum(width.max(axis=1, keepdims=True), 1e-300)
    effect = influence * width
    effect += share * (1e-6 * effect.max(axis=1, keepdims=True) + 1e-12)
    return np.asarray(np.where(wide, effect, -1.0).argmax(axis=1), dtype=np.int64)
