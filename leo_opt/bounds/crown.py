"""CROWN: bounds by backward substitution of linear relaxations, true in floating point.

Here is what is asked: which rows, on which boxes, with which lines; the pass is in `backward`.

References
----------
H. Zhang, T.-W. Weng, P.-Y. Chen, C.-J. Hsieh, L. Daniel, Efficient Neural Network Robustness
Certification with General Activation Functions, NeurIPS 2018, section 3.
G. Singh, T. Gehr, M. Pueschel, M. Vechev, An Abstract Domain for Certifying Neural Networks,
POPL 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.bounds.backward import FEW_CELLS, bound_above
from leo_opt.bounds.lines import LOWER_SLOPES, LayerLines, Lines, relax, shares_of
from leo_opt.bounds.planes import Planes
from leo_opt.bounds.values import Interval
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Box, Boxes
from leo_opt.network import FloatArray, Network, Weight

Wanted = Callable[[FloatArray, FloatArray], NDArray[np.bool_]]
"""Which rows, (m,), are asked for, given the intervals that are known of them."""


def every_row(low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """For whoever wants the tightest interval of each row."""
    return np.ones(np.broadcast_shapes(low.shape, high.shape)[-1:], dtype=bool)


def open_rows(phased: NDArray[np.bool_], low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """Rectifiers, of a mask (m,), whose sign is open on some box."""
    crosses = ((low < 0.0) & (high > 0.0)).reshape(-1, phased.size).any(axis=0)
    return phased & crosses


_MOST_WORK = 2e8
"""Multiplications of one backward pass, about a tenth of a second, between looks at the clock."""

_ARRAYS = 8
"""Arrays of the size of a batch of rows that one step holds at a time, and one to spare."""


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
        relaxations = relax(
            network,
            domain,
            lower,
            upper,
            lambda index: shares_of(lower[index], upper[index], slopes),
            lines=lines,
        )
        crossing = any(((a < 0.0) & (b > 0.0)).any() for a, b in zip(lower, upper, strict=True))
        for steps in _choices(relaxations, weight, len(slopes) if crossing else 1, domain):
            rows = np.flatnonzero(wanted(low, high))
            for some in _batches(network, domain, len(lower), rows, deadline):
                if deadline.passed:
                    return low, high
                # Sparse rows have one number an entry, and no other for each of several boxes.
                part = weight[some] if len(shape) == 1 else weights.dense(weight[some])
                constants = np.concatenate([bias[some], -bias[some]])
                ends = bound_above(weights.mirror(part), constants, steps, domain)
                ends = ends.min(axis=0) if ends.ndim > len(shape) else ends
                above, below = np.split(ends, 2, axis=-1)
                low[..., some] = np.maximum(low[..., some], -below)
                high[..., some] = np.minimum(high[..., some], above)
    return low, high


def _choices(
    relaxations: Sequence[LayerLines], weight: Weight, count: int, domain: Box | Boxes
) -> Iterator[Sequence[LayerLines]]:
    """The first `count` choices of slopes: one by one, or all at once where there is little to do.

    One by one, later ones are spared the rows that earlier ones settle; at once, the calls of
    NumPy, which are all that small networks cost, are made once.
    """
    cells = int(np.prod(domain.lower.shape[:-1])) * weight.shape[0] * weight.shape[1]
    if count > 1 and cells < FEW_CELLS and not weights.is_sparse(weight):
        yield relaxations
        return
    for rule in range(count):
        yield [replace(step, below=step.below[rule]) for step in relaxations]


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
        relaxations = relax(network, domain, lower, upper, clipped.__getitem__, multipliers, planes)
        return bound_above(weight[:, None, :], bias[:, None], relaxations, domain)[:, 0]


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
            for step in relax(
                network,
                boxes,
                lower,
                upper,
                lambda index: adaptive(lower[index], upper[index], lower[index]),
            )
        ]
        chosen = Boxes(boxes.lower[places], boxes.upper[places])
        return bound_above(weight[:, None, :], bias[:, None], relaxations, chosen)[:, 0]
