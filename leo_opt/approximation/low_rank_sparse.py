"""Low rank plus whole rows or columns, by a convex relaxation of the response behind the rectifier.

Mathematics
-----------
With inputs X of the layer as the layers before it now give them, and what the original gives, Y,

    min over S, L, b, Z   1/2 |Y - r(Z)|_F^2 + lambda1 |S|_{2,1} + lambda2 |L|_*
    subject to            Z = (S + L) X + b,

where r is the rectifier (or the identity), |S|_{2,1} is the sum of the norms of the columns of S
(of the inputs) or of its rows (of the units), and |L|_* the sum of the singular values of L. Both
norms are convex stand-ins for what counts: the number of columns or rows, and the rank.

Known of the system of Ma, Chen, Li, Shang, Yu, Cho and Yu is what its abstract says: a layer
becomes the sum of a structured sparse and a low-rank part, the activation counts, and the relaxed
problem is solved by an extended ADMM. The problem above is a reconstruction; the choice of lambda,
constants and the fit behind are ours.

Algorithm
---------
With A = (S + L) X, the scaled multipliers u, t = A + b - u and the penalty mu:

    Z: elementwise, of min(t, 0) and max((mu t + y) / (mu + 1), 0) the one with the smaller
       (y - r(z))^2 + mu (z - t)^2;  without a rectifier (mu t + y) / (mu + 1);
    S: shrink the columns (rows) of S - tau (A - T) X^T by tau lambda1 / mu, where T = Z - b + u;
    L: shrink the singular values of L - tau (A - T) X^T by tau lambda2 / mu, with the new A;
    b: the mean of Z + u - A;    u: u + Z - A - b;    1 / tau = |X X^T|.

The first penalties are small, as in Zhang et al., so that signs of Z can change; the last one is
kept until the residuals are small. lambda2 falls in some steps, with lambda1 a fixed share of it,
each run from where the last one ended, once for the linear response and once with small penalties
first, for what is behind the activation. Each choice of columns or rows is then fitted without the
shrinkage, with the rank that there is room for: exactly for the linear response (the columns of S
take all that they can; what is left of inputs and responses beside them has a best fit of the rank,
see `whitened`). Of the best choice, the empty one included, the numbers of S, the left factor and
the bias are fitted behind the activation.

Convergence
-----------
Recorded are the relative primal residual |Z - A - b| and the dual one, mu times the change of A.
The iteration ends when both are below the tolerance at the last penalty; at the cap on steps it
ends `not converged`, and is used nevertheless. For the linear response the problem is convex, and
the proximal terms, with Gauss-Seidel steps in S and L, are what makes three blocks converge; with
the rectifier it is not convex, and nothing is claimed: of all choices the one with the least error
behind the activation is kept.

References
----------
Y. Ma, R. Chen, W. Li, F. Shang, W. Yu, M. Cho, B. Yu, A unified approximation framework for
compressing and accelerating deep neural networks, arXiv 1807.10119 (abstract). X. Zhang, J. Zou,
K. He, J. Sun, Accelerating very deep convolutional networks for classification and detection, TPAMI
2016 (the step in Z). C. Chen, B. He, Y. Ye, X. Yuan, The direct extension of ADMM for multi-block
convex minimization problems is not necessarily convergent, Mathematical Programming 155, 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    option,
    positive,
    read_flag,
    read_number,
    read_whole,
    word_of,
)
from leo_opt.arrays import BoolArray, FloatArray, IntArray

_EARLY = (0.01, 0.1)
"""Penalties before the last one, which is 1."""
_EARLY_STEPS = 20
_LAMBDAS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Values of lambda2, as shares of that from which on L is 0."""
_SAMPLES = 500
"""Of the data, evenly spread: enough to choose by. All are fitted."""


@dataclass(frozen=True, eq=False)
class ConvexFit:
    """One instance of the convex problem: data, weights of the norms, and where it is rectified.

    Parameters
    ----------
    inputs : (N, n) array
    response : (N, m) array
        What shall be met, behind the activation where `rectified`.
    rectified : (m,) boolean array
    groups : float
        lambda1, of the norms of columns or rows.
    nuclear : float
        lambda2, of the singular values.
    by_rows : bool
    window : int
        Columns that are one group.
    """

    inputs: FloatArray
    response: FloatArray
    rectified: BoolArray
    groups: float
    nuclear: float
    by_rows: bool = False
    window: int = 1

    def lengths(self, sparse: FloatArray) -> FloatArray:
        """Norms of the groups of rows or columns."""
        square = sparse**2
        groups = square if self.by_rows else square.sum(axis=0).reshape(-1, self.window)
        lengths: FloatArray = np.sqrt(groups.sum(axis=1))
        return lengths

    def objective(self, point: Iterate) -> float:
        """The value at S, L and b, with Z where the constraint puts it."""
        pre = self.inputs @ (point.sparse + point.low).T + point.bias
        reached = np.where(self.rectified, np.maximum(pre, 0.0), pre)
        norms = self.lengths(point.sparse)
        values = np.linalg.svd(point.low, compute_uv=False)
        fit = 0.5 * float(((self.response - reached) ** 2).sum())
        return fit + self.groups * float(norms.sum()) + self.nuclear * float(values.sum())


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where the iteration is: S, L, b, the constrained pre-activations Z and the multipliers u."""

    sparse: FloatArray
    low: FloatArray
    bias: FloatArray
    pre: FloatArray
    dual: FloatArray


def begin(problem: ConvexFit) -> Iterate:
    """Zero parts, and what the best bias makes of them."""
    height, width = problem.response.shape[1], problem.inputs.shape[1]
    bias = problem.response.mean(axis=0)
    pre = np.broadcast_to(bias, problem.response.shape)
    zero = np.zeros((height, width))
    return Iterate(zero, zero, bias, pre, np.zeros_like(problem.response))


def iterate(
    problem: ConvexFit, point: Iterate, penalty: float, steps: int, tolerance: float
) -> tuple[Iterate, Residuals]:
    """ADMM at one penalty, until both residuals are below the tolerance or for so many steps."""
    inputs = problem.inputs
    reach = float(np.linalg.norm(inputs, 2)) ** 2 or 1.0
    sparse, low, bias, dual = point.sparse, point.low, point.bias, point.dual
    image = inputs @ (sparse + low).T
    primal: list[float] = []
    change: list[float] = []
    size = float(np.linalg.norm(problem.response)) or 1.0
    pre, converged = point.pre, False
    while len(primal) < steps and not converged:
        pre = _pre_step(problem, image + bias - dual, penalty)
        before, aim = image, pre - bias + dual
        gradient = (image - aim).T @ inputs / reach
        shorter = _shrink_groups(problem, sparse - gradient, problem.groups / (penalty * reach))
        image = image + inputs @ (shorter - sparse).T
        sparse = shorter
        gradient = (image - aim).T @ inputs / reach
        lower = _shrink_values(low - gradient, problem.nuclear / (penalty * reach))
        image = image + inputs @ (lower - low).T
        low = lower
        bias = (pre + dual - image).mean(axis=0)
        gap = pre - image - bias
        dual = dual + gap
        primal.append(float(np.linalg.norm(gap)) / size)
        change.append(penalty * float(np.linalg.norm(image - before)) / size)
        converged = max(primal[-1], change[-1]) < tolerance
    told = Residuals(tuple(primal), tuple(change), (penalty,) * len(primal), converged)
    return Iterate(sparse, low, bias, pre, dual), told


def _pre_step(problem: ConvexFit, near: FloatArray, penalty: float) -> FloatArray:
    """The constrained pre-activations that are best for themselves, elementwise."""
    meant = problem.response
    passing = (penalty * near + meant) / (penalty + 1.0)
    below, above = np.minimum(near, 0.0), np.maximum(passing, 0.0)
    worth = meant**2 + penalty * (below - near) ** 2
    other = (meant - above) ** 2 + penalty * (above - near) ** 2
    return np.where(problem.rectified, np.where(worth < other, below, above), passing)


def _shrink_groups(problem: ConvexFit, weight: FloatArray, by: float) -> FloatArray:
    """Groups of columns or rows, shorter by so much, or 0."""
    length = problem.lengths(weight)
    share = np.maximum(1.0 - by / np.maximum(length, 1e-300), 0.0)
    shorter: FloatArray = weight * (
        share[:, None] if problem.by_rows else np.repeat(share, problem.window)
    )
    return shorter


def _shrink_values(weight: FloatArray, by: float) -> FloatArray:
    """Singular values, smaller by so much, or 0."""
    square, vectors = np.linalg.eigh(weight @ weight.T)
    values = np.sqrt(np.maximum(square, 0.0))
    kept = values > by
    share = (values[kept] - by) / values[kept]
    smaller: FloatArray = (vectors[:, kept] * share) @ (vectors[:, kept].T @ weight)
    return smaller


@dataclass(frozen=True)
class LowRankSparse(Options, Method):
    """Low rank plus whole columns or rows, chosen by the relaxation.

    Parameters
    ----------
    support
        "columns" (inputs, or channels of a convolution) or "rows" (units).
    balance
        lambda1 as a share of lambda2. From 1 on columns never pay: one has rank 1.
    nonlinear
        Whether the response is that behind the activation.
    steps
        Most steps at the last penalty.
    tolerance
        Of the residuals, relative.
    """

    name: ClassVar[str] = "low-rank-sparse"
    support: str = option("columns", word_of(("columns", "rows")))
    balance: float = option(0.6, at_most(1, positive(read_number)))
    nonlinear: bool = option(True, read_flag)
    steps: int = option(60, positive(read_whole))
    tolerance: float = option(1e-3, positive(read_number))

    def quick(self) -> LowRankSparse:
        """See `Method.quick`."""
        return replace(self, nonlinear=False, steps=15)

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        key = self.support, self.balance, self.nonlinear, self.steps, self.tolerance
        path = target.memo.get(key)
        if path is None:
            path = [(np.zeros(0, dtype=np.int64), Residuals()), *self._path(target, curved=False)]
            if self.nonlinear:
                path += self._path(target, curved=True)
            target.memo[key] = path
        fits = [self._without_shrinkage(target, room, *step) for step in path]
        best = min(fits, key=lambda parts: target.weighed(parts.pre(target.inputs)))
        if not self.nonlinear:
            return best
        numbers, bias = refit(
            target,
            np.hstack([best.sparse, best.left]),
            best.bias,
            np.hstack([best.sparse != 0.0, best.left != 0.0]),
            extra=target.inputs @ best.right.T,
        )
        sparse, left = np.split(numbers, [best.sparse.shape[1]], axis=1)
        return Parts.of(bias, left, best.right, sparse, best.residuals)

    def _path(self, target: LayerTarget, *, curved: bool) -> Iterator[tuple[IntArray, Residuals]]:
        """Columns or rows that the relaxation chooses, the longest first, from few to many.

        Parameters
        ----------
        curved
            Whether it looks behind the rectifiers.
        """
        problem = self._problem(target, curved)
        middle = problem.response - problem.response.mean(axis=0)
        most = float(np.linalg.norm(middle.T @ problem.inputs, 2))
        point, most_chosen = begin(problem), 0
        for share in _LAMBDAS:
            weighed = replace(problem, nuclear=share * most, groups=self.balance * share * most)
            for penalty in _EARLY if curved and not most_chosen else ():
                point, _ = iterate(weighed, point, penalty, _EARLY_STEPS, self.tolerance)
                # The multipliers are scaled by the penalty, which grows tenfold.
                point = replace(point, dual=point.dual * 0.1)
            point, residuals = iterate(weighed, point, 1.0, self.steps, self.tolerance)
            length = problem.lengths(point.sparse)
            order = np.argsort(-length, kind="stable")[: np.count_nonzero(length)]
            if len(order) > most_chosen:
                most_chosen = len(order)
                yield order, residuals

    def _problem(self, target: LayerTarget, curved: bool) -> ConvexFit:
        """The instance of some of the samples, with inputs in the scale of their moments."""
        moments, every = target.moments, max(1, len(target.inputs) // _SAMPLES)
        rectified = target.rectified if curved else np.zeros_like(target.rectified)
        pre = target.pre[::every]
        meant = np.where(rectified, np.maximum(pre, 0.0), pre) * target.importance
        inputs = (target.inputs[::every] - moments.mean) / moments.scale
        by_rows = self.support == "rows"
        return ConvexFit(inputs, meant, rectified, 0.0, 0.0, by_rows, target.window)

    def _without_shrinkage(
        self, target: LayerTarget, room: Room, chosen: IntArray, residuals: Residuals
    ) -> Parts:
        """All numbers of the chosen columns or rows, and a low rank of the rest: the best there is.

        Inputs that do not vary on the data have no part in the low rank. Where there is no room for
        all that are chosen, the longest are taken.
        """
        (height, width), window = target.weight.shape, target.window
        varies = np.ptp(target.inputs, axis=0) > 0.0
        each = (width if self.support == "rows" else height * window) + room.entry - 1
        chosen = chosen[: int(room.numbers // each)]
        rows, others = np.zeros(height, dtype=bool), varies.copy()
        if self.support == "rows":
            rows[chosen] = True
        else:
            others.reshape(-1, window)[chosen] = False
        columns = varies & ~others
        extra = min(int(others.sum()), width - int(others.sum())) // window
        left_over = room.numbers - each * len(chosen) - extra * (room.entry - 1)
        rank = int(left_over // max(int((~rows).sum() + others.sum()), 1))
        goal, gram, scale = target.scaled(target.pre), target.moments.gram, target.moments.scale
        # What the columns of S can say of the others is theirs already.
        solved = np.linalg.solve(gram[np.ix_(columns, columns)], gram[np.ix_(columns, others)])
        beside = gram[np.ix_(others, others)] - gram[np.ix_(others, columns)] @ solved
        metric = target.metric[np.ix_(~rows, ~rows)]
        factors = low_rank(goal[~rows][:, others], beside, max(0, rank), metric)
        rank = factors[0].shape[1]
        left, right = np.zeros((height, rank)), np.zeros((rank, width))
        left[~rows], right[:, others] = factors
        gap = goal - left @ right
        sparse = np.where(rows[:, None], goal, 0.0)
        sparse[:, columns] = gap[:, columns] + gap[:, others] @ solved.T
        sparse, right = sparse / scale, right / scale
        bias = target.bias(sparse + left @ right, target.pre)
        return Parts.of(bias, left, right, sparse, residuals)
