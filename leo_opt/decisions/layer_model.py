"""One compiled model for all questions about the units of a layer.

The model holds the network up to the layer before; a question is an objective over its columns,
in units of the asked pre-activation scaled by a power of two to a range of about 1.
"""

from __future__ import annotations

import sys
import time
import uuid
from dataclasses import dataclass, replace

import numpy as np

from leo_opt import weights
from leo_opt.bounds import Bounds
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.scaling import solver_blur, unit_scales
from leo_opt.decisions.settings import Milps
from leo_opt.domain import Box
from leo_opt.enclosure import evaluate
from leo_opt.encoding import Encoding
from leo_opt.formulations import FormulationLike, find
from leo_opt.formulations.sizes import size_of
from leo_opt.network import FloatArray, Network
from leo_opt.separation import Separation, strengthen
from leo_opt.solvers import Answer, Feature, RowHandle, Session
from leo_opt.solvers import find as find_solver
from leo_opt.stability import Premise

_ROUNDS = 10
"""Rounds of separation at the root; later ones change little."""
_ROOT_SHARE = 0.5
"""Share of a question's time that they may take."""
_LEAST_TIME = 0.01
_SECONDS_PER_WEIGHT = 4e-6
"""What formulating and compiling take for each weight that is not 0, twice as measured."""
_IMPORT_SECONDS = 1.0
"""Of Pyomo, where it is not imported yet."""


@dataclass(frozen=True, eq=False)
class LayerModel:
    """The compiled model of layers 0 .. layer-1, and where its quantities stand in it.

    Parameters
    ----------
    key
        Tells this model from every other, for those who keep it loaded.
    network
        The layers up to and including `layer`: what confirms an incumbent.
    encoding
        Layers 0 .. layer-1, shared by all questions of a round.
    scales : (n_out,) array
        Power of two for each unit of `layer` that brings its range to about 1.
    blur : (n_out,) array
        How far tolerances at the units below can move each unit, scaled; widens the margin.
    """

    key: str
    network: Network
    encoding: Encoding
    scales: FloatArray
    blur: FloatArray

    def objective(self, direction: Direction) -> tuple[FloatArray, float]:
        """Coefficients over the columns and constant of scale * sign * pre."""
        layer = self.network.layers[-1]
        factor = direction.sign * self.scales[direction.unit]
        row = factor * weights.row(layer.weight, direction.unit)
        cost, constant = self.encoding.objective(row)
        return cost, constant + float(factor * layer.bias[direction.unit])

    def value_at(self, inputs: FloatArray, direction: Direction) -> tuple[float, float]:
        """scale * sign * pre at an input (n_in,), and how far that can be off."""
        pre, radius = evaluate(self.network, inputs[None, :])[-1]
        scale = self.scales[direction.unit]
        value = direction.sign * pre[0, direction.unit] * scale
        return float(value), float(radius[0, direction.unit] * scale)


def obstacle(
    network: Network, index: int, bounds: Bounds, milps: Milps, deadline: Deadline
) -> str | None:
    """Why no model of layers 0 .. layer-1 is made: time, memory or a licence would not do.

    Making it cannot be interrupted, and a model that cannot be solved is of no use.
    """
    size = size_of(find(milps.formulation), network.layers[:index], bounds)
    seconds = _SECONDS_PER_WEIGHT * size.weights
    seconds += 0.0 if "pyomo.environ" in sys.modules else _IMPORT_SECONDS
    if deadline.remaining is not None and deadline.remaining <= seconds:
        return "no time left to make the model"
    against = size.against_memory(deadline.memory)
    return against or find_solver(milps.solver).licence().refusal(
        milps.solver, size.rows, size.columns, "at least "
    )


def build_layer_model(
    network: Network, domain: Box, index: int, bounds: Bounds, formulation: FormulationLike
) -> LayerModel:
    """Formulate and compile layers 0 .. layer-1 of a network.

    Parameters
    ----------
    index
        At least 1; layer 0 is settled by interval arithmetic.
    bounds
        Finite intervals of layers 0 .. layer.
    """
    before = Network(network.layers[:index])
    prefix = Bounds(domain, bounds.lower[:index], bounds.upper[:index])
    return LayerModel(
        key=uuid.uuid4().hex,
        network=Network(network.layers[: index + 1]),
        encoding=Encoding.of(before, domain, prefix, formulation),
        scales=unit_scales(network, domain, bounds, index),
        blur=solver_blur(network, domain, bounds, index),
    )


def ask(
    session: Session,
    model: LayerModel,
    direction: Direction,
    margin: float,
    seen: FloatArray | None = None,
    time_limit: float | None = None,
    node_limit: int | None = None,
) -> Finding:
    """Ask a solver whether sign * pre can be positive, and stop as soon as that is known.

    Parameters
    ----------
    session
        Open on `model.encoding.form`.
    margin
        A bound proves the sign only where it lies this far below zero, in scaled units.
    seen : (n_in,) array or None
        An input of the domain; a bound below the network's value there convicts the solver.

    Returns
    -------
    Finding
        Of what is left after every number of the solver was doubted: a bound widened by the
        margin, a witness that the network itself shows, or why the answer was not believed.
    """
    premise = premise_of(session, margin)
    cost, constant = model.objective(direction)
    margin += float(model.blur[direction.unit])
    begin = time.monotonic()
    rows, separate = _strengthen(session, model, cost, constant, time_limit)
    spent = time.monotonic() - begin

    def confirm(point: FloatArray) -> bool:
        value, radius = model.value_at(model.encoding.inputs_of(point), direction)
        return value > radius

    answer = session.maximize(
        cost,
        constant=constant,
        stop_above=0.0,
        stop_below=-margin,
        confirm=confirm,
        separate=separate,
        time_limit=None if time_limit is None else max(time_limit - spent, _LEAST_TIME),
        node_limit=node_limit,
    )
    # They hold for every question, but only slow down those about other units.
    for handle in reversed(rows):
        session.remove(handle)
    found = _judge(answer, model, direction, margin, seen)
    return replace(found, premise=premise, seconds=found.seconds + spent)


def premise_of(session: Session, margin: float) -> Premise:
    """What must be believed for a bound of this session; names the solver that "auto" took."""
    tolerances = tuple(sorted(session.tolerances_in_force.items()))
    return Premise(session.solver.name, session.solver.version(), margin, tolerances)


def _strengthen(
    session: Session,
    model: LayerModel,
    cost: FloatArray,
    constant: float,
    time_limit: float | None,
) -> tuple[tuple[RowHandle, ...], Separation | None]:
    """Rows added at the root, and what separates further ones in the tree."""
    separation = model.encoding.separation
    if separation is None:
        return (), None
    limit = None if time_limit is None else _ROOT_SHARE * time_limit
    found = strengthen(
        session, separation, cost, constant=constant, rounds=_ROUNDS, time_limit=limit
    )
    in_tree = Feature.USER_CUTS in session.solver.features
    return found.handles, separation if in_tree else None


def _judge(
    answer: Answer,
    model: LayerModel,
    direction: Direction,
    margin: float,
    seen: FloatArray | None,
) -> Finding:
    """Turn an answer into what it proves (design laws 2 and 3)."""
    inputs = [] if seen is None else [seen]
    if answer.point is not None:
        inputs.insert(0, model.encoding.inputs_of(answer.point))
    witness, highest = None, -np.inf
    for candidate in inputs:
        value, radius = model.value_at(candidate, direction)
        highest = max(highest, value - radius)
        if value > radius and witness is None:
            witness = candidate
    bound = answer.objective_bound
    anomaly = ""
    if answer.termination_condition in _IMPOSSIBLE:
        # The domain is not empty and every quantity is bounded: the model is always feasible.
        anomaly = f"{answer.termination_condition} on a feasible bounded model"
    elif bound is not None and bound + margin < highest:
        anomaly = f"objective bound {bound!r} is below {highest!r}, which the network reaches"
    found = Finding(
        direction,
        "milp",
        witness=witness,
        anomaly=anomaly,
        seconds=answer.seconds,
        milps=1,
        nodes=answer.nodes,
    )
    if anomaly or bound is None or not np.isfinite(bound):
        return found
    natural = (bound + margin) / float(model.scales[direction.unit])
    natural = float(np.nextafter(natural, np.inf)) if bound > -margin else min(natural, 0.0)
    return replace(found, bound=natural)


_IMPOSSIBLE = frozenset({"infeasible", "unbounded", "infeasibleOrUnbounded", "error"})
