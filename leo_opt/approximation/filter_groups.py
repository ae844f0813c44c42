"""A convolution as one in groups of channels, followed by one of 1x1 windows.

Mathematics
-----------
Let the channels be cut into G groups, X_g the windows of group g and W_g the columns of the weight
that multiply them. Of each group p filters are kept:

    W_g ~ U_g V_g,    so that    W X ~ [U_1 ... U_G] blockdiag(V_1 ... V_G) X,

a convolution in groups (V) and one of 1x1 windows (U). It takes p (n + G m) numbers for n columns
and m filters. Without data |W - U V|^2 is a sum over groups, so truncated SVD of each is optimal,
and exact wherever no W_g has a rank above p. With data the groups are correlated, and the error is
that of the whole response.

Known of the system of Peng and others is what its abstract and public implementations say: filter
groups by decomposition of each, group size by budget. How channels are grouped, the alternation and
the fit behind the rectifier are ours.

Algorithm
---------
Channels that are correlated on the data go into one group: the channel with the largest sum of
correlations takes its likest ones along, then the next. Every number of groups that divides the
channels is tried with the p for which there is room. Each V_g in turn is the low rank (`whitened`)
of what the others leave of the least-squares fit, as far as the windows of the group can say it;
then U and the bias are fitted behind the activation. The least error on the data wins. A layer that
is no convolution has one group: it is `whitened`.

Convergence
-----------
No step of the alternation makes the error of the linear response larger, each being the best for
its group; the number of rounds is fixed, and nothing is claimed of the limit.

References
----------
B. Peng, W. Tan, Z. Li, S. Zhang, D. Xie, S. Pu, Extreme network compression via filter group
approximation, ECCV 2018, arXiv 1807.11254 (abstract).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.svd import factors
from leo_opt.approximation.targets import LayerTarget
from leo_opt.approximation.whitened import Whitened, low_rank, refit_left
from leo_opt.arguments import Options, not_negative, option, positive, read_flag, read_whole
from leo_opt.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class FilterGroups(Options, Method):
    """Convolutions in groups, fitted to the response.

    Parameters
    ----------
    groups
        How many; 0 takes the number that is best.
    data_aware
        Whether the response counts; else the weight alone, with channels grouped as they stand.
    rounds
        Of the alternation.
    nonlinear
        Whether the 1x1 convolution is fitted behind the activation.
    """

    name: ClassVar[str] = "filter-groups"
    groups: int = option(0, not_negative(read_whole))
    data_aware: bool = option(True, read_flag)
    rounds: int = option(5, positive(read_whole))
    nonlinear: bool = option(True, read_flag)

    def quick(self) -> FilterGroups:
        """See `Method.quick`."""
        return replace(self, nonlinear=False, rounds=min(self.rounds, 2))

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        if not target.channels:
            return Whitened(nonlinear=self.nonlinear).fit(target, room)
        tried = [
            self._fit(target, room, count)
            for count in range(1, target.channels + 1)
            if target.channels % count == 0 and self.groups in (0, count)
        ]
        if not tried:
            tried = [self._fit(target, room, 1)]
        return min(tried, key=lambda parts: target.weighed(parts.pre(target.inputs)))

    def _fit(self, target: LayerTarget, room: Room, count: int) -> Parts:
        """With a number of groups."""
        height, width = target.weight.shape
        kept = int(room.numbers // (width + count * height))
        kept = max(0, min(kept, width // count, height))
        order = _likest(target, count) if self.data_aware else np.arange(target.channels)
        groups = tuple(np.split(order, count))
        find = self._aware if self.data_aware else self._plain
        left, right = find(target, [_columns(one, target.window) for one in groups], kept)
        bias = target.bias(left @ right, target.pre) if self.data_aware else target.layer.bias
        if self.nonlinear and self.data_aware:
            left, bias = refit_left(target, left, right, bias)
        return replace(Parts.of(bias, left, right), groups=groups if count > 1 else ())

    def _plain(
        self, target: LayerTarget, groups: list[IntArray], kept: int
    ) -> tuple[FloatArray, FloatArray]:
        """Truncated SVD of each group."""
        pairs = [factors(target.weight[:, columns], kept) for columns in groups]
        return _joined(pairs, groups, target.layer.n_in)

    def _aware(
        self, target: LayerTarget, groups: list[IntArray], kept: int
    ) -> tuple[FloatArray, FloatArray]:
        """In turn the best of each group beside what the others are now."""
        goal, gram = target.scaled(target.pre), target.moments.gram
        pairs = [(np.zeros((len(goal), 0)), np.zeros((0, len(one)))) for one in groups]
        gap = goal.copy()
        for _ in range(self.rounds if len(groups) > 1 else 1):
            for k, columns in enumerate(groups):
                gap[:, columns] = goal[:, columns]
                own = gram[np.ix_(columns, columns)]
                # What the windows of this group can say of all that is left.
                aim = np.asarray(
                    np.linalg.solve(own, (gap @ gram[:, columns]).T).T, dtype=np.float64
                )
                pairs[k] = low_rank(aim, own, kept, target.metric)
                gap[:, columns] -= pairs[k][0] @ pairs[k][1]
        left, right = _joined(pairs, groups, target.layer.n_in)
        return left, right / target.moments.scale


def _columns(channels: IntArray, window: int) -> IntArray:
    """The columns of some channels."""
    return (channels[:, None] * window + np.arange(window)).ravel()


def _joined(
    pairs: list[tuple[FloatArray, FloatArray]], groups: list[IntArray], width: int
) -> tuple[FloatArray, FloatArray]:
    """Factors of all groups as factors of the whole."""
    left = np.hstack([pair[0] for pair in pairs])
    right, start = np.zeros((left.shape[1], width)), 0
    for (_, own), columns in zip(pairs, groups, strict=True):
        right[start : start + len(own), columns] = own
        start += len(own)
    return left, right


def _likest(target: LayerTarget, count: int) -> IntArray:
    """The channels, those of each group one after the other."""
    shape = (target.channels, target.window) * 2
    square = (target.moments.gram**2).reshape(shape).sum(axis=(1, 3))
    size = np.sqrt(np.diag(square))
    alike = square / np.outer(size, size)
    left, order = np.arange(target.channels), list[int]()
    for _ in range(count):
        first = left[alike[np.ix_(left, left)].sum(axis=1).argmax()]
        nearest = np.argsort(-alike[first, left], kind="stable")[: target.channels // count]
        order += np.sort(left[nearest]).tolist()
        left = np.delete(left, nearest)
    return np.array(order)
