"""The model of a cell: its cone of influence, formulated and compiled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from leo_opt import formats
from leo_opt.bounds import Bounds, propagate
from leo_opt.comparison.cells import Cell
from leo_opt.comparison.questions import scope_of
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.layer_model import build_layer_model
from leo_opt.decisions.scope import Scope
from leo_opt.decisions.settings import Settings
from leo_opt.domain import Box
from leo_opt.enclosure import evaluate
from leo_opt.encoding import Encoding
from leo_opt.errors import MismatchError
from leo_opt.formulations import Formulation
from leo_opt.network import FloatArray, Network
from leo_opt.rectify import rectified

_SEEN_POINTS = 1000


@dataclass(frozen=True, eq=False)
class CellModel:
    """A question as arrays that a solver takes.

    Parameters
    ----------
    scope, direction
        What the question depends on, and the question about it.
    encoding
        All layers of the scope but the last.
    cost : (columns,) array
    constant
        Objective: scale * sign * pre-activation.
    scale
        A power of two.
    margin
        A bound is believed up to this, in scaled units.
    """

    scope: Scope
    direction: Direction
    encoding: Encoding
    cost: FloatArray
    constant: float
    scale: float
    margin: float

    def reached(self, inputs: FloatArray) -> float:
        """What scale * sign * pre surely is at some input of a batch (N, n_in), at most."""
        pre, radius = evaluate(self.scope.network, inputs)[-1]
        unit = self.direction.unit
        return float((self.direction.sign * pre[:, unit] - radius[:, unit]).max() * self.scale)

    def reached_by_chance(self) -> float:
        """The same over random inputs of the domain."""
        return self.reached(self.scope.domain.sample(_SEEN_POINTS, np.random.default_rng(0)))


@lru_cache(maxsize=4)
def _load(path: str, digest: str) -> Network:
    """A network of a cell, kept for the cells that follow.

    Raises
    ------
    MismatchError
        If the file has changed since the plan was read.
    """
    network = rectified(formats.load(path))
    if network.content_hash != digest:
        raise MismatchError(f"{path} has changed since the plan was read; run the plan again")
    return network


@lru_cache(maxsize=8)
def _bound(path: str, digest: str, domain: Box, method: str) -> Bounds:
    """Bounds of a network of a cell, kept for the cells that follow."""
    return propagate(_load(path, digest), domain, method)


def prepare(cell: Cell) -> Scope:
    """Load what a cell is about, bound it, and cut it down to what the question depends on."""
    source = (cell.network_path, cell.network_hash)
    bounds = _bound(*source, cell.domain, cell.bounds)
    return scope_of(_load(*source), cell.domain, bounds, cell.direction)


def build(scope: Scope, direction: Direction, formulation: Formulation) -> CellModel:
    """Formulate and compile the layers of a scope below its last one.

    Parameters
    ----------
    direction
        Of the whole network.
    """
    local = scope.local(direction)
    model = build_layer_model(scope.network, scope.domain, local.layer, scope.bounds, formulation)
    cost, constant = model.objective(local)
    return CellModel(
        scope=scope,
        direction=local,
        encoding=model.encoding,
        cost=cost,
        constant=constant,
        scale=float(model.scales[local.unit]),
        margin=Settings.margin + float(model.blur[local.unit]),
    )
