"""A cell: one formulation on one solver, asked one question about one network on one box."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from leo_opt.comparison.contestants import FormulationEntry, SolverEntry
from leo_opt.comparison.domains import NamedBox
from leo_opt.comparison.plan import NetworkEntry, Plan
from leo_opt.decisions.findings import Direction
from leo_opt.domain import Box


@dataclass(frozen=True, eq=False)
class Cell:
    """Everything that one measurement needs; picklable.

    Parameters
    ----------
    network_path, network_name, network_hash
        The file, the name for tables, and what the file must hold.
    domain_name, domain
        The name for tables, and the box.
    direction
        The question: the largest value of sign * pre-activation of a unit.
    bounds
        Method of the bounds that the model is built from.
    time_limit
        Seconds for separation and branch and bound.
    stop
        "none" or "sign".
    """

    network_path: str
    network_name: str
    network_hash: str
    domain_name: str
    domain: Box
    direction: Direction
    bounds: str
    formulation: FormulationEntry
    solver: SolverEntry
    seed: int
    time_limit: float
    node_limit: int | None
    stop: str

    def describe(self) -> dict[str, Any]:
        """All that says which cell this is, for the record; names are for people."""
        sides = self.domain.lower.tobytes() + self.domain.upper.tobytes()
        return {
            "network": self.network_name,
            "network_hash": self.network_hash,
            "domain": self.domain_name,
            "domain_hash": hashlib.sha256(sides).hexdigest(),
            "layer": self.direction.layer,
            "unit": self.direction.unit,
            "sign": self.direction.sign,
            "bounds": self.bounds,
            "formulation": self.formulation.label,
            "separation": self.formulation.separation,
            "solver": self.solver.label,
            "seed": self.seed,
            "time_limit": self.time_limit,
            "node_limit": self.node_limit,
            "stop": self.stop,
        }

    @property
    def key(self) -> str:
        """A digest of what the result depends on: equal cells have equal keys.

        Names of networks and domains are no part of it, nor are versions of packages.
        """
        parts = self.describe()
        for name in ("network", "domain"):
            del parts[name]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def expand(plan: Plan) -> Iterator[Cell]:
    """The cells of a plan, each once; those of one question follow one another.

    So ratios of their times see the same machine.
    """
    known: set[str] = set()
    for network in plan.networks:
        for named in network.domains:
            for direction in _directions(plan, network, named.box):
                for cell in _cells(plan, network, named, direction):
                    if cell.key not in known:
                        known.add(cell.key)
                        yield cell


def _directions(plan: Plan, network: NetworkEntry, domain: Box) -> list[Direction]:
    """What the questions of a plan become on a network and a box, each once."""
    found = [
        direction
        for question in plan.questions
        for direction in question.choose(network.network, domain)
    ]
    return list(dict.fromkeys(found))


def _cells(
    plan: Plan, network: NetworkEntry, named: NamedBox, direction: Direction
) -> Iterator[Cell]:
    """The cells of one question."""
    choices = product(plan.bounds, plan.seeds, plan.solvers, plan.formulations)
    for bounds, seed, solver, formulation in choices:
        yield Cell(
            network_path=str(network.path),
            network_name=network.name,
            network_hash=network.network.content_hash,
            domain_name=named.name,
            domain=named.box,
            direction=direction,
            bounds=bounds,
            formulation=formulation,
            solver=solver,
            seed=seed,
            time_limit=plan.time_limit,
            node_limit=plan.node_limit,
            stop=plan.stop,
        )
