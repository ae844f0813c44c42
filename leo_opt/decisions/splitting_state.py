"""How far input splitting has come, as a value that another process can go on from."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from leo_opt.decisions.findings import Direction
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Network
from leo_opt.storage import codec

ANY_BUDGET = sys.maxsize
"""Which would have changed nothing: no piece was left."""

_AFTER, _SHARE = 1.0, 0.05
"""Seconds of work, and share of the work before, that a kill may cost."""
_STRIDE = 1000, 0.1
"""Pieces after which the pace is measured: at least so many, and this share of the budget."""
_NOISE = 1e-6
"""Of a sum of shares, which are powers of two."""


class SplitEntry(msgspec.Struct, frozen=True):
    """`SplitState` as an entry of a file: numbers of pieces and points, and all arrays in a row."""

    asked: tuple[Direction, ...]
    tied: tuple[Direction, ...]
    pieces: int
    points: int
    pace: tuple[int, float, int, float]
    reached: int
    arrays: bytes


@dataclass(frozen=True, eq=False)
class SplitState:
    """How far input splitting has come.

    Whatever was asked, `lower` and `upper` hold on all of the box but the pieces that wait.

    Parameters
    ----------
    asked, tied
        Directions asked about, and those that no piece can settle.
    lower, upper : one (n_out,) array a layer
        Over the pieces that are done; empty intervals before the first.
    boxes
        Pieces that wait.
    shares : (N,) array
        Of the whole box: those of the pieces that wait.
    points : (M, n_in) array
        Inputs that show signs.
    pace
        Pieces bounded and share done, now and when the pace was last measured.
    reached
        0 before the end; then no piece waits, and this is the largest budget that would have come
        no further.
    """

    asked: tuple[Direction, ...]
    tied: tuple[Direction, ...]
    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    boxes: Boxes
    shares: FloatArray
    points: FloatArray
    pace: tuple[int, float, int, float] = (0, 0.0, 0, 0.0)
    reached: int = 0

    @classmethod
    def begin(cls, network: Network, domain: Box, asked: Sequence[Direction]) -> SplitState:
        """The whole box, which waits."""
        return cls(
            asked=tuple(asked),
            tied=(),
            lower=tuple(np.full(layer.n_out, np.inf) for layer in network.layers),
            upper=tuple(np.full(layer.n_out, -np.inf) for layer in network.layers),
            boxes=Boxes(domain.lower[None, :], domain.upper[None, :]),
            shares=np.ones(1),
            points=np.empty((0, network.input_size)),
        )

    def answers(self, asked: Sequence[Direction], budget: int) -> bool:
        """Whether a run that asks this may go on from here, or is done."""
        return set(asked) <= set(self.asked) and (not self.reached or budget <= self.reached)

    def to_json(self) -> dict[str, Any]:
        """A tree of JSON; arrays are compressed bytes, since there may be thousands of pieces."""
        arrays = [*self.lower, *self.upper, self.boxes.lower, self.boxes.upper]
        arrays += [self.shares, self.points]
        content = np.concatenate([np.ravel(array) for array in arrays]).astype("<f8").tobytes()
        tree: dict[str, Any] = codec.to_tree(
            SplitEntry(
                asked=self.asked,
                tied=self.tied,
                pieces=len(self.boxes),
                points=len(self.points),
                pace=self.pace,
                reached=self.reached,
                arrays=zlib.compress(content),
            )
        )
        return tree

    @classmethod
    def from_json(cls, tree: dict[str, Any], network: Network, domain: Box) -> SplitState:
        """The value that `to_json` described.

        Raises
        ------
        ValueError, zlib.error
            If the tree is not such a description, of this network on this box.
        """
        entry = codec.from_tree(tree, SplitEntry)
        values = np.frombuffer(zlib.decompress(entry.arrays), dtype="<f8").astype(np.float64)
        widths = [layer.n_out for layer in network.layers]
        pieces, points, size = entry.pieces, entry.points, network.input_size
        sizes = [*widths, *widths, pieces * size, pieces * size, pieces, points * size]
        if min(sizes) < 0 or sum(sizes) != values.size or np.isnan(values).any():
            raise ValueError("its arrays have other sizes or are not numbers")
        parts: list[FloatArray] = np.split(values, np.cumsum(sizes)[:-1])
        *ends, shares, tried = parts[-4:]
        state = cls(
            asked=entry.asked,
            tied=entry.tied,
            lower=tuple(parts[: len(widths)]),
            upper=tuple(parts[len(widths) : -4]),
            boxes=Boxes(*(end.reshape(-1, size) for end in ends)),
            shares=shares,
            points=tried.reshape(-1, size),
            pace=entry.pace,
            reached=entry.reached,
        )
        state._check(domain)
        return state

    def _check(self, domain: Box) -> None:
        """Refuse what cannot be the whole box, some pieces of which are done."""
        boxes, done = self.boxes, self.pace[1]
        inside = (boxes.lower >= domain.lower) & (boxes.upper <= domain.upper)
        if not (inside & (boxes.lower <= boxes.upper)).all():
            raise ValueError("it holds pieces that are not of the box")
        if self.reached < 0 or (self.reached and len(boxes)):
            raise ValueError("it is at its end and has pieces that wait")
        if not self.reached and not abs(float(self.shares.sum()) + done - 1.0) <= _NOISE:
            raise ValueError("its pieces are not the whole box")
        empty = any((low > high).any() for low, high in zip(self.lower, self.upper, strict=True))
        if empty and not len(boxes):
            raise ValueError("no piece waits and none is done")


class Pace:
    """Tells when the pieces bounded last say that the budget will not do."""

    def __init__(self, budget: int, start: SplitState, patient: bool = False) -> None:
        self._budget, self._patient = budget, patient
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
        if stride >= self._stride and not self._patient:
            gained = self._done - self._done_then
            self._measured_at, self._done_then = self._bounded, self._done
            if stride * (1.0 - self._done) > gained * (self._budget - self._bounded):
                return False
        return self._bounded < self._budget


@dataclass(frozen=True)
class Record:
    """Where input splitting begins, and whom it tells how far it is.

    Parameters
    ----------
    start
        Where an earlier run stood.
    keep
        Called now and then with where it stands, and at the end.
    report
        Called at the start and after every round with the share of the box that is done, and the
        numbers of boxes bounded and waiting.
    """

    start: SplitState | None = None
    keep: Callable[[SplitState], None] = lambda state: None
    report: Callable[[float, int, int], None] = lambda share, bounded, waiting: None


NO_RECORD = Record()


class Rhythm:
    """When to keep a state: seldom enough that all of them together stay small."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._due = _AFTER

    @property
    def is_due(self) -> bool:
        """Whether a share of the time so far has gone by since the last one."""
        elapsed = time.monotonic() - self._begin
        if elapsed < self._due:
            return False
        self._due = elapsed * (1.0 + _SHARE) + _AFTER
        return True
