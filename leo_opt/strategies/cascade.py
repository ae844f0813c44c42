"""The cascade: cheap proofs first, layer by layer, and a MILP only for what is left open.

References
----------
Each stage has its own: `leo_opt.bounds.interval`, `leo_opt.bounds.crown`, `leo_opt.witnesses`,
`leo_opt.formulations`.
"""

from __future__ import annotations

from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.stability import Stability
from leo_opt.strategies.ledger import Ledger
from leo_opt.strategies.milp import MilpStage
from leo_opt.strategies.search import ascend_open, best_known, sweep
from leo_opt.strategies.settings import Deadline, Progress, Settings


def classify(network: Network, domain: Box, settings: Settings) -> Stability:
    """Decide every unit by intervals, CROWN, witnesses and, where these fail, MILPs."""
    deadline = Deadline(settings.time_limit)
    ledger = Ledger(network, domain)
    milps = MilpStage(network, domain, settings, deadline)
    for layer in range(len(network.layers)):
        ledger.bound_layer(layer)
    phased = network.phased_layers
    ledger.credit("bounds", sum(2 * network.layers[k].n_out for k in phased) - ledger.all_open())
    before = ledger.all_open()
    sweep(ledger, settings)
    ledger.credit("witness", before - ledger.all_open())
    for layer in range(len(network.layers)):
        ledger.bound_layer(layer)
        if network.layers[layer].has_phases and ledger.open(layer):
            _settle_layer(ledger, layer, settings, deadline, milps)
    return ledger.close(milps.statistics(ledger, "cascade"))


def _settle_layer(
    ledger: Ledger, layer: int, settings: Settings, deadline: Deadline, milps: MilpStage
) -> None:
    """Answer the open directions of one layer, all earlier layers being done."""

    def announce(stage: str) -> None:
        if settings.progress is not None:
            settings.progress(Progress(layer, stage, len(ledger.open(layer)), deadline.remaining))

    announce("witness")
    before = len(ledger.open(layer))
    ascend_open(ledger, layer, settings)
    ledger.credit("witness", before - len(ledger.open(layer)))
    directions = ledger.open(layer)
    # Interval arithmetic is exact in layer 0, so no solver can add to it.
    if not directions or layer == 0:
        return
    announce("milp")
    milps.settle(ledger, directions, best_known(ledger, directions))
    ledger.credit("milp", len(directions) - len(ledger.open(layer)))
    announce("milp")
