"""LEO as published: after interval arithmetic in layer 0, two MILPs for every later unit.

The honest baseline: big-M constants of a layer come from the objective bounds of the MILPs before
it, each MILP stops as soon as its sign is known, and nothing cheaper is tried first.

References
----------
T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
arXiv 2001.00218, section 4.
"""

from __future__ import annotations

import numpy as np

from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.strategies.ledger import Direction, Ledger
from leo_opt.strategies.milp import MilpStage
from leo_opt.strategies.settings import Deadline, Progress, Settings
from leo_opt.witnesses import collect, first_layer_vertices


def classify(network: Network, domain: Box, settings: Settings) -> Stability:
    """Decide every unit by two MILPs over the network before it, layer by layer.

    With `settings.skip_stable` the units that interval arithmetic proves stable are left out,
    which the published method does not do.
    """
    deadline = Deadline(settings.time_limit)
    ledger = Ledger(network, domain)
    milps = MilpStage(network, domain, settings, deadline)
    for layer, described in enumerate(network.layers):
        ledger.bound_layer(layer, methods=("interval",))
        if not described.has_phases:
            continue
        if settings.progress is not None:
            settings.progress(Progress(layer, "milp", len(ledger.open(layer)), deadline.remaining))
        if layer == network.phased_layers[0]:
            # Interval arithmetic is exact here; the vertices are its witnesses.
            vertices = first_layer_vertices(network, domain)
            ledger.witnesses = collect(network, domain, vertices, ledger.witnesses)
        else:
            directions = [
                Direction(layer, unit, sign) for unit in range(described.n_out) for sign in (1, -1)
            ]
            if settings.skip_stable:
                directions = [d for d in directions if ledger.is_open(d)]
            seen = np.repeat(domain.centre[None, :], len(directions), axis=0)
            before = len(ledger.open(layer))
            milps.settle(ledger, directions, seen, skip_settled=settings.skip_stable)
            ledger.credit("milp", before - len(ledger.open(layer)))
    return ledger.close(milps.statistics(ledger, "per-unit"))
