"""Powers of two that bring the pre-activations of a layer to a range of about 1."""

from __future__ import annotations

import numpy as np

from leo_opt.bounds import Bounds, post_interval
from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network

_CANCELLATION = 2.0**-7
"""A range counts as at least this share of the terms it is the sum of."""

_TOLERANCE = 1e-6
"""How far solvers let a scaled row of a rectifier be violated."""

NEARLY_ZERO = 1e-9
"""Scaled bounds below this may be 0 but for rounding."""


def powers_of_two(reach: FloatArray) -> FloatArray:
    """The power of two nearest to 1 / reach, and 1 where reach is 0."""
    exponents = np.where(reach > 0.0, -np.round(np.log2(np.where(reach > 0.0, reach, 1.0))), 0.0)
    powers: FloatArray = np.ldexp(1.0, exponents.astype(int))
    return powers


def unit_scales(network: Network, domain: Box, bounds: Bounds, index: int) -> FloatArray:
    """Scale of each unit of a layer, (n_out,).

    A solver's error in a sum grows with its terms, not with its value. A unit whose terms cancel
    is therefore not blown up to a range of 1: there the margin would be far below that error.

    Parameters
    ----------
    bounds
        Finite intervals of layers 0 .. index.
    """
    if index == 0:
        before = (domain.lower, domain.upper)
    else:
        below = network.layers[index - 1]
        before = post_interval(below, bounds.lower[index - 1], bounds.upper[index - 1])
    layer = network.layers[index]
    largest = np.maximum(*map(np.abs, before))
    terms = abs(layer.weight) @ largest + np.abs(layer.bias)
    reach = np.maximum(np.abs(bounds.lower[index]), np.abs(bounds.upper[index]))
    return powers_of_two(np.maximum(reach, _CANCELLATION * terms))


def solver_blur(network: Network, domain: Box, bounds: Bounds, index: int) -> FloatArray:
    """How far tolerances at the units below can move each unit of a layer, (n_out,), scaled.

    A unit whose interval is [-7e5, 0.4] has a post-activation below the tolerance once it is
    scaled, so that a solver may take it for 0 and prove a bound that the network exceeds. Each
    unit that can change phase is therefore given its tolerance in natural units, and these are
    pushed up by |W|.

    Parameters
    ----------
    bounds
        Finite intervals of layers 0 .. index.
    """
    moved = np.zeros(network.input_size)
    for earlier, layer in enumerate(network.layers[:index]):
        low, high = bounds.lower[earlier], bounds.upper[earlier]
        crosses = (low < 0.0) & (high > 0.0) & layer.phased
        held = (high > 0.0) | ~layer.phased
        own = _TOLERANCE / powers_of_two(np.maximum(np.abs(low), np.abs(high)))
        moved = np.where(held, abs(layer.weight) @ moved + np.where(crosses, own, 0.0), 0.0)
    blur: FloatArray = abs(network.layers[index].weight) @ moved
    return blur * unit_scales(network, domain, bounds, index)
