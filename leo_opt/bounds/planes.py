"""Planes that hold rectifiers from above, over the inputs of their layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leo_opt import weights
from leo_opt.arithmetic import TINY, gamma, round_up
from leo_opt.bounds.values import Interval
from leo_opt.network import FloatArray, Layer

_LEAST_SHARE = 1e-9


@dataclass(frozen=True, eq=False)
class Planes:
    """Upper planes of k rectifiers of a layer, over its inputs h and its pre-activations g.

    For any shares, and with the offset that `bound_dual` computes for them,

        max(0, g) <= pre * g + (inputs * W) @ h + offset      on the box of h and the interval of g.

    A mixture of the chord (pre and flat alone) and of the facets by Anderson et al., in which
    `inputs` says how much of each weight stands in h.

    Parameters
    ----------
    units : (k,) integer array
    pre, flat : (k,) arrays
        Shares in [0, 1], with a sum of at most 1.
    inputs : (k, n_in) array
        Shares in [0, 1 - pre - flat].

    References
    ----------
    R. Anderson, J. Huchette, W. Ma, C. Tjandraatmadja, J. P. Vielma, Strong mixed-integer
    programming formulations for trained neural networks, Math. Program. 183, 2020, Theorem 1.
    C. Tjandraatmadja et al., The Convex Relaxation Barrier, Revisited, NeurIPS 2020, section 3.
    """

    units: NDArray[np.int64]
    pre: FloatArray
    flat: FloatArray
    inputs: FloatArray

    def __post_init__(self) -> None:
        for name in ("pre", "flat", "inputs"):
            object.__setattr__(self, name, np.clip(getattr(self, name), 0.0, 1.0))


def tilt(
    layer: Layer, planes: Planes, pre: Interval, inputs: Interval
) -> tuple[FloatArray, FloatArray]:
    """Slopes (k, n_in) of planes over the inputs, and offsets (..., k) that make them hold.

    Where the unit is off, pre * g + slopes @ h + offset >= 0 has to hold; where it is on, that
    less g. Both are linear, with g in its interval and h in its box.

    Parameters
    ----------
    pre, inputs
        Intervals of g, (..., n_out) arrays, and of h, (..., n_in) arrays.
    """
    weight, bias = weights.dense(layer.weight[planes.units]), layer.bias[planes.units]
    low, high = pre[0][..., planes.units], pre[1][..., planes.units]
    # A share that is almost none would only make products underflow.
    shares = np.where(planes.inputs > _LEAST_SHARE, planes.inputs, 0.0)
    slopes = shares * weight
    in_inputs = np.maximum(1.0 - planes.pre - planes.flat, 0.0)
    rest = in_inputs[:, None] * weight - slopes
    off = _largest(-slopes, inputs) - planes.pre * low
    on = _largest(rest, inputs) + planes.flat * high + in_inputs * bias
    # Covers all roundings of these lines, and that the three shares do not sum up to 1 exactly.
    reach = np.maximum(*map(np.abs, inputs))
    size = 3.0 * reach @ np.abs(weight).T + 2.0 * np.abs(bias)
    size = size + 4.0 * np.maximum(np.abs(low), np.abs(high))
    error = gamma(2 * layer.n_in + 32) * size + TINY * (1.0 + reach.sum(axis=-1, keepdims=True))
    return slopes, round_up(np.maximum(off, on) + error)


def _largest(rows: FloatArray, box: Interval) -> FloatArray:
    """Largest values (..., m) of rows (m, n) on boxes (..., n), as computed."""
    lower, upper = box
    return np.asarray(upper @ np.maximum(rows, 0.0).T + lower @ np.minimum(rows, 0.0).T)
