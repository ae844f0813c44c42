"""The bound of a difference made smaller by halving the box, as long as there is time.

A maximum over a box is the largest of those over its pieces. The piece whose bound is furthest
above what is known to be reached is halved next, along the input on which the outputs depend most
there, so that the bound that is proved falls with every round, whenever the time ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Interval
from leo_opt.bounds.methods import Crown
from leo_opt.deadline import Deadline
from leo_opt.difference.bounding import Aligned, LayerIntervals, bound_outputs, propagate_layers
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray
from leo_opt.witnesses import directions

_ROUND = 32
"""Pieces that are bounded at once, at most."""
_MOST_WORK = 2e8
"""Multiplications of one round of backward passes, about a tenth of a second."""
_PROBES = 3
_ENOUGH = 1e-3
"""Share of the bound by which it may exceed what is reached; then the search ends."""
_METHOD = Crown(slopes=("adaptive",), open_only=True)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Boxes that cover the domain, with bounds of each.

    Parameters
    ----------
    lower, upper : (N, n_out) arrays
        Of the differences of the outputs.
    first, second
        Intervals of the layers of both networks, (N, n_out) arrays.
    """

    boxes: Boxes
    lower: FloatArray
    upper: FloatArray
    first: LayerIntervals
    second: LayerIntervals

    def take(self, rows: IntArray) -> _Pieces:
        """Some of them."""
        return _Pieces(
            Boxes(self.boxes.lower[rows], self.boxes.upper[rows]),
            self.lower[rows],
            self.upper[rows],
            [(low[rows], high[rows]) for low, high in self.first],
            [(low[rows], high[rows]) for low, high in self.second],
        )

    def join(self, other: _Pieces) -> _Pieces:
        """These, then the others."""
        return _Pieces(
            self.boxes.join(other.boxes),
            np.vstack([self.lower, other.lower]),
            np.vstack([self.upper, other.upper]),
            _stacked(self.first, other.first),
            _stacked(self.second, other.second),
        )


def refine(
    aligned: Aligned,
    domain: Box,
    known: tuple[Interval, LayerIntervals, LayerIntervals],
    reached: FloatArray,
    deadline: Deadline,
) -> tuple[Interval, FloatArray, int]:
    """Bounds of second(x) - first(x) for each output when time is up.

    Also for each output the centre of a piece at which the networks are far apart, (n_out, n_in),
    and the number of pieces.

    Parameters
    ----------
    aligned
        With the pairs that served on the whole domain.
    known
        Of the whole domain: bounds of the differences, and intervals of both networks' layers.
    reached : (n_out,) array
        What the largest difference is at least, in absolute value.
    """
    (low, high), first, second = known
    whole = Boxes(domain.lower[None], domain.upper[None])
    pieces = _Pieces(
        whole,
        low[None],
        high[None],
        [(a[None], b[None]) for a, b in first],
        [(a[None], b[None]) for a, b in second],
    )
    scale = np.maximum(np.maximum(-low, high), np.finfo(np.float64).tiny)
    work = sum(layer.parameters for layer in (*aligned.first.layers, *aligned.second.layers))
    size = max(1, min(_ROUND, int(_MOST_WORK / (work * aligned.first.output_size))))
    best, reached = np.tile(domain.centre, (low.size, 1)), reached.copy()
    while not deadline.passed:
        excess = (np.maximum(-pieces.lower, pieces.upper) - reached) / scale
        open_pieces = _wide(pieces.boxes) & (excess.max(axis=1) > _ENOUGH)
        order = np.argsort(-np.where(open_pieces, excess.max(axis=1), -np.inf), kind="stable")
        chosen = order[: min(size, int(open_pieces.sum()))]
        if not chosen.size:
            break
        halved = _halve(aligned, pieces.take(chosen), excess[chosen].argmax(axis=1), deadline)
        if halved is None:
            break
        pieces = pieces.take(np.setdiff1d(order, chosen)).join(halved)
        centres = halved.boxes.centres
        apart = np.abs(aligned.second(centres) - aligned.first(centres))
        better = np.flatnonzero(apart.max(axis=0) > reached)
        best[better] = centres[apart.argmax(axis=0)[better]]
        reached[better] = apart.max(axis=0)[better]
    return (pieces.lower.min(axis=0), pieces.upper.max(axis=0)), best, len(pieces.boxes)


def _halve(
    aligned: Aligned, pieces: _Pieces, outputs: IntArray, deadline: Deadline
) -> _Pieces | None:
    """Both halves of some pieces, bounded; None where there was no time for it."""
    boxes = pieces.boxes.halve(_along(aligned, pieces.boxes, outputs))
    both = pieces.join(pieces)
    first = propagate_layers(aligned.first, boxes, both.first, deadline, _METHOD)
    second = propagate_layers(aligned.second, boxes, both.second, deadline, _METHOD)
    if deadline.passed:
        return None
    (low, high), _ = bound_outputs(aligned, boxes, first, second, choices=1)
    return _Pieces(boxes, np.maximum(low, both.lower), np.minimum(high, both.upper), first, second)


def _along(aligned: Aligned, boxes: Boxes, outputs: IntArray) -> IntArray:
    """The input of each box on which an output of the first network depends most."""
    generator = np.random.default_rng(len(boxes))
    width, layer = boxes.upper - boxes.lower, len(aligned.first.layers) - 1
    shares = generator.random((_PROBES, *width.shape))
    points = (boxes.lower + shares * width).reshape(-1, width.shape[1])
    units = np.tile(outputs, _PROBES)
    effect = np.zeros_like(width)
    for network in (aligned.first, aligned.second):
        gradient = directions(network, points, layer, units, np.ones(units.size))
        effect += np.abs(gradient.reshape(shares.shape)).mean(axis=0)
    # Where nothing depends on any input the widest one is halved.
    effect = effect * width + 1e-9 * effect.max(axis=1, keepdims=True) * width
    effect = np.where(effect.any(axis=1, keepdims=True), effect, width)
    splits = np.nextafter(boxes.lower, np.inf) < boxes.upper
    return np.asarray(np.where(splits, effect, -1.0).argmax(axis=1), dtype=np.int64)


def _wide(boxes: Boxes) -> BoolArray:
    """Which boxes have halves."""
    return np.asarray((np.nextafter(boxes.lower, np.inf) < boxes.upper).any(axis=1))


def _stacked(one: LayerIntervals, other: Sequence[Interval]) -> list[Interval]:
    pairs = zip(one, other, strict=True)
    return [(np.vstack([a, c]), np.vstack([b, d])) for (a, b), (c, d) in pairs]
