"""LEO as published: after interval arithmetic in layer 0, two MILPs for every later unit.

The honest baseline: big-M constants of a layer come from the objective bounds of the MILPs before
it, each MILP stops as soon as its sign is known, and nothing cheaper is tried first.

References
----------
T. Serra, A. Kumar, S. Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR 2020,
arXiv 2001.00218, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arguments import Options, option, read_flag
from leo_opt.decisions.cascade import ask_milps
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.run import Classification
from leo_opt.decisions.strategies import Strategy
from leo_opt.witnesses import collect, first_layer_vertices


@dataclass(frozen=True)
class PerUnit(Options, Strategy):
    """Decide every unit by two MILPs over the network before it, layer by layer.

    Parameters
    ----------
    skip_stable
        Ask nothing about units that interval arithmetic proves stable, which the published method
        does not do.
    """

    name = "per-unit"
    skip_stable: bool = option(False, read_flag)

    def settle(self, run: Classification) -> None:
        """See `Strategy.settle`."""
        network, ledger = run.network, run.ledger
        for index, layer in enumerate(network.layers):
            run.announce(index, "bounds", 2 * layer.n_out)
            ledger.bound_layer(index, "interval")
            if not layer.has_phases:
                continue
            before = ledger.all_open()
            if index == 0:
                # Interval arithmetic is exact here; the vertices are its witnesses.
                vertices = first_layer_vertices(network, run.domain)
                ledger.witnesses = collect(
                    network, run.domain, vertices, ledger.witnesses, run.deadline
                )
                run.credit("witness", before)
            else:
                directions = [
                    Direction(index, unit, sign)
                    for unit in np.flatnonzero(layer.phased).tolist()
                    for sign in (-1, +1)
                ]
                if self.skip_stable:
                    directions = [d for d in directions if ledger.is_open(d)]
                ask_milps(run, directions, skip_settled=self.skip_stable)
                run.credit("milp", before)
