"""What input splitting is to decide, and what bounds of rows say about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Bounds, crown
from leo_opt.bounds.pieces import bound_pieces
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.domain import Boxes
from leo_opt.enclosure import evaluate
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network


@dataclass(frozen=True, eq=False)
class Goals:
    """What input splitting is to decide: a goal is settled where one of its rows is never positive.

    Parameters
    ----------
    network, known
        Finite, certified bounds on the whole box of every layer that has rows; a last layer without
        bounds is bounded by CROWN on each piece.
    rows
        Of each goal one or more directions, the goals one after the other.
    owners : (rows,) array
        The goal of each row, counted from 0.
    thorough
        Whether to go on as long as there is time, for a point that shows one goal to be positive.
        Otherwise bounds of all units are wanted as well, a goal is given up where some point shows
        that no bound can settle it, and all are where the budget would not do.
    """

    network: Network
    known: Bounds
    rows: tuple[Direction, ...]
    owners: IntArray
    thorough: bool = False

    @classmethod
    def of_directions(cls, network: Network, known: Bounds, asked: Sequence[Direction]) -> Goals:
        """Each direction alone."""
        return cls(network, known, tuple(asked), np.arange(len(asked)))

    @lazy
    def places(self) -> tuple[IntArray, IntArray, IntArray]:
        """Layer, unit and sign of each row."""
        layers, units, signs = np.array(self.rows, dtype=np.int64).reshape(-1, 3).T
        return layers, units, signs

    def holding(self, rows: Iterable[Direction]) -> BoolArray:
        """Which goals have one of some rows, (goals,)."""
        some = set(rows)
        found = np.array([row in some for row in self.rows], dtype=bool)
        return np.bincount(self.owners[found], minlength=self.count) > 0

    @property
    def count(self) -> int:
        """Number of goals."""
        return int(self.owners[-1]) + 1 if self.owners.size else 0

    def at_rows(self, below: Sequence[FloatArray], above: Sequence[FloatArray]) -> FloatArray:
        """Of arrays (N, n_out), one a layer for each sign, the entries of the rows, (N, rows)."""
        layers, units, signs = self.places
        found = np.empty((len(above[0]), len(self.rows)))
        for layer in np.unique(layers):
            mine = layers == layer
            high, low = above[layer][:, units[mine]], below[layer][:, units[mine]]
            found[:, mine] = np.where(signs[mine] > 0, high, low)
        return found

    def least(self, values: FloatArray) -> FloatArray:
        """Least value of the rows of each goal, (N, goals)."""
        starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
        smallest: FloatArray = np.minimum.reduceat(values, starts, axis=1)
        return smallest

    def reach(self, points: FloatArray) -> BoolArray:
        """At which points (N, n_in) no row of a goal is below zero but for rounding, (N, goals).

        What holds such a point has no bound that settles the goal: bounds round no less.
        """
        values = evaluate(self.network, points)
        highest = [(radius - pre, pre + radius) for pre, radius in values]
        below, above = zip(*highest, strict=True)
        return self.least(self.at_rows(below, above)) >= 0.0

    @lazy
    def ends(self) -> FloatArray:
        """Lower and upper ends of all known intervals in a row."""
        return np.concatenate([*self.known.lower, *self.known.upper])

    def bound(
        self, boxes: Boxes, deadline: Deadline, ends: FloatArray | None = None
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Certified bounds of every layer on each of N boxes, one (N, n_out) array a layer.

        Parameters
        ----------
        ends : (N, ...) array or None
            Tighter ones than `self.ends`, one row a box.
        """
        rows = np.broadcast_to(self.ends, (len(boxes), self.ends.size)) if ends is None else ends
        sizes = [side.size for side in (*self.known.lower, *self.known.upper)]
        known = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
        half = len(self.known.lower)
        lower, upper = bound_pieces(self.network, boxes, known[:half], known[half:], deadline)
        for layer in range(len(lower), len(self.network.layers)):
            low, high = crown.bound_layer(
                self.network, boxes, layer, lower, upper, ("adaptive",), deadline
            )
            lower.append(low)
            upper.append(high)
        return lower, upper
