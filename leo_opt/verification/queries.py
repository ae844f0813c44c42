"""A property as queries about a network: for each box, can the outputs satisfy these rows?

A case of a property is impossible on a box where at every input one of its inequalities fails. The
rows below are float64 relaxations of the inequalities: where an inequality holds its row holds
strictly, so that a row that fails, even with equality, refutes the inequality.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from leo_opt.arithmetic import float_above
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Bounds, Interval, Propagation, post_interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.goals import Goals
from leo_opt.domain import Box
from leo_opt.errors import MismatchError
from leo_opt.inequalities import Inequality, Variable, equalities
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.properties import Case, Property

_MOST_PAIRED = 8
"""Inequalities of a case of which all pairs are summed."""
_PROJECTIONS = 4
"""Turns between equations and the box; the exact solution comes later."""
_SMALLEST = 2.0**-400
"""Least magnitude of a right-hand side that is not exactly 0 in float64."""
_LARGEST = Fraction(10) ** 300
"""Right-hand sides beyond this are as good as infinite."""


@dataclass(frozen=True, eq=False)
class Conjunct:
    """The inequalities of one case, all of which have to hold at once.

    Parameters
    ----------
    case
        Index into `Property.cases`.
    inequalities, inputs
        `Case.outputs` and `Case.inputs`, as the property states them.
    weight : (rows, n_out) array
    bound : (rows,) array
        Wherever on the box the inequalities hold, weight @ y < bound in every row. There may be
        fewer rows than inequalities.
    tied : (rows,) array
        Rows of inequalities over inputs that hold with equality wherever all do.
    mixtures : (m, n_out) and (m,) arrays
        Weight and bound of rows that follow from several inequalities together. Where no single
        row can be refuted on a box, the sum of two often can.
    """

    case: int
    inequalities: tuple[Inequality, ...]
    inputs: tuple[Inequality, ...]
    weight: FloatArray
    bound: FloatArray
    tied: BoolArray
    mixtures: tuple[FloatArray, FloatArray]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.bound.size)

    @lazy
    def equalities(self) -> tuple[Inequality, ...]:
        """Equations over inputs that the inequalities are together."""
        return equalities(self.inequalities)

    def slacks(self, outputs: FloatArray) -> FloatArray:
        """The largest slack of rows that are no equations, for outputs (N, n_out), (N,)."""
        slacks = (outputs @ self.weight.T - self.bound)[:, ~self.tied]
        largest: FloatArray = slacks.max(axis=1, initial=-np.inf)
        return largest

    def project(self, points: FloatArray, domain: Box) -> FloatArray:
        """Points of the box (N, n_in) that satisfy the equations more or less."""
        if not self.equalities:
            return points
        matrix = np.zeros((len(self.equalities), points.shape[1]))
        for place, row in enumerate(self.equalities):
            for (_, k), factor in row.terms:
                matrix[place, k] = float(factor)
        inverse, bounds = np.linalg.pinv(matrix), [float(row.bound) for row in self.equalities]
        for _ in range(_PROJECTIONS):
            points = domain.clip(points - (points @ matrix.T - bounds) @ inverse.T)
        return points


@dataclass(frozen=True, eq=False)
class Query:
    """All cases of a property on one box.

    Parameters
    ----------
    bounds
        Certified intervals of every pre-activation of the network.
    conjuncts
        Those still open, by case.
    """

    network: Network
    domain: Box
    bounds: Bounds
    conjuncts: tuple[Conjunct, ...]

    @lazy
    def slack_network(self) -> Network:
        """The network with weight @ y - bound of all conjuncts, one after the other, as output.

        A conjunct is impossible where one of its slacks is not negative.
        """
        return self._append([(c.weight, c.bound) for c in self.conjuncts])

    @lazy
    def mixed_network(self) -> Network:
        """The same with the mixtures of each conjunct after its rows: for bounds."""
        sides = [((c.weight, c.mixtures[0]), (c.bound, c.mixtures[1])) for c in self.conjuncts]
        return self._append([(np.vstack(w), np.concatenate(b)) for w, b in sides])

    def _append(self, rows: Sequence[tuple[FloatArray, FloatArray]]) -> Network:
        weights, bounds = zip(*rows, strict=True)
        last = Layer(np.vstack(weights), -np.concatenate(bounds), "linear")
        return Network((*self.network.layers, last))

    @lazy
    def owners(self) -> IntArray:
        """For each output of the slack network the position of its conjunct."""
        return np.repeat(np.arange(len(self.conjuncts)), [c.rows for c in self.conjuncts])

    @lazy
    def mixed_owners(self) -> IntArray:
        """For each output of the mixed network the position of its conjunct."""
        sizes = [c.rows + c.mixtures[1].size for c in self.conjuncts]
        return np.repeat(np.arange(len(sizes)), sizes)

    @lazy
    def goals(self) -> Goals:
        """Conjuncts as goals of input splitting: one is settled where a slack is never negative."""
        layer, owners = len(self.network.layers), self.mixed_owners
        rows = tuple(Direction(layer, unit, -1) for unit in range(owners.size))
        return Goals(self.mixed_network, self.bounds, rows, owners, thorough=True)

    def slack_bounds(self, mixed: bool = False, deadline: Deadline = NO_LIMIT) -> Interval:
        """Certified intervals of the outputs of the slack network, or of the mixed one."""
        steps = Propagation(self.mixed_network if mixed else self.slack_network, self.domain)
        index = len(self.network.layers)
        return steps.bound(index, self.bounds.lower, self.bounds.upper, deadline)

    def without(self, cases: Sequence[int]) -> Query:
        """The query about the other cases."""
        gone = set(cases)
        left = tuple(c for c in self.conjuncts if c.case not in gone)
        return Query(self.network, self.domain, self.bounds, left)

    def on(self, bounds: Bounds) -> Query:
        """The same query, with tighter intervals."""
        return Query(self.network, self.domain, bounds, self.conjuncts)


def check_sizes(network: Network, asked: Property) -> None:
    """Refuse a property that is about another network.

    Raises
    ------
    MismatchError
        If the property has another number of inputs or outputs.
    """
    for name, mine, theirs in (
        ("inputs", network.input_size, asked.input_size),
        ("outputs", network.output_size, asked.output_size),
    ):
        if mine != theirs:
            raise MismatchError(
                f"the property has {theirs} {name} and the network {mine}; "
                "give the property of this network"
            )


def make_query(network: Network, bounds: Bounds, asked: Property, cases: Sequence[int]) -> Query:
    """The query that some cases of a property ask, which share the box of the bounds."""
    last = network.layers[-1]
    ends = post_interval(last, bounds.lower[-1], bounds.upper[-1])
    reach = np.maximum(*map(np.abs, ends))
    conjuncts = tuple(_make_conjunct(k, asked.cases[k], reach, asked.columns) for k in cases)
    return Query(network, bounds.domain.box, bounds, conjuncts)


def _make_conjunct(
    index: int, case: Case, reach: FloatArray, columns: Mapping[Variable, int]
) -> Conjunct:
    """The rows of a case; `reach` (n_out,) is the largest magnitude of each output."""
    scaled = [_scale(inequality) for inequality in case.outputs]
    paired = len(scaled) <= _MOST_PAIRED
    mixed: list[Sequence[Inequality]] = list(combinations(scaled, 2)) if paired else []
    mixed += [scaled] if len(scaled) > 2 else []
    weight, bound, made = _make_rows(scaled, reach, columns)
    mixtures = _make_rows(map(_sum, mixed), reach, columns)[:2]
    equal = {frozenset(row.terms) for row in equalities(scaled)}
    equal |= {frozenset((v, -factor) for v, factor in terms) for terms in equal}
    tied = np.array([frozenset(scaled[k].terms) in equal for k in made], dtype=bool)
    return Conjunct(index, case.outputs, case.inputs, weight, bound, tied, mixtures)


def _scale(inequality: Inequality) -> Inequality:
    """An inequality divided by a power of two that brings its largest factor to about 1."""
    largest = max((abs(factor) for _, factor in inequality.terms), default=Fraction(1))
    exponent = largest.numerator.bit_length() - largest.denominator.bit_length()
    scale = Fraction(2) ** -exponent
    terms = tuple((variable, factor * scale) for variable, factor in inequality.terms)
    return Inequality(terms, inequality.bound * scale, inequality.strict)


def _sum(inequalities: Sequence[Inequality]) -> Inequality:
    """What some inequalities together imply."""
    factors: dict[Variable, Fraction] = {}
    for inequality in inequalities:
        for variable, factor in inequality.terms:
            factors[variable] = factors.get(variable, Fraction(0)) + factor
    terms = tuple((variable, factor) for variable, factor in factors.items() if factor)
    total = sum((inequality.bound for inequality in inequalities), Fraction(0))
    return _scale(Inequality(terms, total, any(one.strict for one in inequalities)))


def _make_rows(
    inequalities: Iterable[Inequality], reach: FloatArray, columns: Mapping[Variable, int]
) -> tuple[FloatArray, FloatArray, list[int]]:
    """Weight (rows, n_out) and bound (rows,) of those inequalities that give a row, and which."""
    rows = {k: _make_row(one, reach, columns) for k, one in enumerate(inequalities)}
    made = {k: row for k, row in rows.items() if row is not None}
    weight = np.array([row[0] for row in made.values()]).reshape(-1, reach.size)
    return weight, np.array([row[1] for row in made.values()]), list(made)


def _make_row(
    inequality: Inequality, reach: FloatArray, columns: Mapping[Variable, int]
) -> tuple[FloatArray, float] | None:
    """A row that holds strictly wherever an inequality does; None if there is none of use.

    What rounding the factors can change on outputs up to `reach` is added to the right-hand side.
    """
    weight = np.zeros(reach.size)
    bound = inequality.bound
    for variable, exact in inequality.terms:
        output = columns[variable]
        weight[output] = float(exact)
        rounding = abs(Fraction(weight[output]) - exact)
        if rounding and not np.isfinite(reach[output]):
            return None
        bound += rounding * Fraction(reach[output]) if rounding else 0
    if bound > _LARGEST:
        return None
    value = float_above(max(bound, -_LARGEST))
    if Fraction(value) == bound and not inequality.strict:
        value = float(np.nextafter(value, np.inf))
    # A row that is all but zero must not be scaled up beyond the range of float64.
    return weight, _SMALLEST if 0.0 < abs(value) < _SMALLEST else value
