"""The methods that bound pre-activations, by name: ours in a table, others through entry points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import ClassVar

import numpy as np

from leo_opt.activations import Activation
from leo_opt.arguments import Options, option, read_flag, words_of
from leo_opt.bounds import crown, interval
from leo_opt.bounds.lines import LOWER_SLOPES, Lines
from leo_opt.bounds.values import Interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box, Boxes
from leo_opt.errors import InvalidInputError
from leo_opt.evidence import ARITHMETIC, Premise
from leo_opt.network import FloatArray, Network
from leo_opt.rectify import parts_of, rectified
from leo_opt.registry import Registry

BoundLayer = Callable[[int, Sequence[FloatArray], Sequence[FloatArray], Deadline], Interval]
"""From the index of a layer and lower and upper bounds of the pre-activations of all layers before
it, one (n_out,) array a layer, to bounds of its own, until a deadline."""


class BoundMethod(ABC):
    """A way to bound the pre-activations of a network on a box, one layer after the other.

    What it says is intersected with interval arithmetic, which alone is asked about layer 0, where
    it is exact.

    Attributes
    ----------
    name
        The word under which `METHODS.find` knows it; bounds name it as their evidence.
    premise
        What must be believed for its bounds: nothing but arithmetic, unless it says otherwise.
    """

    name: ClassVar[str]
    premise: ClassVar[Premise] = ARITHMETIC

    @abstractmethod
    def start(self, network: Network, domain: Box | Boxes) -> BoundLayer:
        """What bounds the layers of one network on one box.

        It may keep what it knows of one layer for the next. Its bounds hold, in real arithmetic,
        for every input of the box at which the earlier pre-activations lie within those that it is
        given; these may be infinite. An infinite end, or NaN, says that nothing is known, as for
        units that the deadline left no time for.

        Parameters
        ----------
        domain
            A box of the network's input size.
        """


class IntervalArithmetic(BoundMethod):
    """Each layer from the intervals of the one before."""

    name = "interval"

    def start(self, network: Network, domain: Box | Boxes) -> BoundLayer:
        """See `bounds.interval`."""
        return lambda index, lower, upper, _: interval.bound_layer(
            network, domain, index, lower, upper
        )


@dataclass(frozen=True)
class Crown(Options, BoundMethod):
    """Backward substitution of linear relaxations.

    Parameters
    ----------
    slopes
        Keys of `LOWER_SLOPES`; the bounds of all are intersected.
    open_only
        Ask only about rectifiers whose sign intervals and the slopes tried so far leave open, and
        about outputs: the relaxation of a unit whose sign is proved is exact whatever its interval.
    """

    slopes: Sequence[str] = option(tuple(LOWER_SLOPES), words_of("lower slope", LOWER_SLOPES))
    open_only: bool = option(False, read_flag)
    name: ClassVar[str] = "crown"

    def start(self, network: Network, domain: Box | Boxes) -> BoundLayer:
        """See `bounds.crown`; clips and the like are bounded as the rectifiers they are made of."""
        lines, made, firsts = Lines(), network, list(range(len(network.layers)))
        if not all(a.homogeneous and a.convex for a in _activations(network)):
            made = rectified(network)
            counts = [len(parts_of(layer)) for layer in network.layers]
            firsts = [0, *accumulate(counts[:-1])]

        def bound(
            index: int,
            lower: Sequence[FloatArray],
            upper: Sequence[FloatArray],
            deadline: Deadline,
        ) -> Interval:
            known, wanted = None, crown.every_row
            if made is not network:
                lower, upper = _of_parts(made, domain, firsts[:index], firsts[index], lower, upper)
            elif self.open_only and index < len(network.layers) - 1:
                known = interval.bound_layer(network, domain, index, lower, upper)
                wanted = partial(crown.open_rows, network.layers[index].phased)
            place, slopes = firsts[index], self.slopes
            return crown.bound_layer(
                made, domain, place, lower, upper, slopes, deadline, lines, known, wanted
            )

        return bound


def _activations(network: Network) -> Iterator[Activation]:
    return (activation for layer in network.layers for activation, _ in layer.activations())


def _of_parts(
    made: Network,
    domain: Box | Boxes,
    firsts: Sequence[int],
    stop: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Bounds of the layers of a rectified network before one, from those of the network.

    The first part of a layer has its pre-activations; intervals of the rectifiers behind are exact,
    and of the sum that ends it CROWN needs none but to know how large numbers get.
    """
    given = dict(zip(firsts, zip(lower, upper, strict=True), strict=True))
    lows: list[FloatArray] = []
    highs: list[FloatArray] = []
    for place in range(stop):
        low, high = given.get(place) or interval.bound_layer(made, domain, place, lows, highs)
        lows.append(low)
        highs.append(high)
    return lows, highs


METHODS: Registry[BoundMethod] = Registry(
    "method",
    "leo_opt.bounds",
    BoundMethod,
    {
        "interval": "leo_opt.bounds.methods:IntervalArithmetic",
        "crown": "leo_opt.bounds.methods:Crown",
    },
)
"""The bound methods of this package by name; packages add theirs as entry points."""

BoundMethodLike = str | BoundMethod | type[BoundMethod]
"""What functions take for a method: a name, one, or a class, which is its default instance."""


class Propagation:
    """Bounds of one network on one box, layer after layer: intervals, and what a method adds.

    Parameters
    ----------
    domain
        One box of the network's input size, or N boxes, each bounded by itself.
    """

    def __init__(
        self, network: Network, domain: Box | Boxes, method: BoundMethodLike = "crown"
    ) -> None:
        self._shape = domain.lower.shape[:-1]
        self._network = network
        chosen = METHODS.find(method)
        self._methods = [
            (step, step.start(network, domain))
            for step in dict.fromkeys((METHODS.find("interval"), chosen))
        ]

    def layer(
        self,
        index: int,
        lower: Sequence[FloatArray],
        upper: Sequence[FloatArray],
        deadline: Deadline = NO_LIMIT,
    ) -> Iterator[tuple[BoundMethod, Interval]]:
        """What each method says of a layer, intervals first; arguments as of `BoundLayer`."""
        lower, upper = lower[:index], upper[:index]
        # In layer 0 interval arithmetic is exact, so that others would only repeat it.
        for method, bound in self._methods if index else self._methods[:1]:
            yield method, self._read(method, bound(index, lower, upper, deadline), index)

    def bound(
        self,
        index: int,
        lower: Sequence[FloatArray],
        upper: Sequence[FloatArray],
        deadline: Deadline = NO_LIMIT,
    ) -> Interval:
        """The intersection of what all methods say of a layer."""
        found = [ends for _, ends in self.layer(index, lower, upper, deadline)]
        lows, highs = zip(*found, strict=True)
        return np.maximum.reduce(lows), np.minimum.reduce(highs)

    def _read(self, method: BoundMethod, ends: Interval, index: int) -> Interval:
        """Bounds of a layer, of which a method of others may say anything."""
        shape = (*self._shape, self._network.layers[index].n_out)
        low, high = (np.asarray(side, dtype=np.float64) for side in ends)
        if low.shape != shape or high.shape != shape:
            raise InvalidInputError(
                f"method {method.name!r} bounds layer {index} by arrays of the shapes {low.shape} "
                f"and {high.shape}; both must be {shape}"
            )
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
