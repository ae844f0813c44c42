"""Verdicts on units as verdicts on properties: is there an input of the domain with pre > 0?

`verify` knows inequalities over several inputs in all its stages, and so this strategy is the one
for a `Polytope`. Bounds and witnesses come first, as in the cascade: bounds of the enclosing box,
and witnesses that are members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arguments import Options, option, positive, read_whole
from leo_opt.arithmetic import float_above, gamma, round_up
from leo_opt.arrays import FloatArray
from leo_opt.bounds import interval
from leo_opt.bounds.rational import simple
from leo_opt.deadline import Deadline
from leo_opt.decisions.cascade import find_witnesses
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Job
from leo_opt.decisions.run import Classification
from leo_opt.decisions.settings import Milps
from leo_opt.decisions.strategies import Strategy
from leo_opt.decisions.witness_search import RANDOM_POINTS, read_points
from leo_opt.domain import Domain
from leo_opt.inequalities import Inequality
from leo_opt.network import Layer, Network
from leo_opt.polytope import Polytope
from leo_opt.properties import Case, Property
from leo_opt.stability import ARITHMETIC
from leo_opt.verification import Decision, verify

STAGE = "property"
_NEARLY_ZERO = 1e-12
"""Share of its terms below which a bound may be 0 but for rounding."""
_UNDERFLOW = 2.0**-1000
"""More than products of prices and factors lose by underflow."""


@dataclass(frozen=True)
class ByProperty(Options, Strategy):
    """Decide every unit by a property of the network before it, whatever rows the domain has.

    Parameters
    ----------
    random_points
        Number of random inputs to try as witnesses first.
    splitting_budget
        Pieces of the box that input splitting may bound for each property.
    """

    name = "by-property"
    takes_rows = True
    random_points: int = option(RANDOM_POINTS, read_points)
    splitting_budget: int = option(20_000, positive(read_whole))

    def settle(self, run: Classification) -> None:
        """See `Strategy.settle`."""
        _bound_by_rows(run)
        run.bound_layers()
        find_witnesses(run, self.random_points)
        for layer in run.network.phased_layers:
            if run.deadline.passed:
                return
            before = run.ledger.all_open()
            run.ledger.bound_layer(layer, deadline=run.deadline)
            run.credit("bounds", before)
            before = run.ledger.all_open()
            run.settle(STAGE, _Jobs(run, self.splitting_budget), run.ledger.open(layer))
            run.credit(STAGE, before)


def _bound_by_rows(run: Classification) -> None:
    """Intervals of the first layer, as the rows of a polytope tighten them.

    For prices p >= 0, pre <= pre + p @ (bound - weight @ x) on the polytope: an affine function
    that interval arithmetic bounds on the box. What rounding its coefficients changes is added.
    """
    domain, layer = run.domain, run.network.layers[0]
    if not isinstance(domain, Polytope):
        return
    run.ledger.bound_layer(0, "interval", run.deadline)
    box, own = domain.box, weights.dense(layer.weight)
    reach = np.maximum(np.abs(box.lower), np.abs(box.upper))
    for sign in (-1, +1):
        _, prices = domain.priced(sign * own)
        row, constant = sign * own - prices @ domain.weight, sign * layer.bias
        constant = constant + prices @ domain.bound
        size = (np.abs(own) + prices @ np.abs(domain.weight)) @ reach
        size += np.abs(layer.bias) + prices @ np.abs(domain.bound)
        rounded = gamma(len(domain.bound) + 3) * size + _UNDERFLOW * (1.0 + reach.sum())
        shifted = Network((Layer(row, constant, "linear"),))
        _, high = interval.bound_layer(shifted, box, 0, (), ())
        ends = round_up(high + round_up(rounded))
        for unit in np.flatnonzero((ends > 0.0) & (ends <= _NEARLY_ZERO * size)).tolist():
            some = sign * own[unit], sign * float(layer.bias[unit]), prices[unit]
            ends[unit] = min(ends[unit], _exact_end(domain, *some))
        for unit, value in enumerate(ends.tolist()):
            # Where sums overflow nothing is proved.
            if value < np.inf:
                run.ledger.tighten(Direction(0, unit, sign), value, "rows", ARITHMETIC)


def _exact_end(domain: Polytope, row: FloatArray, bias: float, prices: FloatArray) -> float:
    """The bound by rows for one unit, in rationals, with the simple prices that these stand for."""
    left, total = [Fraction(value) for value in row.tolist()], Fraction(bias)
    for price, mine, bound in zip(prices.tolist(), domain.weight, domain.bound, strict=True):
        factor = max(simple(price), Fraction(0))
        total += factor * Fraction(float(bound))
        left = [a - factor * Fraction(b) for a, b in zip(left, mine.tolist(), strict=True)]
    box = domain.box
    for value, low, high in zip(left, box.lower.tolist(), box.upper.tolist(), strict=True):
        total += value * Fraction(high if value > 0 else low)
    return float_above(total)


@dataclass(frozen=True, eq=False)
class _Jobs:
    """What makes the jobs of a round."""

    run: Classification
    pieces: int

    def __call__(self, directions: list[Direction]) -> Sequence[PropertyJob]:
        run, ends_at = self.run, self.run.deadline.at
        limits = STAGE, ends_at, run.time_for_one(len(directions))
        network, domain, milps = run.network, run.domain, run.settings.milps
        return [
            PropertyJob((direction,), *limits, network, domain, milps, self.pieces)
            for direction in directions
        ]


@dataclass(frozen=True, eq=False)
class PropertyJob(Job):
    """A property for each direction: that sign * pre is positive nowhere on the domain."""

    network: Network
    domain: Domain
    milps: Milps
    pieces: int

    def answer(self) -> list[Finding]:
        """One finding a direction."""
        return [self._answer(direction) for direction in self.directions]

    def _answer(self, direction: Direction) -> Finding:
        milps = self.milps
        verdict = verify(
            *property_of(self.network, self.domain, direction),
            solver=milps.solver,
            formulation=milps.formulation,
            node_limit=milps.node_limit,
            piece_limit=self.pieces,
            margin=milps.margin,
            seed=milps.seed,
            memory=milps.memory,
            time_limit=Deadline.until(self.ends_at, self.unit_time_limit),
        )
        [case] = verdict.cases
        exact = verdict.exact_inputs is None
        return Finding(
            direction,
            self.stage,
            bound=0.0 if verdict.answer is Decision.HOLDS else None,
            premise=case.premise,
            witness=verdict.inputs if exact else None,
            # A stage stands before what it has met, unlike before a limit.
            anomaly=case.reason if ": " in case.reason else "",
            seconds=verdict.seconds,
            lps=verdict.lps,
            milps=verdict.milps,
            nodes=verdict.nodes,
        )


def property_of(network: Network, domain: Domain, direction: Direction) -> tuple[Network, Property]:
    """The network up to a unit, and the property that sign * pre is positive nowhere."""
    layer, unit, sign = direction
    asked = network.layers[layer].take(np.array([unit]))
    prefix = Network((*network.layers[:layer], Layer(asked.weight, asked.bias, "linear")))
    above = Inequality(((("Y", 0), Fraction(-sign)),), Fraction(0), strict=True)
    return prefix, Property(network.input_size, 1, (Case.on(domain, (above,)),))
