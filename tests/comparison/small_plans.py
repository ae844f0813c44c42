"""Small networks, plans about them, and forged results, for the tests of the comparison."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt import Network, save
from leo_opt.comparison.measurement import Measurement
from leo_opt.comparison.record import Entry

PLAN = """
time_limit = 20.0
[[networks]]
path = "net.npz"
[[domains]]
name = "square"
box = [-1, 1]
[[questions]]
kind = "outputs"
sense = "both"
[[formulations]]
name = "big-m"
[[solvers]]
name = "highs"
"""


def small_network(seed: int = 0, widths: tuple[int, ...] = (4, 3)) -> Network:
    """Two inputs, hidden layers with unstable units, one output."""
    generator = np.random.default_rng(seed)
    sizes = [2, *widths, 1]
    weights = [generator.normal(size=(after, before)) for before, after in pairwise(sizes)]
    return Network.from_arrays(weights, [0.1 * generator.normal(size=size) for size in sizes[1:]])


def write_plan(folder: Path, text: str = PLAN, seed: int = 0) -> Path:
    """A plan and its network in a folder."""
    save(small_network(seed), folder / "net.npz")
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def entry(unit: int = 0, formulation: str = "big-m", solver: str = "highs", **given: Any) -> Entry:
    """A forged cell: solved in a second unless told otherwise."""
    cell = {
        "network": "net", "network_hash": "n", "domain": "box", "domain_hash": "d", "layer": 1,
        "unit": unit, "sign": 1, "bounds": "crown", "formulation": formulation,
        "separation": "none", "solver": solver, "seed": 0, "time_limit": 60.0,
        "node_limit": None, "stop": "none",
    }  # fmt: skip
    cell |= {name: given.pop(name) for name in list(given) if name in cell}
    values: dict[str, Any] = {
        "outcome": "answered", "root_bound": 2.0, "separated_bound": 2.0, "final_bound": 1.0,
        "incumbent": 1.0, "confirmed": 1.0, "seen": 0.5, "margin": 1e-6, "nodes": 3,
        "seconds": 1.0, "cpu_seconds": 1.0, "termination_condition": "optimal",
        "verdict": "witness", "rows": 5, "columns": 4, "binaries": 2, "nonzeros": 9,
        "build_seconds": 0.1,
    }  # fmt: skip
    return Entry(repr(cell), cell, Measurement(**(values | given)), "e")
