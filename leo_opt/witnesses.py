"""Witnesses: inputs of the domain that show a unit can take a sign.

A witness counts only where the network, evaluated with its rounding error accounted for, shows
the sign. Searching is free to guess: a wrong guess costs time, never a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leo_opt.domain import Box
from leo_opt.enclosure import evaluate
from leo_opt.network import FloatArray, Network

IntArray = NDArray[np.int64]

_CHUNK_ENTRIES = 4_000_000
"""Most input entries evaluated at once."""
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


def collect(network: Network, domain: Box, inputs: FloatArray, known: Witnesses) -> Witnesses:
    """Enlarge a pool by those of `inputs` that show signs it does not show yet.

    Parameters
    ----------
    inputs : (N, n_in) array
        Clipped to the domain before they are tried.

    Returns
    -------
    Witnesses
        With few new inputs: a greedy cover of the newly shown signs.
    """
    box = domain.spread(network.input_size)
    candidates = _extreme_inputs(network, box, inputs, known)
    if candidates.shape[0] == 0:
        return known
    shown_below, shown_above = [], []
    for pre, radius in evaluate(network, candidates):
        shown_below.append(pre + radius < 0.0)
        shown_above.append(pre - radius > 0.0)
    widths = [layer.n_out for layer in network.layers]
    shown = np.hstack(shown_below + shown_above)
    missing = np.concatenate([*known.below, *known.above]) < 0
    index = np.concatenate([*known.below, *known.above])
    rows: list[int] = []
    shown &= missing
    while shown.any():
        row = int(shown.sum(axis=1).argmax())
        index[shown[row]] = known.inputs.shape[0] + len(rows)
        rows.append(row)
        shown &= ~shown[row]
    parts = np.split(index, np.cumsum(widths * 2)[:-1])
    return Witnesses(
        np.vstack([known.inputs, candidates[rows]]),
        tuple(parts[: len(widths)]),
        tuple(parts[len(widths) :]),
    )


def _extreme_inputs(network: Network, box: Box, inputs: FloatArray, known: Witnesses) -> FloatArray:
    """The inputs at which some unit without a witness takes its extreme and has that sign."""
    chunk = max(1, _CHUNK_ENTRIES // max(network.input_size, 1))
    found: list[FloatArray] = []
    for start in range(0, len(inputs), chunk):
        batch = box.clip(np.asarray(inputs[start : start + chunk], dtype=np.float64))
        rows: list[IntArray] = []
        for layer, pre in enumerate(network.pre_activations(batch)):
            lowest, highest = pre.argmin(axis=0), pre.argmax(axis=0)
            units = np.arange(pre.shape[1])
            rows.append(lowest[(known.below[layer] < 0) & (pre[lowest, units] < 0.0)])
            rows.append(highest[(known.above[layer] < 0) & (pre[highest, units] > 0.0)])
        found.append(batch[np.unique(np.concatenate(rows))])
    return np.vstack(found) if found else np.empty((0, network.input_size))


def directions(
    network: Network, inputs: FloatArray, layer: int, units: IntArray, signs: FloatArray
) -> FloatArray:
    """Gradients of sign * pre[layer, unit] at the inputs.

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
    gradient = signs[:, None] * network.layers[layer].weight[units]
    for index in range(layer - 1, -1, -1):
        earlier = network.layers[index]
        gradient = (gradient * earlier.slopes(pres[index])) @ earlier.weight
    return gradient


def ascend(
    network: Network,
    domain: Box,
    layer: int,
    units: IntArray,
    signs: FloatArray,
    starts: FloatArray,
    iterations: int = 60,
) -> FloatArray:
    """Batched Frank-Wolfe ascent of sign * pre[layer, unit], one row a question.

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
    prefix = Network(network.layers[: layer + 1])
    rows = np.arange(units.size)
    point = box.clip(starts)
    best, best_value = point, np.full(units.size, -np.inf)
    for iteration in range(iterations + 1):
        value = signs * prefix.pre_activations(point)[layer][rows, units]
        better = value > best_value
        best = np.where(better[:, None], point, best)
        best_value = np.where(better, value, best_value)
        # A sign once shown is enough; the rest of the batch goes on.
        if iteration == iterations or (best_value > 0.0).all():
            break
        target = box.vertices(directions(prefix, point, layer, units, signs))
        step = 1.0 if iteration < _FULL_STEPS else 2.0 / (iteration - _FULL_STEPS + 3.0)
        point = box.clip(point + step * (target - point))
    return best


def first_layer_vertices(network: Network, domain: Box) -> FloatArray:
    """For each unit of the first layer with phases the vertices where it is lowest and highest.

    Exact extremes where everything before that layer is affine and no rounding interferes.
    """
    box = domain.spread(network.input_size)
    layer = network.phased_layers[0] if network.phased_layers else len(network.layers) - 1
    weight = network.layers[layer].weight
    for earlier in reversed(network.layers[:layer]):
        weight = weight @ earlier.weight
    return np.vstack([box.vertices(weight), box.vertices(-weight)])


def best_starts(
    network: Network, pool: FloatArray, layer: int, units: Sequence[int], signs: FloatArray
) -> FloatArray:
    """For each question the input of `pool` (k, n_in) that is highest on sign * pre."""
    pre = Network(network.layers[: layer + 1]).pre_activations(pool)[layer]
    best: FloatArray = pool[(pre[:, units] * signs).argmax(axis=0)]
    return best
