"""The largest slack of every conjunct as one unit of a longer network, exactly.

    max(a, b) = (a - c) + max(0, b - a) + c            where c <= a throughout,

and a - c is a rectifier that is always active. So the largest of several slacks is an affine
function of rectifiers, and "can all inequalities of a case hold at once" becomes "can this unit
be negative": a query that every stage of a classification understands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from leo_opt.network import FloatArray, Layer, Network

_LEAST_EXPONENT = -60
"""Of the constant, which is at least this power of two."""


def append_maxima(network: Network, sizes: Sequence[int], lower: FloatArray) -> Network:
    """A network with one output for each group of outputs of another: the largest of the group.

    Parameters
    ----------
    sizes
        Number of outputs of each group, at least 1; the groups follow one another.
    lower : (n_out,) array
        Finite lower bounds of the outputs on the inputs that count. Equal to the maxima there,
        and in real arithmetic: all weights are 0, 1 or -1 and the constants cancel exactly.
    """
    width = network.output_size
    floor = _power_below(float(lower.min()))
    identity = np.eye(width)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    groups = [list(identity[a:b]) for a, b in pairwise(starts)]
    layers, constant = list(network.layers), 0.0
    while any(len(group) > 1 for group in groups):
        rows: list[FloatArray] = []
        biases: list[float] = []
        positions: list[list[list[int]]] = []
        for group in groups:
            positions.append([])
            for first, *second in (group[k : k + 2] for k in range(0, len(group), 2)):
                positions[-1].append([len(rows) + k for k in range(1 + len(second))])
                rows += [first, *(other - first for other in second)]
                # Later lanes hold the constant `floor` already.
                biases += [constant - floor, *(0.0 for _ in second)]
        layers.append(Layer(np.array(rows), np.array(biases), "relu"))
        identity, constant = np.eye(len(rows)), floor
        groups = [[identity[units].sum(axis=0) for units in group] for group in positions]
    if constant == 0.0:
        return network
    weight = np.array([group[0] for group in groups])
    layers.append(Layer(weight, np.full(len(groups), constant), "linear"))
    return Network(tuple(layers))


def _power_below(value: float) -> float:
    """Minus a power of two that is not above `value`, of about its magnitude."""
    return -(2.0 ** max(_LEAST_EXPONENT, math.frexp(value)[1]))
