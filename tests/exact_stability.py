"""Stability of small networks from the oracle: the best verdicts that there are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from oracle import exact_ranges

from leo_opt import arithmetic
from leo_opt.bounds import Bounds, propagate
from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import Evidence, Stability


def exact_stability(network: Network, box: Box, *, loose: bool = False) -> Stability:
    """Stability with exact ranges as trusted intervals.

    Parameters
    ----------
    loose
        Certify only what interval and CROWN bounds prove, as where a MILP settled the rest;
        otherwise the exact ranges are certified as well.
    """
    box = box.spread(network.input_size)
    ranges = exact_ranges(network, box)
    lower = tuple(np.array([-_up(-low) for low, _ in units]) for units in ranges)
    upper = tuple(np.array([_up(high) for _, high in units]) for units in ranges)
    trusted = Bounds(box, lower, upper)
    return make_stability(network, propagate(network, box) if loose else trusted, trusted)


def make_stability(network: Network, certified: Bounds, trusted: Bounds) -> Stability:
    """Stability of these intervals, without witnesses: what is not stable is undecided."""
    evidence = tuple((Evidence(),) * layer.n_out for layer in network.layers)
    return Stability(
        network_hash=network.content_hash,
        domain=trusted.domain,
        phased=tuple(layer.phased for layer in network.layers),
        certified=certified,
        trusted=trusted,
        lower_evidence=evidence,
        upper_evidence=evidence,
        witnesses=np.empty((0, network.input_size)),
    )


def as_fractions(values: np.ndarray) -> list[Fraction]:
    """Float64 numbers as rationals."""
    return [Fraction(value) for value in values.tolist()]


def _up(value: Fraction) -> float:
    """The smallest float64 that is not below a rational number, perhaps infinite."""
    try:
        return arithmetic.float_above(value)
    except OverflowError:
        return np.inf
