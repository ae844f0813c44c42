"""Proved bounds on output differences: of reading, rewriting, rounding weights and inference.

All push bounds on pre-activations through the layers that follow by |W|: activations of the
table have slopes of at most 1, so that no difference grows in them. Where a layer takes the larger
of two values, that moves no further than the one of them that moves more. Every bound is widened
by its own rounding error; where no term is there at all, it is exactly 0.

References
----------
N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from leo_opt import weights
from leo_opt.activations import read_activation
from leo_opt.arithmetic import (
    TINY,
    UNIT_ROUNDOFF,
    gamma,
    middle_and_radius,
    round_down,
    round_up,
)
from leo_opt.arrays import BoolArray
from leo_opt.domain import Domain
from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.layer import Layer
from leo_opt.maxima import SumRows
from leo_opt.network import FloatArray, Network, Weight


@dataclass(frozen=True)
class Precision:
    """Unit roundoff of a floating-point format and its smallest normal number."""

    roundoff: float
    tiny: float


class Intervals(Protocol):
    """What this file needs of `leo_opt.bounds.Bounds`, which stands beside it in the layout."""

    @property
    def domain(self) -> Domain:
        """The box on which the intervals hold."""

    @property
    def lower(self) -> tuple[FloatArray, ...]:
        """Lower ends of every layer's pre-activations."""

    @property
    def upper(self) -> tuple[FloatArray, ...]:
        """Upper ends of every layer's pre-activations."""

    def check(self, network: Network) -> None:
        """Refuse another network."""


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        "float32": Precision(2.0**-24, 2.0**-126),
        "float64": Precision(UNIT_ROUNDOFF, 2.0**-1022),
    }
)
"""The element types in which a forward pass can be bounded."""


def reach(matrix: Weight, bounds: FloatArray) -> FloatArray:
    """Upper bounds of |matrix| @ bounds.

    Parameters
    ----------
    matrix : (m, n) array
    bounds : (n,) array
        Not negative; may be infinite.

    Returns
    -------
    (m,) array
        Exactly 0 where every product is 0, also a product of 0 and infinity.
    """
    magnitude = abs(matrix)
    finite = np.isfinite(bounds)
    with np.errstate(over="ignore"):
        total = magnitude @ np.where(finite, bounds, 0.0)
        total = round_up((1.0 + gamma(matrix.shape[1] + 2)) * total + TINY)
    total = np.where(weights.rows_that_read(matrix, ~finite), np.inf, total)
    return np.where(weights.rows_that_read(matrix, bounds != 0.0), total, 0.0)


def add_up(*terms: FloatArray) -> FloatArray:
    """Upper bounds of a sum of arrays that are not negative; exact where all but one are 0."""
    total = np.zeros_like(terms[0])
    for term in terms:
        with np.errstate(over="ignore"):
            added = round_up(total + term)
        total = np.where(total == 0.0, term, np.where(term == 0.0, total, added))
    return total


def spread_deviation(network: Network, index: int, per_unit: FloatArray) -> tuple[FloatArray, ...]:
    """How far a change of one layer's pre-activations can move those of all later layers.

    Parameters
    ----------
    index
        Index of the layer whose pre-activations change.
    per_unit : (n_out,) array
        How far each of them can move.

    Returns
    -------
    tuple of arrays
        One bound a unit for layer `index` and each later layer; the last holds for the outputs too.
    """
    moved = _Moved.of(network, index, np.asarray(per_unit, dtype=np.float64))
    spread = [moved.units]
    for later in network.layers[index + 1 :]:
        moved = moved.through(network, np.zeros(later.n_out))
        spread.append(moved.units)
    return tuple(spread)


@dataclass(frozen=True)
class _Moved:
    """How far what layer `index` gives can move, -1 for the inputs: its units and its sums.

    See `leo_opt.maxima` for sums.
    """

    index: int
    units: FloatArray
    sums: FloatArray

    @classmethod
    def of(cls, network: Network, index: int, fresh: FloatArray) -> _Moved:
        """Where no earlier layer moves and each unit of this one by so much."""
        if index < 0 or not fresh.any():
            return cls(index, fresh, fresh)
        still = np.zeros(network.layers[index].n_in)
        return cls(index - 1, still, still).through(network, fresh)

    def through(self, network: Network, fresh: FloatArray) -> _Moved:
        """After the next layer, whose pre-activations move by `fresh` (n_out,) besides."""
        index = self.index + 1
        # Most rewrites move nothing, and every one makes a network whose maxima are not known yet.
        if not (self.units.any() or fresh.any()):
            return _Moved(index, fresh, fresh)
        layer, before = network.layers[index], network.maxima[self.index] if index else None
        moved = reach(layer.weight, self.units)
        if before is not None:
            moved = np.minimum(moved, _reach_of_sums(before.readers, self.sums))
        moved = add_up(moved, fresh)
        here = network.maxima[index]
        if here is None:
            return _Moved(index, moved, moved)
        # max(m p, b) with b = m p + g moves no more than m p, or b.
        sizes = np.abs(here.factors)
        source = _times(sizes, moved[here.sources])
        own = add_up(_times(sizes, fresh[here.sources]), fresh[here.units])
        other = add_up(_reach_of_sums(here.other, self.sums), own)
        largest = np.where(here.rectified, np.maximum(source, other), other)
        sums = moved.copy()
        sums[here.units] = np.minimum(largest, add_up(source, moved[here.units]))
        return _Moved(index, moved, sums)


def _reach_of_sums(rows: SumRows, bounds: FloatArray) -> FloatArray:
    """`reach` of rows over sums; what a row passes on as it is moves as it does."""
    total = reach(rows.weight, bounds)
    if rows.slack is not None:
        total = add_up(total, reach(rows.slack, bounds))
    return np.where(rows.lanes >= 0, bounds[rows.lanes], total)


def _times(factors: FloatArray, bounds: FloatArray) -> FloatArray:
    """Upper bounds of products of numbers that are not negative; exact with 0 or 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        made = round_up(factors * bounds + TINY)
    return np.where(bounds == 0.0, 0.0, np.where(factors == 1.0, bounds, made))


def rounding_deviation(network: Network, written: Network, bounds: Intervals) -> FloatArray:
    """`rounding_spread` of the outputs, (output_size,)."""
    return rounding_spread(network, written, bounds)[-1]


def rounding_spread(
    network: Network, written: Network, bounds: Intervals
) -> tuple[FloatArray, ...]:
    """How far pre-activations of two networks can be apart on the box of the bounds, in real
    arithmetic.

    Only entries that differ count: where all are equal the bound is 0.

    Parameters
    ----------
    written
        A network of the same shape, such as one whose weights were rounded to float32.
    bounds
        Of `network`.

    Returns
    -------
    tuple of arrays
        One bound a unit for each layer; the last holds for the outputs too.

    Raises
    ------
    InvalidInputError
        If the networks differ in more than their numbers.
    MismatchError
        If the bounds are not of `network`.
    """
    bounds.check(network)
    if _shape(network) != _shape(written):
        raise InvalidInputError(
            f"{written!r} has not the shape of {network!r}; compare a network with its rounded copy"
        )
    # The difference of each unit lies within `moved` of `centre`.
    moved, centre = _Moved.of(written, -1, np.zeros(network.input_size)), np.zeros(1)
    spread = []
    for index, (layer, other) in enumerate(zip(network.layers, written.layers, strict=True)):
        # other @ h' - layer @ h = other @ (h' - h) + (other - layer) @ h, with h of the original.
        constant, fresh = _change(layer, other, centre, *inputs_of(network, bounds, index))
        shown = moved.through(written, fresh)
        passes = passing(layer, bounds.lower[index])
        passes &= ~other.phased | (round_down(bounds.lower[index] + constant - shown.units) >= 0.0)
        if network.maxima[index] is not None:
            passes = np.zeros_like(passes)
        centre = np.where(passes, constant, 0.0)
        rest = np.where(passes, 0.0, np.abs(constant))
        moved = moved.through(written, add_up(fresh, rest)) if rest.any() else shown
        spread.append(add_up(np.abs(centre), moved.units))
    return tuple(spread)


def passing(layer: Layer, lower: FloatArray) -> BoolArray:
    """Which units pass their input on whenever it is at least `lower` (n_out,)."""
    positive = {tag: read_activation(tag).passes_positive for tag in set(layer.tags)}
    stays: BoolArray = np.array([positive[tag] for tag in layer.tags]) & (lower >= 0.0)
    return stays | ~layer.phased


def _change(
    layer: Layer, other: Layer, centre: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What other weights and biases, and inputs moved by `centre`, make of a layer's
    pre-activations at the middle of an interval of its inputs, and how much less or more it can be
    elsewhere."""
    difference = _difference_of(layer.weight, other.weight)
    known = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
    middle, radius = middle_and_radius(low, high)
    centre = np.broadcast_to(centre, middle.shape)
    shift = other.bias - layer.bias
    with np.errstate(over="ignore", invalid="ignore"):
        constant = difference @ middle + shift + other.weight @ centre
        parts = (
            reach(difference, np.abs(middle)),
            np.abs(shift),
            reach(other.weight, np.abs(centre)),
        )
        rounding = round_up((gamma(layer.n_in + 4)) * add_up(*parts))
        # Differences are rounded once.
        radius = round_up((1.0 + 2.0 * UNIT_ROUNDOFF) * radius + 2.0 * UNIT_ROUNDOFF * abs(middle))
    around = reach(difference, np.where(known, radius, np.inf))
    finite = np.isfinite(constant)
    fresh = add_up(around, np.where(add_up(*parts) == 0.0, 0.0, rounding + TINY))
    return np.where(finite, constant, 0.0), np.where(finite, fresh, np.inf)


def reading_deviation(network: Network, bounds: Intervals) -> FloatArray:
    """Bound on |network(x) - source(x)| over the box of the bounds, in real arithmetic.

    The source is what the network was read from: a file or module, with its numbers as it states
    them and with the operations on them done exactly.

    Parameters
    ----------
    bounds
        Of `network`.

    Returns
    -------
    (output_size,) array
        Exactly 0 where reading rounded nothing.

    Raises
    ------
    MismatchError
        If the bounds are not of `network`.
    """
    return reading_spread(network, bounds)[-1]


def reading_spread(network: Network, bounds: Intervals) -> tuple[FloatArray, ...]:
    """`reading_deviation` for the pre-activations of every layer."""
    bounds.check(network)
    moved = _Moved.of(network, -1, np.zeros(network.input_size))
    spread = []
    for index, layer in enumerate(network.layers):
        rounding = network.rounding[index] if network.rounding else None
        fresh = np.zeros(layer.n_out)
        if rounding is not None:
            # W' h' - W h = W (h' - h) + (W' - W) h', and h' is at most so far away from h.
            inputs = add_up(largest_inputs(network, bounds, index), moved.units)
            fresh = add_up(reach(rounding.weight, inputs), rounding.bias)
        moved = moved.through(network, fresh)
        spread.append(moved.units)
    return tuple(spread)


def inference_error(network: Network, bounds: Intervals, dtype: str) -> FloatArray:
    """A-priori bound on the rounding of a forward pass, whatever the order of summation.

    Parameters
    ----------
    bounds
        Of `network`; their box must hold the inputs, which are taken as exact.
    dtype
        "float32" or "float64", the type in which products and sums are rounded. Weights that are
        not numbers of that type count separately: see `rounding_deviation`.

    Returns
    -------
    (output_size,) array

    Raises
    ------
    InvalidInputError
        If the type is unknown.
    MismatchError
        If the bounds are not of `network`.
    """
    if dtype not in PRECISIONS:
        raise InvalidInputError(unknown_word("dtype", dtype, PRECISIONS))
    bounds.check(network)
    precision = PRECISIONS[dtype]
    error = _Moved.of(network, -1, np.zeros(network.input_size))
    for index, layer in enumerate(network.layers):
        # An activation that rounds does so to a product, a sum and a constant.
        factor = gamma(layer.n_in + (6 if layer.rounds else 2), precision.roundoff)
        size = reach(layer.weight, add_up(largest_inputs(network, bounds, index), error.units))
        with np.errstate(over="ignore"):
            fresh = round_up(
                factor * (size + np.abs(layer.bias))
                + 2 * (layer.n_in + layer.rounds) * precision.tiny
            )
        error = error.through(network, fresh)
    return error.units


def largest_inputs(network: Network, bounds: Intervals, index: int) -> FloatArray:
    """Largest magnitude of every number that a layer reads, (n_in,)."""
    return np.maximum(*map(np.abs, inputs_of(network, bounds, index)))


def inputs_of(network: Network, bounds: Intervals, index: int) -> tuple[FloatArray, FloatArray]:
    """Interval of every number that a layer reads, (n_in,) arrays."""
    if index == 0:
        box = bounds.domain.box.spread(network.input_size)
        return box.lower, box.upper
    below = network.layers[index - 1]
    low, high = bounds.lower[index - 1], bounds.upper[index - 1]
    ends = below.activate(low), below.activate(high)
    if not below.rounds:
        return ends
    return round_down(ends[0] - below.rounding(low)), round_up(ends[1] + below.rounding(high))


def _shape(network: Network) -> list[tuple[int, int, str | tuple[str, ...]]]:
    return [(layer.n_in, layer.n_out, layer.activation) for layer in network.layers]


def _difference_of(left: Weight, right: Weight) -> Weight:
    """right - left, each entry rounded once; sparse where both are."""
    if not (weights.is_sparse(left) and weights.is_sparse(right)):
        return weights.dense(right) - weights.dense(left)
    moved = right - left
    moved.eliminate_zeros()
    return moved
