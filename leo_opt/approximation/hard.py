"""A fixed rank and a fixed number of entries: three-block ADMM on the damped Hessian.

Mathematics
-----------
Let H be the second moments of the layer's inputs, scaled to a unit diagonal and damped, and W* the
damped least-squares fit of the response. Minimise

    1/2 tr((D + L - W*) H (D + L - W*)^T)   over D with at most k entries and L of rank at most r.

The entries may be any, or whole columns (inputs or channels), or whole rows (units). Units that the
next layer reads with large weights count for more in the choice.

Algorithm
---------
Split D from a copy B without the constraint, with multipliers V and a penalty p that grows:

    B = ((W* - L) H - V + p D) (H + p I)^(-1),    one eigendecomposition of H for all steps;
    D = the k largest entries of B + V / p;
    L = the best of rank r for W* - B in the norm of H  (`whitened.low_rank`);
    V = V + p (B - D).

Then the entries, the left factor of L and the bias are fitted behind the activation
(`regression`). With `rounds`, what a fit reaches below 0, where the original is 0, is what the next
fit aims at, which is the nonlinear step.

Convergence
-----------
The constraints are not convex, and no guarantee is known. The growing penalty freezes the support,
and the fit on a fixed support is a convex problem; the best of all rounds is kept.

References
----------
M. Makni, K. Behdin, R. Mazumder and others, 3BASiL: an algorithmic framework for sparse plus
low-rank compression of LLMs, NeurIPS 2025; the steps above follow what its published code does.
X. Meng, K. Behdin, H. Wang, R. Mazumder, ALPS, NeurIPS 2024 (the sparse case).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts, Residuals
from leo_opt.approximation.regression import refit
from leo_opt.approximation.targets import LayerTarget
from leo_opt.approximation.whitened import low_rank
from leo_opt.arguments import (
    Options,
    at_most,
    not_negative,
    option,
    positive,
    read_flag,
    read_number,
    read_whole,
    word_of,
)
from leo_opt.arrays import BoolArray, FloatArray

SUPPORTS = ("entries", "columns", "rows")
"""What of the sparse part is chosen."""
_PENALTY, _GROWTH = 0.1, 1.06
"""Of the first step, and from step to step; the diagonal of the Hessian is 1."""


@dataclass(frozen=True)
class Hard(Options, Method):
    """Low rank plus sparse, of given sizes.

    Parameters
    ----------
    low_rank
        Share of the room that the low-rank part takes, from 0 to 1.
    support
        "entries", "columns" or "rows".
    nonlinear
        Whether the fit is behind the activation.
    rounds
        Fits, each with what the one before reached below 0.
    iterations
        Steps of ADMM in each.
    """

    name: ClassVar[str] = "hard"
    low_rank: float = option(0.0, at_most(1, not_negative(read_number)))
    support: str = option("entries", word_of(SUPPORTS))
    nonlinear: bool = option(True, read_flag)
    rounds: int = option(2, positive(read_whole))
    iterations: int = option(60, positive(read_whole))

    def quick(self) -> Hard:
        """See `Method.quick`."""
        return replace(self, nonlinear=False, iterations=min(self.iterations, 20))

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        rank = replace(room, numbers=room.numbers * self.low_rank).rank(target)
        left_over = room.numbers - rank * sum(target.weight.shape)
        support = _Support.within(self.support, replace(room, numbers=left_over), target)
        best, least, reached = None, np.inf, None
        for _ in range(self.rounds if self.nonlinear else 1):
            found = self._fit_once(target, support, rank, target.wanted(reached))
            reached = found.pre(target.inputs)
            error = target.error(reached) if self.nonlinear else 0.0
            if error < least:
                best, least = found, error
        assert best is not None
        return best

    def _fit_once(
        self, target: LayerTarget, support: _Support, rank: int, wanted: FloatArray
    ) -> Parts:
        """Rank and support by ADMM for linear responses, then the numbers behind the activation."""
        moments = target.moments
        entries, left, right, residuals = self._iterate(target, support, rank, wanted)
        sparse, right = entries / moments.scale, right / moments.scale
        low = target.inputs @ right.T
        full = np.ones((len(sparse), rank), dtype=bool)
        bias = target.bias(sparse + left @ right, wanted)
        found, bias = refit(
            target,
            np.hstack([sparse, left]),
            bias,
            np.hstack([sparse != 0.0, full]),
            extra=low,
            nonlinear=self.nonlinear,
        )
        sparse, left = np.split(found, [sparse.shape[1]], axis=1)
        return Parts.of(bias, left, right, sparse, residuals)

    def _iterate(
        self, target: LayerTarget, support: _Support, rank: int, wanted: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, Residuals]:
        """The sparse part and the factors, in the scale of the moments."""
        gram, solve = target.moments.gram, target.moments.solve
        free = goal = target.scaled(wanted)
        cross = goal @ gram
        entries, dual = support.cut(free), np.zeros_like(free)
        penalty, primal, change, used = _PENALTY, [], [], []
        for _ in range(self.iterations):
            free = solve(cross - dual + penalty * entries, penalty)
            before, entries = entries, support.cut(free + dual / penalty)
            if rank:
                left, right = low_rank(goal - free, gram, rank, target.metric)
                cross = (goal - left @ right) @ gram
            dual = dual + penalty * (free - entries)
            size = float(np.linalg.norm(entries)) or 1.0
            primal.append(float(np.linalg.norm(free - entries)) / size)
            change.append(penalty * float(np.linalg.norm(entries - before)) / size)
            used.append(penalty)
            penalty *= _GROWTH
        left, right = low_rank(goal - entries, gram, rank, target.metric)
        return entries, left, right, Residuals(tuple(primal), tuple(change), tuple(used))


@dataclass(frozen=True, eq=False)
class _Support:
    """How many entries, columns or rows may be kept, and which count for more."""

    kind: str
    count: int
    importance: FloatArray
    window: int

    @classmethod
    def within(cls, kind: str, room: Room, target: LayerTarget) -> _Support:
        """As many as there is room for."""
        height, width = target.weight.shape
        extra, window = room.entry - 1, target.window
        count, most = {
            "entries": (room.entries, height * width),
            "columns": (int(room.numbers // (height * window + extra)), width // window),
            "rows": (int(room.numbers // (width + extra)), height),
        }[kind]
        return cls(kind, max(0, min(count, most)), target.importance, window)

    def cut(self, weight: FloatArray) -> FloatArray:
        """A matrix (m, n) with nothing else than the largest of it."""
        size = np.abs(weight) * self.importance[:, None]
        if self.kind == "rows":
            return weight * _largest(np.linalg.norm(size, axis=1), self.count)[:, None]
        if self.kind == "columns":
            square = (size**2).sum(axis=0).reshape(-1, self.window).sum(axis=1)
            return weight * np.repeat(_largest(square, self.count), self.window)
        return weight * _largest(size.ravel(), self.count).reshape(size.shape)


def _largest(sizes: FloatArray, count: int) -> BoolArray:
    """Which of (k,) numbers are the largest ones."""
    kept = np.zeros(len(sizes), dtype=bool)
    if count:
        kept[np.argpartition(-sizes, count - 1)[:count]] = True
    return kept
