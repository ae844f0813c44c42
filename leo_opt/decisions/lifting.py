"""Verdicts of a network without twins as those of the network that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.bounds import Bounds
from leo_opt.evidence import Evidence
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.twins import Twins


def lower_bounds(bounds: Bounds, network: Network, twins: Twins) -> Bounds:
    """Bounds of a network as those of the one without twins."""
    ours = bounds.proved_for == network.content_hash
    return Bounds(
        bounds.domain,
        tuple(low[kept] for low, kept in zip(bounds.lower, twins.kept, strict=True)),
        tuple(high[kept] for high, kept in zip(bounds.upper, twins.kept, strict=True)),
        twins.network.content_hash if ours else bounds.proved_for,
    )


def lift(stability: Stability, network: Network, twins: Twins) -> Stability:
    """Verdicts on the network without twins as verdicts on the network that has them.

    Pre-activations are the same but for signs, so that intervals, witnesses and evidence are too.
    """
    below, above = stability.lower_evidence, stability.upper_evidence
    return replace(
        stability,
        network_hash=network.content_hash,
        phased=tuple(layer.phased for layer in network.layers),
        certified=_lift_bounds(stability.certified, twins),
        trusted=_lift_bounds(stability.trusted, twins),
        lower_evidence=_lift_evidence(below, above, twins),
        upper_evidence=_lift_evidence(above, below, twins),
    )


def _lift_bounds(bounds: Bounds, twins: Twins) -> Bounds:
    lower: list[FloatArray] = []
    upper: list[FloatArray] = []
    for low, high, places, signs in zip(
        bounds.lower, bounds.upper, twins.places, twins.signs, strict=True
    ):
        for ends, mine, other in ((lower, low, high), (upper, high, low)):
            lifted = np.where(signs > 0.0, mine[places], -other[places])
            ends.append(np.where(signs == 0.0, 0.0, lifted))
    return Bounds(bounds.domain, tuple(lower), tuple(upper))


def _lift_evidence(
    mine: Sequence[Sequence[Evidence]], other: Sequence[Sequence[Evidence]], twins: Twins
) -> tuple[tuple[Evidence, ...], ...]:
    return tuple(
        tuple(
            Evidence() if sign == 0.0 else (same if sign > 0.0 else opposite)[place]
            for place, sign in zip(places.tolist(), signs.tolist(), strict=True)
        )
        for same, opposite, places, signs in zip(
            mine, other, twins.places, twins.signs, strict=True
        )
    )
