"""CROWN: bounds by backward substitution of linear relaxations, true in floating point.

Every unit that can change phase on its interval [l, u] is held between an upper line, the chord,
and a lower line a*g with any a between its extreme slopes. Going backwards from the rows to be
bounded, the coefficient matrix A, the constant c and an error e keep the invariant

    rows @ h + bias <= A @ h_i + c + e     for every input of the box, in real arithmetic,

where A and c are the float64 numbers at hand and e absorbs every rounding made so far. The error of
a product A @ W costs one matrix-vector product with the vector |W| max|h| + |b|, so soundness is
nearly free.

References
----------
H. Zhang, T.-W. Weng, P.-Y. Chen, C.-J. Hsieh, L. Daniel, Efficient Neural Network Robustness
Certification with General Activation Functions, NeurIPS 2018, section 3.
G. Singh, T. Gehr, M. Pueschel, M. Vechev, An Abstract Domain for Certifying Neural Networks,
POPL 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.arithmetic import TINY, gamma, round_down, round_up
from leo_opt.bounds.planes import Planes, tilt
from leo_opt.bounds.values import Interval, post_interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box, Boxes
from leo_opt.errors import UnsupportedOperatorError
from leo_opt.network import FloatArray, Layer, Network, Weight

SlopeRule = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

LOWER_SLOPES: Mapping[str, SlopeRule] = MappingProxyType(
    {
        "adaptive": lambda lower, upper, chord: (upper > -lower).astype(np.float64),
        "zero": lambda lower, upper, chord: np.zeros_like(lower),
        "one": lambda lower, upper, chord: np.ones_like(lower),
        "chord": lambda lower, upper, chord: chord,
    }
)
"""Rules for the share of the way from the lowest to the highest slope; each one is sound."""

Wanted = Callable[[FloatArray, FloatArray], NDArray[np.bool_]]
"""Which rows, (m,), are asked for, given the intervals that are known of them."""


def every_row(low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """For whoever wants the tightest interval of each row."""
    return np.ones(np.broadcast_shapes(low.shape, high.shape)[-1:], dtype=bool)


def open_rows(phased: NDArray[np.bool_], low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """Rectifiers, of a mask (m,), whose sign is open on some box."""
    crosses = ((low < 0.0) & (high > 0.0)).reshape(-1, phased.size).any(axis=0)
    return phased & crosses


_NONE_TILTED = np.zeros(0, dtype=np.int64)
_MOST_WORK = 2e8
"""Multiplications of one backward pass, about a tenth of a second, between looks at the clock."""

_ARRAYS = 8
"""Arrays of the size of a batch of rows that one step holds at a time, and one to spare."""

_WORTH_DROPPING = 0.9
"""Columns are dropped where no more than this share is left."""

_FEW_CELLS = 2**12
"""Of a matrix for which a call of NumPy costs more than the work that it does."""

_VANISHED = 2.0**-1070
"""Above all that underflow can take from three products: each loses less than 2**-1074."""


@dataclass(frozen=True)
class _Relaxation:
    """The lines that hold one layer's units, and what its roundings can cost.

    All arrays have shape (..., n_out): `above * g + offset` and `below * g` are the lines, with
    slopes in [0, 1]; `cost` is the most that a coefficient of 1 can lose to rounding while it
    passes this layer, and `lost` (..., 1) what underflow can take whatever the coefficients are.
    `shift` are multipliers r of the pre-activations, None for zeros, and `ends` (..., 1) the sum
    of the largest r * g. The leading dimensions are () for one box and (N,) for many at once. The
    rows of `slopes` (k, n_in) are what the upper lines of the units `tilted` (k,) have besides,
    over the inputs of the layer.
    """

    weight: Weight
    bias: FloatArray
    above: FloatArray
    offset: FloatArray
    below: FloatArray
    cost: FloatArray
    lost: FloatArray
    shift: FloatArray | None
    ends: FloatArray
    tilted: NDArray[np.int64]
    slopes: FloatArray


@dataclass
class Lines:
    """Lines of the layers of one network on one box, kept from one layer to the next.

    They depend on the intervals alone, so they are made again where these have changed.
    """

    _known: list[tuple[bytes, bytes, _Relaxation, Interval]] = field(default_factory=list)

    def recall(
        self, index: int, low: FloatArray, high: FloatArray
    ) -> tuple[_Relaxation, Interval] | None:
        """Lines and post-activations of a layer, or None where its interval is another one."""
        if index < len(self._known):
            lower, upper, lines, post = self._known[index]
            # Those who tighten intervals may do so in place, so that numbers are compared.
            if low.tobytes() == lower and high.tobytes() == upper:
                return lines, post
            del self._known[index:]
        return None

    def keep(self, low: FloatArray, high: FloatArray, lines: _Relaxation, post: Interval) -> None:
        """Those of the next layer."""
        self._known.append((low.tobytes(), high.tobytes(), lines, post))


def bound_rows(
    network: Network,
    domain: Box | Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    weight: Weight,
    bias: FloatArray,
    slopes: Sequence[str] = tuple(LOWER_SLOPES),
    deadline: Deadline = NO_LIMIT,
    lines: Lines | None = None,
    known: Interval | None = None,
    wanted: Wanted = every_row,
) -> Interval:
    """Bounds of weight @ h + bias, where h are the post-activations of layer len(lower) - 1.

    Parameters
    ----------
    domain
        One box of the network's input size, or N boxes, each bounded by itself.
    lower, upper : one (n_out,) or (N, n_out) array for each layer that is passed through
        Proved finite bounds of its pre-activations.
    weight : (m, n) array
    bias : (m,) array
    slopes
        Keys of `LOWER_SLOPES`; the bounds of all are intersected.
    deadline
        Its budget of memory holds, too: rows are taken in batches that fit.
    lines
        Of this network, box and choice of slopes.
    known : pair of (m,) or (N, m) arrays
        What is proved of the rows already, by default nothing; the result is intersected with it.
    wanted
        Which rows, given their intervals so far, are worth a further choice of slopes.

    Returns
    -------
    lower, upper : (m,) or (N, m) arrays
        What is known where an earlier bound is infinite, and of rows that are not wanted or that
        the deadline left no time for.
    """
    shape = (*domain.lower.shape[:-1], bias.size)
    low, high = known or (np.full(shape, -np.inf), np.full(shape, np.inf))
    low, high = low.copy(), high.copy()
    # An interval without an end costs infinitely much, wherever it stands; this only spares work.
    if deadline.passed or not all(np.isfinite(side).all() for side in (*lower[-1:], *upper[-1:])):
        return low, high
    # An overflow ends as infinity, which is no information.
    with np.errstate(over="ignore", invalid="ignore"):
        relaxations = _relax(
            network,
            domain,
            lower,
            upper,
            lambda index: _shares(lower[index], upper[index], slopes),
            lines=lines,
        )
        crossing = any(((a < 0.0) & (b > 0.0)).any() for a, b in zip(lower, upper, strict=True))
        for steps in _choices(relaxations, weight, len(slopes) if crossing else 1, domain):
            rows = np.flatnonzero(wanted(low, high))
            for some in _batches(network, domain, len(lower), rows, deadline):
                if deadline.passed:
                    return low, high
                part = weight[some]
                constants = np.concatenate([bias[some], -bias[some]])
                ends = _bound_above(weights.mirror(part), constants, steps, domain)
                ends = ends.min(axis=0) if ends.ndim > len(shape) else ends
                above, below = np.split(ends, 2, axis=-1)
                low[..., some] = np.maximum(low[..., some], -below)
                high[..., some] = np.minimum(high[..., some], above)
    return low, high


def _choices(
    relaxations: Sequence[_Relaxation], weight: Weight, count: int, domain: Box | Boxes
) -> Iterator[Sequence[_Relaxation]]:
    """The first `count` choices of slopes: one by one, or all at once where there is little to do.

    One by one, later ones are spared the rows that earlier ones settle; at once, the calls of
    NumPy, which are all that small networks cost, are made once.
    """
    cells = int(np.prod(domain.lower.shape[:-1])) * weight.shape[0] * weight.shape[1]
    if count > 1 and cells < _FEW_CELLS and not weights.is_sparse(weight):
        yield relaxations
        return
    for rule in range(count):
        yield [replace(step, below=step.below[rule]) for step in relaxations]


def _shares(low: FloatArray, high: FloatArray, slopes: Sequence[str]) -> FloatArray:
    """Shares of the lower lines by each rule, (rules, ..., n_out)."""
    chord = _chord_share(low, high)
    return np.stack([LOWER_SLOPES[rule](low, high, chord) for rule in slopes])


def _batches(
    network: Network,
    domain: Box | Boxes,
    depth: int,
    rows: NDArray[np.int64],
    deadline: Deadline,
) -> Iterator[NDArray[np.int64]]:
    """Rows of so much work that the clock is looked at often enough, and that fit in memory."""
    boxes = int(np.prod(domain.lower.shape[:-1]))
    layers = network.layers[:depth]
    work = 2 * boxes * sum(weights.count(layer.weight) for layer in layers)
    room = 2 * boxes * 8 * _ARRAYS * max((max(layer.weight.shape) for layer in layers), default=1)
    size = max(1, int(min(_MOST_WORK / max(work, 1), deadline.memory / room)))
    return (rows[start : start + size] for start in range(0, rows.size, size))


def bound_layer(
    network: Network,
    domain: Box | Boxes,
    index: int,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    slopes: Sequence[str] = tuple(LOWER_SLOPES),
    deadline: Deadline = NO_LIMIT,
    lines: Lines | None = None,
    known: Interval | None = None,
    wanted: Wanted = every_row,
) -> Interval:
    """Bounds of the pre-activations of layer `index`; arguments as in `bound_rows`."""
    layer = network.layers[index]
    return bound_rows(
        network,
        domain,
        lower[:index],
        upper[:index],
        layer.weight,
        layer.bias,
        slopes,
        deadline,
        lines,
        known,
        wanted,
    )


def bound_dual(
    network: Network,
    domain: Box,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    weight: FloatArray,
    bias: FloatArray,
    shares: Sequence[FloatArray],
    multipliers: Sequence[FloatArray],
    planes: Mapping[int, Planes] = MappingProxyType({}),
) -> FloatArray:
    """Upper bounds of N rows, each with its own lower slopes and multipliers: a dual certificate.

    On all inputs with l <= g <= u, and for any number r, f <= f - r g + max(r l, r u). With the
    right slopes, multipliers and planes, which a linear program finds, this equals the optimum of
    the triangle relaxation with the facets used; whatever they are, the bound is true.

    Parameters
    ----------
    lower, upper : one (N, n_out) array for each layer passed through
        Bounds of its pre-activations on the inputs that count, a part of the domain.
    weight : (N, n) array
    bias : (N,) array
    shares : one (N, n_out) array a layer
        Share in [0, 1] of the way from the lowest to the highest slope, for units that cross.
    multipliers : one (N, n_out) array a layer
        The numbers r.
    planes
        By layer, which holds rectifiers: planes to use instead of the chords of some units that
        cross on all the boxes.

    Returns
    -------
    (N,) array

    References
    ----------
    H. Salman, G. Yang, H. Zhang, C.-J. Hsieh, P. Zhang, A Convex Relaxation Barrier to Tight
    Robustness Verification of Neural Networks, NeurIPS 2019, Theorem 4.2.
    S. Wang et al., Beta-CROWN, NeurIPS 2021, section 3.1.
    """
    clipped = [np.clip(share, 0.0, 1.0) for share in shares]
    with np.errstate(over="ignore", invalid="ignore"):
        relaxations = _relax(
            network, domain, lower, upper, clipped.__getitem__, multipliers, planes
        )
        return _bound_above(weight[:, None, :], bias[:, None], relaxations, domain)[:, 0]


def bound_pairs(
    network: Network,
    boxes: Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    places: NDArray[np.int64],
    weight: FloatArray,
    bias: FloatArray,
) -> FloatArray:
    """Upper bounds of R rows, each on one of N boxes, with adaptive lower slopes.

    Parameters
    ----------
    lower, upper : one (N, n_out) array for each layer passed through
        Proved finite bounds of its pre-activations on each box.
    places : (R,) integer array
        The box of each row.
    weight : (R, n) array
    bias : (R,) array

    Returns
    -------
    (R,) array
        Of weight[r] @ h + bias[r], where h are the post-activations of layer len(lower) - 1.
    """
    adaptive = LOWER_SLOPES["adaptive"]
    with np.errstate(over="ignore", invalid="ignore"):
        relaxations = [
            replace(
                step,
                above=step.above[places],
                offset=step.offset[places],
                below=step.below[places],
                cost=step.cost[places],
                lost=step.lost[places],
            )
            for step in _relax(
                network,
                boxes,
                lower,
                upper,
                lambda index: adaptive(lower[index], upper[index], lower[index]),
            )
        ]
        chosen = Boxes(boxes.lower[places], boxes.upper[places])
        return _bound_above(weight[:, None, :], bias[:, None], relaxations, chosen)[:, 0]


def _chord_share(low: FloatArray, high: FloatArray) -> FloatArray:
    """Where the slope of the chord lies between the slopes of the pieces; 0 without a chord."""
    crosses = (low < 0.0) & (high > 0.0)
    share: FloatArray = np.where(crosses, high / np.where(crosses, high - low, 1.0), 0.0)
    return share


def _relax(
    network: Network,
    domain: Box | Boxes,
    lower: Sequence[FloatArray],
    upper: Sequence[FloatArray],
    shares: Callable[[int], FloatArray],
    multipliers: Sequence[FloatArray] | None = None,
    planes: Mapping[int, Planes] = MappingProxyType({}),
    lines: Lines | None = None,
) -> list[_Relaxation]:
    """Relaxations of the layers passed through, from the first to the last.

    Parameters
    ----------
    shares
        Of the units of a layer given by its index; see `bound_dual`.
    """
    _require_convex(network.layers[: len(lower)])
    relaxations = []
    before = domain.lower, domain.upper
    for index, (low, high) in enumerate(zip(lower, upper, strict=True)):
        layer = network.layers[index]
        known = None if lines is None else lines.recall(index, low, high)
        if known is not None:
            relaxations.append(known[0])
            before = known[1]
            continue
        reach = np.maximum(*map(np.abs, before))  # max |h| of the layer before
        above, offset, below = _lines(layer, low, high, shares(index))
        largest = np.maximum(np.abs(low), np.abs(high))
        terms = np.maximum(reach @ abs(layer.weight).T + np.abs(layer.bias), largest)
        tilted, slopes, length = _NONE_TILTED, np.zeros((0, layer.n_in)), 1
        if index in planes:
            tilted, length = planes[index].units, 2
            above[..., tilted] = planes[index].pre
            slopes, offset[..., tilted] = tilt(layer, planes[index], (low, high), before)
        # Rounding of the slope product, of A @ W, of A @ b, of A @ offset and of the sum of r g,
        # which is no larger than the terms; and, where planes are, of their product and the sum.
        factor = gamma(length * (layer.n_out + layer.n_in + 3))
        size = 1.0 + reach.sum(axis=-1, keepdims=True)
        cost = factor * (terms + np.abs(offset)) + TINY * size
        # A product that vanishes was part of a coefficient of an input or a pre-activation.
        size = size + largest.sum(axis=-1, keepdims=True)
        lost = length * (layer.n_out + 1) * _VANISHED * size
        shift = None if multipliers is None else multipliers[index]
        ends = np.zeros(1) if shift is None else _largest_products(shift, low, high)
        relaxations.append(
            _Relaxation(
                layer.weight,
                layer.bias,
                above,
                offset,
                below,
                cost,
                lost,
                shift,
                ends,
                tilted,
                slopes,
            )
        )
        before = post_interval(layer, low, high)
        if lines is not None:
            lines.keep(low, high, relaxations[-1], before)
    return relaxations


def _largest_products(shift: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The sum (..., 1) of the largest shift * g, with g in [low, high]."""
    largest: FloatArray = np.maximum(shift * low, shift * high).sum(axis=-1, keepdims=True)
    return largest


def _require_convex(layers: Sequence[Layer]) -> None:
    """Refuse activations that are not convex with one breakpoint, at 0."""
    for index, layer in enumerate(layers):
        for activation, _ in layer.activations():
            if not (activation.homogeneous and activation.convex):
                raise UnsupportedOperatorError(
                    f"layer {index} has the activation {layer.label!r}, whose pieces CROWN does "
                    'not know; use method="interval"'
                )


def _lines(
    layer: Layer, low: FloatArray, high: FloatArray, shares: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slope and offset of the upper line and slope of the lower line of each unit of a layer.

    The activations are convex and bend at 0 alone: the chord lies above them, and below them every
    line through 0 with a slope between the two of the pieces.
    """
    first, last = np.empty(layer.n_out), np.empty(layer.n_out)
    for activation, units in layer.activations():
        first[units] = activation.pieces[0].slope
        last[units] = activation.pieces[-1].slope
    crosses = (low < 0.0) & (high > 0.0) & layer.phased
    chord = np.clip(first + (last - first) * _chord_share(low, high), first, last)
    fixed = np.where((low >= 0.0) & (high > 0.0), last, first)
    above = np.where(crosses, chord, fixed)
    # The computed chord is tilted by rounding; the offset lifts it over both end points again.
    lift = np.maximum(
        round_up(round_up(first * low) - round_down(above * low)),
        round_up(round_up(last * high) - round_down(above * high)),
    )
    offset = np.where(crosses, lift, 0.0)
    # Rounding must not lead beyond the slopes of the pieces.
    between = np.clip(first + (last - first) * shares, first, last)
    below = np.where(crosses, between, fixed)
    return above, offset, below


def _spread(per_unit: FloatArray, rows: Weight) -> FloatArray:
    """Numbers (..., n) of units for each of the `weights.entries` of rows (..., m, n)."""
    spread: FloatArray
    spread = per_unit[rows.indices] if weights.is_sparse(rows) else per_unit[..., None, :]
    return spread


def _drop_columns(rows: Weight, step: _Relaxation) -> tuple[Weight, _Relaxation]:
    """Rows without the columns of units that pass nothing on, and the lines of the others."""
    if step.shift is not None or step.tilted.size or step.below.ndim > 1:
        return rows, step
    if rows.shape[0] * rows.shape[1] < _FEW_CELLS:
        return rows, step
    kept = (step.above != 0.0) | (step.below != 0.0)
    kept &= weights.columns_read(rows)
    if kept.sum() > _WORTH_DROPPING * kept.size:
        return rows, step
    units = np.flatnonzero(kept)
    return rows[:, units], replace(
        step,
        weight=step.weight[units],
        bias=step.bias[units],
        above=step.above[units],
        offset=step.offset[units],
        below=step.below[units],
        cost=step.cost[units],
    )


def _apply(matrix: Weight, vector: FloatArray) -> FloatArray:
    """Matrix-vector products over leading dimensions: (..., m, n) and (..., n) to (..., m)."""
    if vector.ndim == 1:
        return np.asarray(matrix @ vector)
    product: FloatArray = (matrix @ vector[..., None])[..., 0]
    return product


def _bound_above(
    rows: Weight,
    constants: FloatArray,
    relaxations: Sequence[_Relaxation],
    domain: Box | Boxes,
) -> FloatArray:
    """Upper bounds of rows @ h + constants, h the post-activations of the last relaxation."""
    total, magnitude, error = constants, np.abs(constants), np.zeros_like(constants)
    for whole in reversed(relaxations):
        rows, step = _drop_columns(rows, whole)
        values = weights.entries(rows)
        positive = np.maximum(values, 0.0)
        negative = np.minimum(values, 0.0) * _spread(step.below, rows)
        scaled = positive * _spread(step.above, rows) + negative
        # No less than the coefficients themselves, since slopes are at most 1.
        weight = positive - negative
        change = _apply(weights.with_numbers(rows, positive), step.offset)
        if step.shift is not None:
            shift = step.shift[..., None, :]
            scaled, weight, change = scaled - shift, weight + np.abs(shift), change + step.ends
            magnitude = magnitude + np.abs(change)
        before = weights.with_numbers(rows, scaled)
        change = change + before @ step.bias
        error = error + _apply(weights.with_numbers(rows, weight), step.cost) + step.lost
        total = total + change
        magnitude = magnitude + np.abs(change)
        rows = weights.product(before, step.weight)
        if step.tilted.size:
            rows += positive[..., step.tilted] @ step.slopes
    ends = _apply(weights.positive_part(rows), domain.upper)
    ends = ends + _apply(weights.negative_part(rows), domain.lower)
    reach = _apply(abs(rows), np.maximum(np.abs(domain.lower), np.abs(domain.upper)))
    error = (
        (1.0 + gamma(8)) * error
        + gamma(domain.lower.shape[-1] + 2) * reach
        + gamma(4 * len(relaxations) + 4) * (magnitude + reach)
        + TINY
    )
    bound = round_up(total + ends + error)
    return np.where(np.isnan(bound), np.inf, bound)
