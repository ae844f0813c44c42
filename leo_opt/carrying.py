"""Verdicts on a rewritten network that follow from those on the network that was given."""

from __future__ import annotations

import numpy as np

from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import FloatArray
from leo_opt.bounds import Bounds, Propagation, propagate
from leo_opt.deviation import rounding_spread
from leo_opt.evidence import ARITHMETIC, Evidence
from leo_opt.network import Network
from leo_opt.rectify import parts_of, rectified
from leo_opt.stability import Stability, Statistics
from leo_opt.witnesses import Witnesses, collect

CARRIED = "carried"
"""Method of the evidence."""


def carry(stability: Stability, network: Network, bounds: Bounds) -> Stability:
    """The stability of a network that was made of another one.

    Nothing is searched for. Intervals are those given; witnesses are those of the other network
    that the new one, evaluated with its rounding error accounted for, confirms. What is shown by
    none of them is undecided.

    Parameters
    ----------
    stability
        Of the other network.
    network, bounds
        The new one and intervals of its pre-activations on the domain of the stability. They rest
        on the premise of its phases, unless they are `proved_for` this network.
    """
    proved = bounds.proved_for == network.content_hash
    premise, domain, plain = ARITHMETIC if proved else stability.premise, bounds.domain, network
    if any(len(parts_of(layer)) > 1 for layer in network.layers):
        plain, bounds = _in_parts(network, bounds)
    certified = bounds
    if not premise.certified:
        certified = propagate(plain, domain)
        bounds = bounds.intersect(certified)
    pool = collect(plain, domain, stability.witnesses, Witnesses.none(plain))
    sides = (pool.below, bounds.lower, certified.lower), (pool.above, bounds.upper, certified.upper)
    below, above = (
        tuple(
            tuple(
                Evidence(CARRIED, ARITHMETIC if same else premise, row if row >= 0 else None)
                for row, same in zip(rows.tolist(), (end == proof).tolist(), strict=True)
            )
            for rows, end, proof in zip(*side, strict=True)
        )
        for side in sides
    )
    return Stability(
        network_hash=plain.content_hash,
        domain=domain,
        phased=tuple(layer.phased for layer in plain.layers),
        certified=certified,
        trusted=bounds,
        lower_evidence=below,
        upper_evidence=above,
        witnesses=pool.inputs,
        statistics=Statistics(strategy=CARRIED),
    )


def loosened(network: Network, bounds: Bounds, stored: Network) -> Bounds:
    """Bounds of a network, wider by what its numbers as a file has them can move."""
    spread = rounding_spread(network, stored, bounds)
    return Bounds(
        bounds.domain,
        tuple(round_down(low - off) for low, off in zip(bounds.lower, spread, strict=True)),
        tuple(round_up(high + off) for high, off in zip(bounds.upper, spread, strict=True)),
        stored.content_hash if bounds.proved_for else "",
    )


def _in_parts(network: Network, bounds: Bounds) -> tuple[Network, Bounds]:
    """`rectified(network)` and bounds of it: those of the affine maps, and what intervals say."""
    plain = rectified(network)
    steps = Propagation(plain, bounds.domain.box, "interval")
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for layer, *own in zip(network.layers, bounds.lower, bounds.upper, strict=True):
        for part in range(len(parts_of(layer))):
            low, high = steps.bound(len(lower), lower, upper)
            lower.append(low if part else np.maximum(low, own[0]))
            upper.append(high if part else np.minimum(high, own[1]))
    return plain, Bounds(bounds.domain, tuple(lower), tuple(upper))
