"""Bounds of the difference of two networks whose layers stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Interval, Propagation, post_interval
from leo_opt.bounds.differences import DifferenceLines, difference_lines
from leo_opt.bounds.methods import BoundMethodLike
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.difference.joint import JointLayer, Reached, SharedInputs
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Network

LayerIntervals = Sequence[Interval]
"""Of the pre-activations of each layer, pairs of (..., n_out) arrays."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two networks of the same depth, and which units belong together.

    Parameters
    ----------
    first, second
        Of rectifiers and linear units, with the same inputs and outputs.
    pairs : one (k, 2) integer array a layer
        The last one has each output with itself.
    """

    first: Network
    second: Network
    pairs: tuple[IntArray, ...]


def propagate_layers(
    network: Network,
    domain: Box | Boxes,
    known: LayerIntervals | None,
    deadline: Deadline = NO_LIMIT,
    method: BoundMethodLike = "crown",
) -> list[Interval]:
    """LayerIntervals of all layers on one box, or on many, within those that are known."""
    steps, ends = Propagation(network, domain, method), _Ends()
    for index in range(len(network.layers)):
        found = steps.bound(index, ends.lower, ends.upper, deadline)
        ends.append(found if known is None else _both(found, known[index]))
    return ends.intervals


def separate(aligned: Aligned, first: LayerIntervals, second: LayerIntervals) -> Interval:
    """Bounds of the difference of the outputs from those of either network."""
    low, high = post_interval(aligned.first.layers[-1], *first[-1])
    lowest, highest = post_interval(aligned.second.layers[-1], *second[-1])
    return round_down(lowest - high), round_up(highest - low)


def bound_outputs(
    aligned: Aligned,
    domain: Box | Boxes,
    first: LayerIntervals,
    second: LayerIntervals,
    *,
    choose: bool = False,
    choices: int | None = None,
) -> tuple[Interval, Aligned]:
    """Bounds of second(x) - first(x) for each output, and the pairs that served.

    Parameters
    ----------
    domain
        One box, or N boxes, each bounded by itself.
    first, second
        Of both networks on the domain.
    choose
        Whether to give up a pair where two separate relaxations of its units are closer; of one
        box only.
    choices
        How many choices of lower slopes are tried for the outputs, by default all.

    Returns
    -------
    lower, upper : (n_out,) or (N, n_out) arrays
    """
    apart = separate(aligned, first, second)
    chain = join(aligned, domain, first, second, choose=choose)
    if chain is None:
        return apart, aligned
    reached, pairs = chain
    moved = np.eye(aligned.first.output_size)
    found = bound_mixtures(reached, np.zeros_like(moved), moved, choices)
    return _both(_both(found, reached.moved), apart), replace(aligned, pairs=pairs)


def bound_all_ways(
    aligned: Aligned,
    domain: Box,
    first: LayerIntervals,
    second: LayerIntervals,
    known: Interval | None = None,
) -> tuple[Interval, Aligned]:
    """The best of what pairs of all units prove, of some, and of none; and the best pairs.

    Without pairs the networks stand side by side; only linear parts cancel on the way back.
    """
    none = np.zeros((0, 2), dtype=np.int64)
    alone = replace(aligned, pairs=(*(none for _ in aligned.pairs[:-1]), aligned.pairs[-1]))
    ways = [
        bound_outputs(start, domain, first, second, choose=choose)
        for start, choose in ((aligned, True), (aligned, False), (alone, False))
    ]
    (low, high), best = min(ways, key=lambda way: np.maximum(-way[0][0], way[0][1]).sum())
    for ends in (*(way[0] for way in ways), *(() if known is None else (known,))):
        low, high = _both((low, high), ends)
    return (low, high), best


def bound_mixtures(
    reached: Reached, first: FloatArray, moved: FloatArray, choices: int | None = None
) -> Interval:
    """Bounds of first @ f(x) + moved @ (g(x) - f(x)), of rows (m, n_out) over the outputs.

    Parameters
    ----------
    reached
        The end of the joint chain of f and g.
    """
    count = moved.shape[1]
    rows = np.zeros((len(moved), reached.post[0].shape[-1]))
    rows[:, :count], rows[:, -count:] = first, moved
    return reached.rows(rows, np.zeros(len(rows)), choices)


def join(
    aligned: Aligned,
    domain: Box | Boxes,
    first: LayerIntervals,
    second: LayerIntervals,
    *,
    choose: bool = False,
) -> tuple[Reached, tuple[IntArray, ...]] | None:
    """The joint chain up to the outputs, and the pairs that served; None without finite bounds.

    Parameters are those of `bound_outputs`.
    """
    ends = (side for pair in (*first, *second) for side in pair)
    if not all(np.isfinite(side).all() for side in ends):
        return None
    reached, source = Reached.start(domain), SharedInputs.inputs(aligned.first.input_size)
    sides, served = (_Side(aligned.first, domain, first), _Side(aligned.second, domain, second)), []
    for index, pairs in enumerate(aligned.pairs):
        layer = JointLayer(aligned.first.layers[index], aligned.second.layers[index], pairs, source)
        moved, lost = reached.differences(layer, sides[0].at(index), sides[1].at(index))
        _tighten(sides, index, layer, moved)
        paired = sides[0].of(index, pairs[:, 0]), sides[1].of(index, pairs[:, 1])
        made = difference_lines(*paired, moved, layer.passes)
        if choose and index < len(aligned.pairs) - 1:
            kept = _worth(layer, paired, made, moved)
            layer = replace(layer, pairs=pairs[kept])
            moved, lost, made = (moved[0][kept], moved[1][kept]), lost[kept], made[kept]
        reached = reached.through(layer, sides[0].at(index), sides[1].at(index), made, lost, moved)
        source = layer.target
        served.append(layer.pairs)
    return reached, tuple(served)


class _Ends:
    """Lower and upper ends, layer by layer."""

    def __init__(self) -> None:
        self.lower: list[FloatArray] = []
        self.upper: list[FloatArray] = []

    def append(self, ends: Interval) -> None:
        """Those of the next layer."""
        self.lower.append(ends[0])
        self.upper.append(ends[1])

    @property
    def intervals(self) -> list[Interval]:
        return list(zip(self.lower, self.upper, strict=True))


class _Side(_Ends):
    """LayerIntervals of one network, which differences from the other one tighten."""

    def __init__(self, network: Network, domain: Box | Boxes, known: LayerIntervals) -> None:
        super().__init__()
        self._network, self._known = network, known
        self._steps, self._fewer = Propagation(network, domain), False

    def at(self, index: int) -> Interval:
        """Of one layer; bounded anew where fewer units of earlier layers can change phase."""
        if index == len(self.lower):
            ends = self._known[index]
            if self._fewer:
                ends = _both(self._steps.bound(index, self.lower, self.upper), ends)
            self.append(ends)
        return self.lower[index], self.upper[index]

    def of(self, index: int, units: IntArray) -> Interval:
        """Of some units."""
        low, high = self.at(index)
        return low[..., units], high[..., units]

    def narrow(self, index: int, units: IntArray, ends: Interval) -> None:
        """Some units of the last layer lie within these ends."""
        low, high = (side.copy() for side in self.at(index))
        crossed = _crosses(low, high)[..., self._network.layers[index].phased].sum()
        low[..., units] = np.maximum(low[..., units], ends[0])
        high[..., units] = np.minimum(high[..., units], ends[1])
        self.lower[index], self.upper[index] = low, high
        left = _crosses(low, high)[..., self._network.layers[index].phased].sum()
        self._fewer = self._fewer or bool(left < crossed)


def _tighten(sides: tuple[_Side, _Side], index: int, layer: JointLayer, moved: Interval) -> None:
    """Each unit of a pair lies no further from the other than the difference says."""
    (mine, theirs), (low, high) = layer.pairs.T, moved
    first, second = sides[0].of(index, mine), sides[1].of(index, theirs)
    sides[1].narrow(index, theirs, (round_down(first[0] + low), round_up(first[1] + high)))
    sides[0].narrow(index, mine, (round_down(second[0] - high), round_up(second[1] - low)))


def _both(one: Interval, other: Interval) -> Interval:
    """What two intervals allow."""
    return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])


def _worth(
    layer: JointLayer, paired: Sequence[Interval], made: DifferenceLines, moved: Interval
) -> BoolArray:
    """Pairs whose difference is held better by its own lines than by those of its units.

    Where one unit of a pair is linear and the other may change phase, no line is known.
    """
    alone = sum(
        np.where(passes, 0.0, _height(*ends))
        for passes, ends in zip(layer.passes, paired, strict=True)
    )
    return np.asarray(made.known & (made.gap(moved) <= alone))


def _crosses(low: FloatArray, high: FloatArray) -> BoolArray:
    return np.asarray((low < 0.0) & (high > 0.0))


def _height(low: FloatArray, high: FloatArray) -> FloatArray:
    """Of the triangle of a rectifier."""
    crosses = _crosses(low, high)
    return np.where(crosses, -low * (high / np.where(crosses, high - low, 1.0)), 0.0)
