"""Witnesses: inputs of the domain that show a unit can take a sign.

A witness counts only where the network, evaluated with its rounding error accounted for, shows
the sign. Searching is free to guess: a wrong guess costs time, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.arrays import BoolArray, IntArray
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.domain import Domain
from leo_opt.enclosure import evaluate
from leo_opt.network import FloatArray, Network

_MOST_WORK = 5e8
"""Multiplications of one evaluation, about a tenth of a second, between looks at the clock."""
_LEAST_ROWS = 256
"""Fewer inputs at once would make a product of matrices slow."""
_FULL_STEPS = 5
"""Frank-Wolfe iterations that jump to the vertex before the steps shrink."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """A pool of inputs and, for every unit, which of them shows which sign.

    Parameters
    ----------
    inputs : (k, n_in) array
    below, above : one (n_out,) integer array a layer
        Row of `inputs` at which the pre-activation is negative / positive, or -1.
    """

    inputs: FloatArray
    below: tuple[IntArray, ...]
    above: tuple[IntArray, ...]

    @classmethod
    def none(cls, network: Network) -> Witnesses:
        """The empty pool."""
        blank = tuple(np.full(layer.n_out, -1, dtype=np.int64) for layer in network.layers)
        return cls(np.empty((0, network.input_size)), blank, blank)


def collect(
    network: Network,
    domain: Domain,
    inputs: FloatArray,
    known: Witnesses,
    deadline: Deadline = NO_LIMIT,
) -> Witnesses:
    """Enlarge a pool by those of `inputs` that show signs it does not show yet.

    Parameters
    ----------
    inputs : (N, n_in) array
        Clipped to the domain before they are tried; what is not inside then shows nothing.
    deadline
        Inputs that it leaves no time for are not tried.

    Returns
    -------
    Witnesses
        With few new inputs: a greedy cover of the newly shown signs.
    """
    box = domain.spread(network.input_size)
    for some in _chunks(network, len(inputs)):
        if deadline.passed:
            break
        known = _enlarged(network, box, inputs[some], known)
    return known


def _enlarged(network: Network, box: Domain, inputs: FloatArray, known: Witnesses) -> Witnesses:
    """A pool with those of a few inputs that show more."""
    candidates = _extreme_inputs(network, box, inputs, known)
    # Of a polytope a point may be known that is near it only, or none.
    candidates = candidates[box.holds(candidates)]
    if not len(candidates):
        return known
    widths = [layer.n_out for layer in network.layers]
    index = np.concatenate([*known.below, *known.above])
    rows: list[int] = []
    shown = _shown_signs(network, candidates) & (index < 0)
    gains = shown.sum(axis=1)
    while gains.any():
        row = int(gains.argmax())
        fresh = np.flatnonzero(shown[row] & (index < 0))
        index[fresh] = known.inputs.shape[0] + len(rows)
        gains -= shown[:, fresh].sum(axis=1)
        rows.append(row)
    parts = np.split(index, np.cumsum(widths * 2)[:-1])
    return Witnesses(
        np.vstack([known.inputs, candidates[rows]]),
        tuple(parts[: len(widths)]),
        tuple(parts[len(widths) :]),
    )


def _shown_signs(network: Network, inputs: FloatArray) -> BoolArray:
    """Which signs the network shows at inputs (N, n_in): below zero of all units, then above."""
    enclosures = evaluate(network, inputs)
    below = [pre + radius < 0.0 for pre, radius in enclosures]
    above = [pre - radius > 0.0 for pre, radius in enclosures]
    return np.hstack(below + above)


def _extreme_inputs(
    network: Network, box: Domain, inputs: FloatArray, known: Witnesses
) -> FloatArray:
    """The inputs at which some unit without a witness takes its extreme and has that sign."""
    batch = box.clip(np.asarray(inputs, dtype=np.float64))
    rows: list[IntArray] = []
    for layer, pre in enumerate(network.pre_activations(batch)):
        lowest, highest = pre.argmin(axis=0), pre.argmax(axis=0)
        units = np.arange(pre.shape[1])
        rows.append(lowest[(known.below[layer] < 0) & (pre[lowest, units] < 0.0)])
        rows.append(highest[(known.above[layer] < 0) & (pre[highest, units] > 0.0)])
    return batch[np.unique(np.concatenate(rows))]


def _chunks(network: Network, count: int) -> Iterator[slice]:
    """Inputs that are evaluated at once."""
    size = max(_LEAST_ROWS, int(_MOST_WORK / network.parameters))
    return (slice(start, start + size) for start in range(0, count, size))


def directions(
    network: Network, inputs: FloatArray, index: int, units: IntArray, signs: FloatArray
) -> FloatArray:
    """Gradients of sign * pre[index, unit] at the inputs.

    Parameters
    ----------
    inputs : (m, n_in) array
    units : (m,) integer array
    signs : (m,) array of +1 and -1

    Returns
    -------
    (m, n_in) array
        One-sided derivatives from below where a unit of an earlier layer is at a breakpoint.
    """
    pres = network.pre_activations(inputs)
    gradient = signs[:, None] * weights.dense(network.layers[index].weight[units])
    for earlier, pre in zip(network.layers[:index][::-1], pres[:index][::-1], strict=True):
        gradient = (gradient * earlier.slopes(pre)) @ earlier.weight
    return gradient


def ascend(
    network: Network,
    domain: Domain,
    index: int,
    units: IntArray,
    signs: FloatArray,
    starts: FloatArray,
    iterations: int = 60,
    deadline: Deadline = NO_LIMIT,
) -> FloatArray:
    """Batched Frank-Wolfe ascent of sign * pre[index, unit], one row a question.

    Parameters
    ----------
    units : (m,) integer array
    signs : (m,) array of +1 and -1
    starts : (m, n_in) array

    Returns
    -------
    (m, n_in) array
        The best point seen for each question, inside the domain.

    References
    ----------
    M. Frank, P. Wolfe, An algorithm for quadratic programming, Naval Res. Logist. Q. 3, 1956.
    """
    box = domain.spread(network.input_size)
    prefix = Network(network.layers[: index + 1])
    rows = np.arange(units.size)
    point = box.clip(starts)
    best, best_value = point, np.full(units.size, -np.inf)
    for iteration in range(iterations + 1):
        value = signs * prefix.pre_activations(point)[index][rows, units]
        better = value > best_value
        best = np.where(better[:, None], point, best)
        best_value = np.where(better, value, best_value)
        # A sign once shown is enough; the rest of the batch goes on.
        if iteration == iterations or (best_value > 0.0).all() or deadline.passed:
            break
        target = box.vertices(directions(prefix, point, index, units, signs))
        step = 1.0 if iteration < _FULL_STEPS else 2.0 / (iteration - _FULL_STEPS + 3.0)
        point = box.clip(point + step * (target - point))
    return best


def first_layer_vertices(network: Network, domain: Domain) -> FloatArray:
    """For each unit of the first layer with phases the vertices where it is lowest and highest.

    Exact extremes where everything before that layer is affine and no rounding interferes.
    """
    box = domain.spread(network.input_size)
    layer = network.phased_layers[0] if network.phased_layers else len(network.layers) - 1
    weight = network.layers[layer].weight
    for earlier in reversed(network.layers[:layer]):
        weight = weight @ earlier.weight
    weight = weights.dense(weight)
    return np.vstack([box.vertices(weight), box.vertices(-weight)])


def best_starts(
    network: Network, pool: FloatArray, index: int, units: Sequence[int], signs: FloatArray
) -> FloatArray:
    """For each question the input of `pool` (k, n_in) that is highest on sign * pre."""
    pre = Network(network.layers[: index + 1]).pre_activations(pool)[index]
    best: FloatArray = pool[(pre[:, units] * signs).argmax(axis=0)]
    return best
