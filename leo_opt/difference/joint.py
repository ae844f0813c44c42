"""Two networks as one chain whose units are those of the first, and differences to the second.

A *pair* is a unit of either network, in layers that stand beside each other. The joint chain has
the units of the first network, those of the second that are in no pair, and for each pair (q, p)
the difference p - q, before and after the activation. With h the units of the first and D the
differences behind them, the second reads h + D, so that the difference of a pair is

    W_2 (h + D) + b_2 - (W_1 h + b_1) = W_2 D + (W_2 - W_1) h + (b_2 - b_1),

which is small where the networks are alike, and whose linear parts cancel in a backward pass of
CROWN where they are not. Which units make pairs decides how tight bounds are, never whether they
are true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import TINY, UNIT_ROUNDOFF, gamma, round_down, round_up
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Interval, post_interval
from leo_opt.bounds.backward import bound_above
from leo_opt.bounds.differences import DifferenceLines
from leo_opt.bounds.lines import LOWER_SLOPES, LayerLines, lines_of, losses, shares_of
from leo_opt.domain import Box, Boxes
from leo_opt.enclosure import affine_image
from leo_opt.layer import Layer
from leo_opt.network import FloatArray, Weight

_NO_UNITS = np.zeros(0, dtype=np.int64)
_SLOPES = tuple(LOWER_SLOPES)
_CELLS = 2e7
"""Numbers of one array of a backward pass; rows are taken in batches."""


@dataclass(frozen=True)
class SharedInputs:
    """What the layers of both networks read, among the units of a joint layer.

    Parameters
    ----------
    width
        Number of units of the joint layer.
    first : (n,) array
        Where the numbers that the first network reads stand.
    second : (m,) array
        Where those of the second do, but for differences.
    moved : (m,) array
        Where the differences that belong to them stand, -1 where there is none.
    """

    width: int
    first: IntArray
    second: IntArray
    moved: IntArray

    @classmethod
    def inputs(cls, count: int) -> SharedInputs:
        """Both read the same inputs."""
        same = np.arange(count)
        return cls(count, same, same, np.full(count, -1))

    def of_first(self, weight: Weight) -> Weight:
        """Rows over what the first network reads as rows over the joint layer."""
        return weights.move_columns(weight, self.first, self.width)

    def of_second(self, weight: Weight) -> Weight:
        """The same of the second."""
        moved = self.moved >= 0
        plain = weights.move_columns(weight, self.second, self.width)
        return plain + weights.move_columns(weight[:, moved], self.moved[moved], self.width)


@dataclass(frozen=True, eq=False)
class JointLayer:
    """A layer of the joint chain: units of the first network, lone ones of the second, differences.

    Parameters
    ----------
    first, second
        The layers that stand beside each other.
    pairs : (k, 2) integer array
        Units of the first and of the second; each stands in one pair at most.
    source
        Of what they read.
    """

    first: Layer
    second: Layer
    pairs: IntArray
    source: SharedInputs

    @property
    def lone(self) -> IntArray:
        """Units of the second layer that are in no pair."""
        return np.setdiff1d(np.arange(self.second.n_out), self.pairs[:, 1])

    @property
    def passes(self) -> tuple[BoolArray, BoolArray]:
        """Which units of pairs are linear."""
        return (
            ~self.first.phased[self.pairs[:, 0]],
            ~self.second.phased[self.pairs[:, 1]],
        )

    def difference_rows(self) -> tuple[Weight, FloatArray]:
        """The differences of pairs as rows over the joint layer before, rounded to nearest."""
        mine, theirs = self.pairs.T
        rows = self.source.of_second(self.second.weight[theirs])
        rows = rows - self.source.of_first(self.first.weight[mine])
        return rows, self.second.bias[theirs] - self.first.bias[mine]

    def rows(self) -> tuple[Weight, FloatArray]:
        """All rows and biases."""
        moved, bias = self.difference_rows()
        parts = [self.source.of_first(self.first.weight)]
        if self.lone.size:
            parts.append(self.source.of_second(self.second.weight[self.lone]))
        return weights.stack([*parts, moved]), np.concatenate(
            [self.first.bias, self.second.bias[self.lone], bias]
        )

    @property
    def target(self) -> SharedInputs:
        """What the next layers of both networks read."""
        width, lone = self.first.n_out, self.lone
        second, moved = (
            np.empty(self.second.n_out, dtype=np.int64),
            np.full(self.second.n_out, -1, dtype=np.int64),
        )
        second[lone] = width + np.arange(lone.size)
        second[self.pairs[:, 1]] = self.pairs[:, 0]
        moved[self.pairs[:, 1]] = width + lone.size + np.arange(len(self.pairs))
        return SharedInputs(width + lone.size + len(self.pairs), np.arange(width), second, moved)


@dataclass(frozen=True, eq=False)
class Reached:
    """How far a bounding of the joint chain has come: lines of all layers, and the last intervals.

    Parameters
    ----------
    lines
        Of each layer of the chain, with all choices of lower slopes.
    post
        Intervals of what the next layer reads.
    moved
        Intervals of the differences of the pairs of the last layer, behind its activation.
    """

    domain: Box | Boxes
    lines: tuple[LayerLines, ...]
    post: Interval
    moved: Interval

    @classmethod
    def start(cls, domain: Box | Boxes) -> Reached:
        """In front of the first layer."""
        nothing = domain.lower[..., :0]
        return cls(domain, (), (domain.lower, domain.upper), (nothing, nothing))

    def rows(self, weight: Weight, bias: FloatArray, choices: int | None = None) -> Interval:
        """Bounds of rows (m, n) over the last layer, by intervals and backward by CROWN.

        Parameters
        ----------
        choices
            How many choices of lower slopes of plain units are tried, by default all.
        """
        low, high = affine_image(weight, bias, *self.post)
        if not self.lines:
            return low, high
        shape = self.domain.lower.shape[:-1]
        widest = max(lines.weight.shape[0] for lines in self.lines)
        size = max(1, int(_CELLS / (2 * widest * max(1, int(np.prod(shape))))))
        for rule in range(choices or len(_SLOPES)):
            steps = [replace(lines, below=lines.below[rule]) for lines in self.lines]
            for start in range(0, bias.size, size):
                some = slice(start, start + size)
                part = weight[some] if not shape else weights.dense(weight[some])
                constants = np.concatenate([bias[some], -bias[some]])
                ends = bound_above(weights.mirror(part), constants, steps, self.domain)
                above, below = np.split(ends, 2, axis=-1)
                low[..., some] = np.maximum(low[..., some], -below)
                high[..., some] = np.minimum(high[..., some], above)
        return low, high

    def differences(
        self, layer: JointLayer, first: Interval, second: Interval
    ) -> tuple[Interval, FloatArray]:
        """Bounds of the differences p - q of pairs, and what rounding their rows can take.

        Parameters
        ----------
        first, second : pairs of (..., n_out) arrays
            Intervals of the pre-activations of both layers.
        """
        weight, bias = layer.difference_rows()
        largest = np.maximum(*map(np.abs, self.post))
        size = np.asarray(abs(weight) @ largest.T).T + np.abs(bias)
        size = (1.0 + gamma(weight.shape[1] + 4)) * size
        moves = (largest != 0.0).reshape(-1, largest.shape[-1]).any(axis=0)
        read = weights.rows_that_read(weight, moves) | (bias != 0.0)
        lost = np.where(read, round_up(UNIT_ROUNDOFF * size + TINY), 0.0)
        low, high = self.rows(weight, bias, 1)
        low = np.where(lost == 0.0, low, round_down(low - lost))
        high = np.where(lost == 0.0, high, round_up(high + lost))
        mine, theirs = layer.pairs.T
        apart = (
            round_down(second[0][..., theirs] - first[1][..., mine]),
            round_up(second[1][..., theirs] - first[0][..., mine]),
        )
        return (np.maximum(low, apart[0]), np.minimum(high, apart[1])), lost

    def through(
        self,
        layer: JointLayer,
        first: Interval,
        second: Interval,
        made: DifferenceLines,
        lost: FloatArray,
        moved: Interval,
    ) -> Reached:
        """Behind a joint layer, whose differences have the lines `made` and the bounds `moved`."""
        alone = layer.second.take(layer.lone) if layer.lone.size else None
        plain = [(layer.first, first)]
        if alone is not None:
            plain.append((alone, (second[0][..., layer.lone], second[1][..., layer.lone])))
        # A row of differences is off by `lost`, which the slopes, at most 1, pass on to the lines.
        slack = np.where(lost == 0.0, 0.0, round_up(lost * made.above))
        offset = np.where(slack == 0.0, made.offset, round_up(made.offset + slack))
        slack = np.where(lost == 0.0, 0.0, round_up(lost * made.below))
        under = np.where(slack == 0.0, made.under, round_down(made.under - slack))
        shape = (len(_SLOPES), *made.below.shape)
        parts = [
            (*lines_of(part, *ends, shares_of(*ends, _SLOPES)), np.zeros_like(ends[0]), ends)
            for part, ends in plain
        ]
        parts.append((made.above, offset, np.broadcast_to(made.below, shape), under, moved))
        aboves, offsets, belows, unders, pres = zip(*parts, strict=True)
        posts = [*(post_interval(part, *ends) for part, ends in plain), made.ends]
        weight, bias = layer.rows()
        reach = np.maximum(*map(np.abs, self.post))
        pre = [np.concatenate(side, axis=-1) for side in zip(*pres, strict=True)]
        post = tuple(np.concatenate(side, axis=-1) for side in zip(*posts, strict=True))
        largest = np.maximum(*map(np.abs, pre))
        terms = np.maximum(np.asarray(reach @ abs(weight).T) + np.abs(bias), largest)
        lifted, lowered = np.concatenate(offsets, axis=-1), np.concatenate(unders, axis=-1)
        sizes = np.abs(lifted) + np.abs(lowered)
        cost, gone = losses(weight, terms, sizes, reach, largest, 2)
        lines = LayerLines(
            weight,
            bias,
            np.concatenate(aboves, axis=-1),
            lifted,
            np.concatenate(belows, axis=-1),
            cost,
            gone,
            None,
            np.zeros(1),
            _NO_UNITS,
            np.zeros((0, weight.shape[1])),
            lowered,
        )
        return Reached(self.domain, (*self.lines, lines), (post[0], post[1]), made.ends)
