"""The ledger of a running classification: what is proved, by what, and what is still open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from leo_opt import weights
from leo_opt.arguments import name_of
from leo_opt.arrays import BoolArray
from leo_opt.bounds import BoundMethodLike, Bounds, Propagation, rational
from leo_opt.bounds.methods import Crown
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.scaling import NEARLY_ZERO, unit_scales
from leo_opt.domain import Domain
from leo_opt.errors import MismatchError
from leo_opt.evidence import GIVEN
from leo_opt.network import FloatArray, Network
from leo_opt.stability import ARITHMETIC, Evidence, Premise, Stability, Statistics, weakest
from leo_opt.witnesses import Witnesses, collect


class _Side:
    """One end of every interval as `sign * pre <= value`, so that both ends read alike.

    `certified` and `trusted` hold one (n_out,) array a layer; `method`, `premise`, `anomaly` and
    `seconds` one list a layer with an entry a unit.
    """

    def __init__(self, widths: list[int]) -> None:
        self.certified = [np.full(width, np.inf) for width in widths]
        self.trusted = [np.full(width, np.inf) for width in widths]
        self.method = [["none"] * width for width in widths]
        self.premise = [[ARITHMETIC] * width for width in widths]
        self.anomaly = [[""] * width for width in widths]
        self.seconds = [[0.0] * width for width in widths]

    def tighten(self, index: int, values: FloatArray, method: str, premise: Premise) -> None:
        """Lower the ends of a layer to `values` (n_out,) where these are strictly tighter."""
        if premise.certified:
            self.certified[index] = np.minimum(self.certified[index], values)
        for unit in np.flatnonzero(values <= self.trusted[index]):
            # What proves the same with less belief is the better evidence.
            stronger = premise.certified and not self.premise[index][unit].certified
            if stronger or values[unit] < self.trusted[index][unit]:
                self.method[index][unit] = method
                self.premise[index][unit] = premise
        self.trusted[index] = np.minimum(self.trusted[index], values)


class Ledger:
    """Mutable record of one classification; `close` turns it into a `Stability`.

    Parameters
    ----------
    network
    domain
        Of the network's input size.
    """

    def __init__(self, network: Network, domain: Domain) -> None:
        self.network = network
        self.domain = domain
        self.witnesses = Witnesses.none(network)
        self.settled: dict[str, int] = {}
        widths = [layer.n_out for layer in network.layers]
        self._sides = {-1: _Side(widths), +1: _Side(widths)}
        self._steps: dict[tuple[str, bool], Propagation] = {}
        """By method, and whether the premise is certified."""

    def bound_layer(
        self,
        index: int,
        method: BoundMethodLike = "crown",
        deadline: Deadline = NO_LIMIT,
    ) -> None:
        """Bounds of a layer from all that is known of the layers before it.

        The certified intervals are computed from certified ones. Where a solver has tightened
        an earlier layer, a second pass from the trusted intervals inherits that premise. Units
        that the deadline leaves no time for have what interval arithmetic says. CROWN is asked
        about units whose sign intervals leave open, and about outputs.
        """
        self._bound_layer(index, ARITHMETIC, method, deadline)
        premise = self.premise_below(index)
        if not premise.certified:
            self._bound_layer(index, premise, method, deadline)

    def _bound_layer(
        self, index: int, premise: Premise, method: BoundMethodLike, deadline: Deadline
    ) -> None:
        key = name_of(method), premise.certified
        if key not in self._steps:
            self._steps[key] = Propagation(
                self.network,
                self.domain.box,
                Crown(open_only=True) if method == "crown" else method,
            )
        known = self._arrays(premise.certified)
        for step, (low, high) in self._steps[key].layer(index, *known, deadline):
            rests_on = weakest(premise, step.premise)
            self._sides[-1].tighten(index, -low, step.name, rests_on)
            self._sides[+1].tighten(index, high, step.name, rests_on)

    def bound_ties(self, index: int, deadline: Deadline) -> None:
        """Prove in rationals what of a layer only rounding leaves open, such as a unit a - a.

        No witness can show a sign of such a unit, however long one is searched for.
        """
        if not (self.open(index) and rational.affordable(self.network, index)):
            return
        known = self.bounds(index + 1, certified=True)
        if not known.finite:
            return
        layer, below = self.network.layers[index], (known.lower[:index], known.upper[:index])
        scales = unit_scales(self.network, self.domain.box, known, index)
        slopes = [(high > -low).astype(np.float64) for low, high in zip(*below, strict=True)]
        none = [np.zeros(slope.size) for slope in slopes]
        for direction in self.open(index):
            unit, sign = direction.unit, float(direction.sign)
            if deadline.passed or self.value(direction) * scales[unit] >= NEARLY_ZERO:
                continue
            row = sign * weights.row(layer.weight, unit), sign * float(layer.bias[unit])
            bound = rational.bound_dual(self.network, self.domain.box, *below, *row, slopes, none)
            self.tighten(direction, bound, "rational", ARITHMETIC)

    def take(self, bounds: Bounds) -> None:
        """Intersect with bounds of the caller's, which hold on the domain if they hold at all."""
        proved = bounds.proved_for == self.network.content_hash
        premise = ARITHMETIC if proved else GIVEN
        self.tighten_layers(bounds.lower, bounds.upper, "given", premise)

    def go_on_from(self, known: Stability) -> None:
        """Begin with what is known of the network already; witnesses are tried anew."""
        for sign, evidence in ((-1, known.lower_evidence), (+1, known.upper_evidence)):
            side = self._sides[sign]
            for mine, bounds in ((side.certified, known.certified), (side.trusted, known.trusted)):
                mine[:] = [-low for low in bounds.lower] if sign < 0 else list(bounds.upper)
            side.method = [[entry.method for entry in layer] for layer in evidence]
            side.premise = [[entry.premise for entry in layer] for layer in evidence]
        self.witnesses = collect(self.network, self.domain, known.witnesses, self.witnesses)

    def premise_below(self, index: int) -> Premise:
        """The weakest premise under the trusted intervals of all layers before `index`."""
        premise = ARITHMETIC
        for side in self._sides.values():
            for earlier in range(index):
                for entry in set(side.premise[earlier]):
                    premise = weakest(premise, entry)
        return premise

    def tighten_layers(
        self,
        lower: Sequence[FloatArray],
        upper: Sequence[FloatArray],
        method: str,
        premise: Premise,
    ) -> None:
        """Record proved intervals of all layers, one (n_out,) array a layer."""
        for layer, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self._sides[-1].tighten(layer, -low, method, premise)
            self._sides[+1].tighten(layer, high, method, premise)

    def tighten(self, direction: Direction, value: float, method: str, premise: Premise) -> bool:
        """Record that sign * pre <= value on the domain.

        Returns
        -------
        bool
            False, and nothing is recorded, where the value contradicts the other end or a
            witness.
        """
        shown = self.witnesses.below if direction.sign < 0 else self.witnesses.above
        if value <= 0.0 and shown[direction.layer][direction.unit] >= 0:
            return False
        if value < -self.value(direction._replace(sign=-direction.sign)):
            return False
        values = np.full(self.network.layers[direction.layer].n_out, np.inf)
        values[direction.unit] = value
        self._sides[direction.sign].tighten(direction.layer, values, method, premise)
        return True

    def note(self, direction: Direction, seconds: float, anomaly: str = "") -> None:
        """Record the cost of a question, and what was odd about its answer."""
        side = self._sides[direction.sign]
        side.seconds[direction.layer][direction.unit] += seconds
        if anomaly:
            side.anomaly[direction.layer][direction.unit] = anomaly

    def said(self, direction: Direction) -> str:
        """What is noted of a direction besides its bound, or ""."""
        return self._sides[direction.sign].anomaly[direction.layer][direction.unit]

    def value(self, direction: Direction) -> float:
        """The proved upper end of sign * pre."""
        return float(self._sides[direction.sign].trusted[direction.layer][direction.unit])

    def open(self, index: int) -> list[Direction]:
        """Directions of a layer that still need an answer, by unit, below zero before above.

        A unit proved stable has none; a sign that a witness shows needs no other proof.
        """
        below, above = self.unanswered(index)
        return [
            Direction(index, int(unit), sign)
            for unit in np.flatnonzero(below | above)
            for sign, unanswered in ((-1, below), (+1, above))
            if unanswered[unit]
        ]

    def unanswered(self, index: int) -> tuple[BoolArray, BoolArray]:
        """Which units (n_out,) have their direction below zero open, and which above."""
        return self._unanswered(slice(index, index + 1))

    def _unanswered(self, layers: slice) -> tuple[BoolArray, BoolArray]:
        """The same of several layers, one after the other in one array."""
        below, above = (np.concatenate(self._sides[sign].trusted[layers]) for sign in (-1, +1))
        unstable = (below > 0.0) & (above > 0.0)
        unstable &= np.concatenate([layer.phased for layer in self.network.layers[layers]])
        pool = self.witnesses
        shown_below, shown_above = (
            np.concatenate(side[layers]) >= 0 for side in (pool.below, pool.above)
        )
        return unstable & ~shown_below, unstable & ~shown_above

    def is_open(self, direction: Direction) -> bool:
        """Whether one direction still needs an answer."""
        shown = self.witnesses.below if direction.sign < 0 else self.witnesses.above
        return (
            self.value(direction) > 0.0
            and self.value(direction._replace(sign=-direction.sign)) > 0.0
            and shown[direction.layer][direction.unit] < 0
        )

    def all_open(self) -> int:
        """Number of open directions of all layers with phases."""
        below, above = self._unanswered(slice(None))
        return int(below.sum() + above.sum())

    def credit(self, stage: str, count: int) -> None:
        """Count directions that a stage has settled."""
        self.settled[stage] = self.settled.get(stage, 0) + count

    def _repair(self) -> None:
        """Give units whose trusted interval cannot be true their certified one again."""
        below, above = self._sides[-1], self._sides[+1]
        for layer in range(len(self.network.layers)):
            wrong = -below.trusted[layer] > above.trusted[layer]
            wrong |= (below.trusted[layer] <= 0.0) & (self.witnesses.below[layer] >= 0)
            wrong |= (above.trusted[layer] <= 0.0) & (self.witnesses.above[layer] >= 0)
            for unit in np.flatnonzero(wrong):
                for side in (below, above):
                    if side.premise[layer][unit] == GIVEN and side.method[layer][unit] == "given":
                        raise MismatchError(
                            f"the bounds given for unit ({layer}, {unit}) contradict what is "
                            "proved of it; they belong to another network or are wrong"
                        )
                    side.trusted[layer][unit] = side.certified[layer][unit]
                    side.premise[layer][unit] = ARITHMETIC
                    side.anomaly[layer][unit] = "a solver's bound was contradicted and dropped"

    def bounds(self, layers: int, certified: bool = False) -> Bounds:
        """Intervals of the first `layers` layers, trusted unless `certified` is asked for."""
        self._repair()
        lower, upper = self._arrays(certified)
        whole = certified and layers == len(self.network.layers)
        proved_for = self.network.content_hash if whole else ""
        return Bounds(self.domain, tuple(lower[:layers]), tuple(upper[:layers]), proved_for)

    def _arrays(self, certified: bool) -> tuple[list[FloatArray], list[FloatArray]]:
        below, above = self._sides[-1], self._sides[+1]
        if certified:
            return [-values for values in below.certified], above.certified
        return [-values for values in below.trusted], above.trusted

    def close(self, statistics: Statistics) -> Stability:
        """The verdicts as a value."""
        count = len(self.network.layers)
        return Stability(
            network_hash=self.network.content_hash,
            domain=self.domain,
            phased=tuple(layer.phased for layer in self.network.layers),
            certified=self.bounds(count, certified=True),
            trusted=self.bounds(count),
            lower_evidence=self._evidence(-1, self.witnesses.below),
            upper_evidence=self._evidence(+1, self.witnesses.above),
            witnesses=self.witnesses.inputs,
            statistics=statistics,
        )

    def _evidence(
        self, sign: int, shown: Iterable[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]
    ) -> tuple[tuple[Evidence, ...], ...]:
        side = self._sides[sign]
        return tuple(
            tuple(
                Evidence(method, premise, int(row) if row >= 0 else None, anomaly, seconds)
                for method, premise, row, anomaly, seconds in zip(*columns, strict=True)
            )
            for columns in zip(
                side.method, side.premise, shown, side.anomaly, side.seconds, strict=True
            )
        )
