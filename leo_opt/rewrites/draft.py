"""A network while it is being rewritten, with what is known of its units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Bounds, Propagation
from leo_opt.bounds.methods import Crown
from leo_opt.deviation import PRECISIONS, add_up, reach, spread_deviation
from leo_opt.domain import Domain
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.rewrites.pieces import settle
from leo_opt.stability import Stability

NEW_UNIT = -1
"""Stands for a unit that the original network does not have."""


@dataclass(frozen=True, eq=False)
class Step:
    """One rewrite that was made.

    Parameters
    ----------
    rewrite
        Its name, such as "inactive" or "product-rank".
    layer
        Index of the layer in the original network.
    removed
        Original indices of the units that went; -1 for one that an earlier step had made.
    added
        Number of new units.
    deviation : (output_size,) array
        Proved bound, per output, on what this step changes anywhere on the domain, in real
        arithmetic.
    """

    rewrite: str
    layer: int
    removed: tuple[int, ...]
    added: int
    deviation: FloatArray

    def __repr__(self) -> str:
        return (
            f"Step({self.rewrite!r}, layer {self.layer}: {len(self.removed)} units removed, "
            f"{self.added} added)"
        )


@dataclass(frozen=True, eq=False)
class Units:
    """What is known of the units of one layer, all arrays (n_out,).

    Phases and intervals are those that a unit had when it came into the draft; since then its
    pre-activation has moved by at most `drift`.

    Parameters
    ----------
    index
        Index in the original layer, or -1.
    active, inactive
        Whether the unit stably passes its input on; whether it stays on the piece below 0, on
        which rectifiers are 0 and leaky units multiples of their input. Never both.
    lower, upper
        Certified interval of the pre-activation.
    drift
        Exactly 0 where only exact rewrites were made.
    sure
        Of active units what the pre-activation, and of inactive ones what its opposite is proved to
        be at least, by whatever proved the phase.
    """

    index: IntArray
    active: BoolArray
    inactive: BoolArray
    lower: FloatArray
    upper: FloatArray
    drift: FloatArray
    sure: FloatArray

    def take(self, keep: BoolArray | IntArray) -> Units:
        """Some units, given by a mask or by index."""
        return Units(
            self.index[keep],
            self.active[keep],
            self.inactive[keep],
            self.lower[keep],
            self.upper[keep],
            self.drift[keep],
            self.sure[keep],
        )

    def zero(self, layer: Layer) -> BoolArray:
        """Those of the layer's units whose post-activation is 0."""
        zero: BoolArray = self.inactive & (layer.slopes(np.full(layer.n_out, -1.0)) == 0.0)
        return zero

    def append_passing(self, lower: FloatArray, upper: FloatArray, phased: bool) -> Units:
        """With new units after these that pass their input on: stably active, or linear ones."""
        count = lower.size
        return Units(
            np.append(self.index, np.full(count, NEW_UNIT)),
            np.append(self.active, np.full(count, phased)),
            np.append(self.inactive, np.zeros(count, dtype=bool)),
            np.append(self.lower, lower),
            np.append(self.upper, upper),
            np.append(self.drift, np.zeros(count)),
            np.append(self.sure, lower),
        )

    def move(self, further: FloatArray) -> Units:
        """After every pre-activation moved by at most `further` (n_out,)."""
        return replace(self, drift=add_up(self.drift, further))

    @property
    def interval(self) -> tuple[FloatArray, FloatArray]:
        """Certified interval of the pre-activations as they are now."""
        return self._left_of(self.lower), -self._left_of(-self.upper)

    @property
    def trusted(self) -> tuple[FloatArray, FloatArray]:
        """The interval with what the phases say, true if these are."""
        (lower, upper), sure = self.interval, self._left_of(self.sure)
        return (
            np.where(self.active, np.maximum(lower, sure), lower),
            np.where(self.inactive, np.minimum(upper, -sure), upper),
        )

    def _left_of(self, least: FloatArray) -> FloatArray:
        """What is left of lower bounds after the drift."""
        return np.where(self.drift == 0.0, least, round_down(least - self.drift))


@dataclass(frozen=True, eq=False)
class Draft:
    """A network that is being rewritten.

    Parameters
    ----------
    network
        As it is now.
    domain
        The box on which it equals the original but for the drift.
    units
        One `Units` a layer of `network`.
    origin
        For each layer of `network` its index in the original.
    roundoff
        Unit roundoff of the type in which the original's numbers came.
    preprocessing
        Indices of the layers of the original that have no phases.
    steps
        What was done so far.
    """

    network: Network
    domain: Domain
    units: tuple[Units, ...]
    origin: tuple[int, ...]
    roundoff: float
    preprocessing: frozenset[int]
    steps: tuple[Step, ...] = ()

    @classmethod
    def begin(
        cls,
        network: Network,
        stability: Stability,
        certified_only: bool = False,
    ) -> Draft:
        """The draft before the first rewrite.

        Parameters
        ----------
        certified_only
            Believe only phases that arithmetic alone proves.
        """
        domain = stability.domain.spread(network.input_size)
        # A classification asks no more of units whose sign intervals prove; here numbers that are
        # written and deviations hang on them. For these one choice of slopes will do.
        steps = Propagation(network, domain.box, Crown(slopes=("adaptive",)))
        certified, trusted = (stability.own_bounds(network, only) for only in (True, False))
        layers: list[Layer] = []
        units: list[Units] = []
        lower: list[FloatArray] = []
        upper: list[FloatArray] = []
        for index, layer in enumerate(network.layers):
            found = steps.bound(index, lower, upper)
            low = np.maximum(certified.lower[index], found[0])
            high = np.minimum(certified.upper[index], found[1])
            lower.append(low)
            upper.append(high)
            believed = (
                (low, high) if certified_only else (trusted.lower[index], trusted.upper[index])
            )
            settled, active, inactive, constant = settle(layer, *believed)
            layers.append(settled)
            low, high = (np.where(constant, settled.bias, end) for end in (low, high))
            known = np.arange(low.size), active, inactive, low, high, np.zeros(low.size)
            units.append(Units(*known, np.where(inactive, -believed[1], believed[0])))
        if any(settled is not layer for settled, layer in zip(layers, network.layers, strict=True)):
            network = Network(tuple(layers), network.signature)
        return cls.of(network, domain, tuple(units))

    @classmethod
    def of(cls, network: Network, domain: Domain, units: tuple[Units, ...]) -> Draft:
        """The draft of a network of whose units so much is known."""
        origin = tuple(range(len(network.layers)))
        linear = frozenset(k for k in origin if not network.layers[k].has_phases)
        return cls(network, domain, units, origin, _roundoff(network), linear)

    def bound_again(self) -> Draft:
        """With the phases of hidden units that bounds of the network as it is now prove.

        A network of fewer layers has tighter bounds, and units that moved may be sure of their
        phase all the same. Such a unit comes into the draft anew, as it is: its drift starts from
        0.
        """
        steps = Propagation(self.network, self.domain.box)
        known: list[Units] = []
        lower: list[FloatArray] = []
        upper: list[FloatArray] = []
        for layer, units in enumerate(self.units):
            found, before = steps.bound(layer, lower, upper), units.interval
            lower.append(np.maximum(before[0], found[0]))
            upper.append(np.minimum(before[1], found[1]))
            _, active, inactive, _ = settle(self.network.layers[layer], lower[-1], upper[-1])
            inactive &= ~units.active & (layer < self.last)
            active &= ~units.inactive & (layer < self.last)
            known_before = (active & units.active) | (inactive & units.inactive)
            new = (active | inactive) & ~(known_before & (units.drift == 0.0))
            known.append(
                Units(
                    units.index,
                    units.active | active,
                    units.inactive | inactive,
                    np.where(new, lower[-1], units.lower),
                    np.where(new, upper[-1], units.upper),
                    np.where(new, 0.0, units.drift),
                    np.where(new, np.where(inactive, -upper[-1], lower[-1]), units.sure),
                )
            )
        return replace(self, units=tuple(known))

    @property
    def last(self) -> int:
        """Index of the output layer."""
        return len(self.network.layers) - 1

    def kept(self, count: int) -> tuple[tuple[int, ...], ...]:
        """For each of the original's `count` layers its units that are left, -1 for new ones.

        Empty for layers that are gone.
        """
        left = dict(zip(self.origin, self.units, strict=True))
        return tuple(tuple(left[k].index.tolist()) if k in left else () for k in range(count))

    @property
    def deviation(self) -> FloatArray:
        """Proved bound on the difference from the original, per output."""
        return self.units[-1].drift

    def bounds(self, proved_for: str = "") -> Bounds:
        """Intervals of all units, true if the phases are; `proved_for` as of `Bounds`."""
        lower, upper = zip(*(units.trusted for units in self.units), strict=True)
        return Bounds(self.domain, lower, upper, proved_for)

    def inputs_of(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Certified interval of everything a layer reads."""
        if index == 0:
            return self.domain.box.lower, self.domain.box.upper
        below, ends = self.network.layers[index - 1], self.units[index - 1].interval
        lower, upper = (below.activate(end) for end in ends)
        if below.rounds:
            lower, upper = (
                round_down(lower - below.rounding(ends[0])),
                round_up(upper + below.rounding(ends[1])),
            )
        return lower, upper

    def replace_pair(
        self,
        index: int,
        pair: tuple[Layer, Layer],
        units: Units,
        error: FloatArray,
        record: tuple[str, IntArray, int],
    ) -> Draft:
        """A layer and the next rewritten together.

        Parameters
        ----------
        pair, units
            The new layers, and what is known of the units of the first.
        error : (n_out of the next layer,) array
            How far the pre-activations of the next layer can have moved.
        record
            Name of the rewrite, `index` of the units that went, number of new units.
        """
        layers = (*self.network.layers[:index], *pair, *self.network.layers[index + 2 :])
        known = (*self.units[:index], units, *self.units[index + 1 :])
        changed = replace(self, network=Network(layers, self.network.signature), units=known)
        return changed.note(index + 1, error, self.origin[index], record)

    def note(
        self, index: int, error: FloatArray, origin: int, record: tuple[str, IntArray, int]
    ) -> Draft:
        """This draft with a step written down that moved the pre-activations of a layer.

        Parameters
        ----------
        error : (n_out of the layer,) array
            How far they can have moved.
        origin
            Index in the original of the layer that the step is about.
        record
            As in `replace_pair`.
        """
        rewrite, removed, added = record
        spread = spread_deviation(self.network, index, error)
        units = tuple(map(Units.move, self.units[index:], spread))
        step = Step(rewrite, origin, tuple(removed.tolist()), added, spread[-1])
        return replace(self, units=(*self.units[:index], *units), steps=(*self.steps, step))

    def lost(self, index: int, mask: BoolArray) -> FloatArray:
        """How far the next layer's pre-activations move where each unit of the mask is taken for
        what its phase or value was at first, (n_out of the next layer,)."""
        outgoing = self.network.layers[index + 1].weight[:, mask]
        return reach(outgoing, self.units[index].drift[mask])


def _roundoff(network: Network) -> float:
    """Unit roundoff of the type of a network's file, or of float64 where its numbers have more
    digits."""
    numbers = (part for k in network.layers for part in (weights.entries(k.weight), k.bias))
    with np.errstate(over="ignore", under="ignore"):
        fits = all((part == part.astype(np.float32)).all() for part in numbers)
    return PRECISIONS[network.signature.dtype if fits else "float64"].roundoff
