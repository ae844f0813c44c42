"""ISA as published: one MILP asks for all candidates at once which can still change phase.

A candidate is a direction that no sample has shown. For each there is a binary: p = 1 implies
pre >= -margin for those not seen active, q = 1 implies pre <= margin for those not seen inactive,
in scaled units. Maximising their sum, an incumbent shows some; a bound under 1 proves that none
of the rest can be shown. Solvers that take lazy constraints cut a shown candidate off inside one
tree; here each incumbent ends a solve, removes all candidates that the network shows at it, and
the next solve goes on, which needs no callback that adds rows.

References
----------
T. Serra, X. Yu, A. Kumar, S. Ramalingam, Scaling Up Exact Neural Network Compression by ReLU
Stability, NeurIPS 2021, arXiv 2102.07804, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arguments import Options, option
from leo_opt.bounds import Bounds
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.layer_model import obstacle, premise_of
from leo_opt.decisions.run import Classification
from leo_opt.decisions.scaling import solver_blur, unit_scales
from leo_opt.decisions.strategies import Strategy
from leo_opt.decisions.witness_search import RANDOM_POINTS, climb, read_points, scatter, sweep
from leo_opt.enclosure import evaluate
from leo_opt.encoding import Encoding
from leo_opt.errors import SolverError
from leo_opt.network import FloatArray, Network
from leo_opt.solvers import Answer, Session, SolverOptions, find
from leo_opt.storage.locks import PYOMO

_HALF = 0.5
"""Between 0 and 1: an objective above it shows a candidate, a bound below 1 proves the rest."""


@dataclass(frozen=True, eq=False)
class _JointModel:
    """The compiled MILP and the columns of its candidates."""

    encoding: Encoding
    candidates: dict[Direction, int]

    def objective(self, open_directions: list[Direction]) -> FloatArray:
        cost = np.zeros(self.encoding.form.columns)
        cost[[self.candidates[direction] for direction in open_directions]] = 1.0
        return cost


@dataclass(frozen=True)
class Joint(Options, Strategy):
    """Decide every unit by intervals, samples and a loop of solves of one MILP.

    Parameters
    ----------
    random_points
        Number of random inputs to try as witnesses first.
    """

    name = "joint"
    random_points: int = option(RANDOM_POINTS, read_points)

    def settle(self, run: Classification) -> None:
        """See `Strategy.settle`."""
        network, ledger = run.network, run.ledger
        run.bound_layers("interval")
        before = ledger.all_open()
        sweep(ledger, run.settings, run.deadline)
        scatter(ledger, self.random_points, run.settings.seed, run.deadline)
        run.credit("witness", before)
        # Interval arithmetic is exact in layer 0, so nothing can add to it.
        directions = [d for k in network.phased_layers if k > 0 for d in ledger.open(k)]
        bounds = ledger.bounds(len(network.layers))
        before = ledger.all_open()
        directions = run.recall("joint", directions)
        last = len(network.layers) - 1
        against = obstacle(network, last, bounds, run.settings.milps, run.deadline)
        if against is not None and directions:
            run.leave(directions, against)
        if not directions or not bounds.finite or against is not None:
            run.credit("joint", before)
            return
        model = _build(run, directions, bounds)
        options = SolverOptions(seed=run.settings.seed)
        try:
            with find(run.settings.solver).open(model.encoding.form, options) as session:
                _loop(run, model, session, directions)
        except SolverError as error:
            _record_failure(run, directions, str(error))
        run.credit("joint", before)


def _record_failure(run: Classification, directions: list[Direction], reason: str) -> None:
    """A solver that fails leaves open what was open; the record says why."""
    for direction in directions:
        if run.ledger.is_open(direction):
            run.enter(Finding(direction, "joint", anomaly=reason))


@PYOMO
def _build(run: Classification, directions: list[Direction], bounds: Bounds) -> _JointModel:
    """Formulate the network up to the last candidate's layer and add the candidates' binaries."""
    import pyomo.environ as pyo

    from leo_opt.formulations import formulate
    from leo_opt.solvers import compile_model

    depth = directions[-1].layer + 1
    network = Network(run.network.layers[:depth])
    prefix = Bounds(run.domain.box, bounds.lower[:depth], bounds.upper[:depth])
    model = pyo.ConcreteModel()
    model.net = formulate(
        network, run.domain.box, formulation=run.settings.formulation, bounds=prefix, centred=True
    )
    model.shown = pyo.Var(range(len(directions)), domain=pyo.Binary)
    model.implied = pyo.ConstraintList()
    layers = {direction.layer for direction in directions}
    # Those of the block are too fine where a range is what cancellation leaves.
    scales = {k: unit_scales(run.network, run.domain.box, bounds, k) for k in layers}
    blurs = {k: solver_blur(run.network, run.domain.box, bounds, k) for k in layers}
    for k, (layer, unit, sign) in enumerate(directions):
        scale = float(scales[layer][unit])
        pre = scale * model.net.pre[layer, unit]
        end = bounds.lower if sign > 0 else bounds.upper
        least = sign * float(end[layer][unit]) * scale  # the lower end of sign * pre
        margin = run.settings.margin + float(blurs[layer][unit])
        model.implied.add(sign * pre + (least + margin) * model.shown[k] >= least)
    compiled = compile_model(model)
    return _JointModel(
        encoding=Encoding.read(compiled, model.net),
        candidates={d: compiled.column_of(model.shown[k]) for k, d in enumerate(directions)},
    )


def _loop(
    run: Classification, model: _JointModel, session: Session, directions: list[Direction]
) -> None:
    """Solve, remove what the incumbent shows or claims, until the bound proves the rest."""
    left = list(directions)
    columns = np.array(list(model.candidates.values()), dtype=np.int64)
    while left and not run.deadline.passed:
        kept = [model.candidates[direction] for direction in left]
        gone = np.setdiff1d(columns, kept)
        session.fix(gone, np.zeros(gone.size))
        run.announce(left[0].layer, "joint", len(directions), len(directions) - len(left))
        answer = session.maximize(
            model.objective(left),
            stop_above=_HALF,
            stop_below=1.0 - run.settings.margin,
            time_limit=run.deadline.remaining,
            node_limit=run.settings.node_limit,
        )
        removed = _removed(run, model, answer, left)
        bound = answer.objective_bound
        proved = (
            not removed
            and bound is not None
            and bound < 1.0
            and answer.termination_condition in ("optimal", "objectiveLimit", "interrupted")
        )
        for direction in left:
            if proved:
                premise = premise_of(session, run.settings.margin)
                run.enter(Finding(direction, "joint", bound=0.0, premise=premise))
        run.milps += 1
        run.nodes += answer.nodes
        if answer.termination_condition == "error":
            _record_failure(run, left, answer.message)
        left = [direction for direction in left if direction not in removed]
        if proved or not removed:
            return


def _removed(
    run: Classification, model: _JointModel, answer: Answer, left: list[Direction]
) -> set[Direction]:
    """Candidates that the network shows at or near the incumbent, or that the incumbent claims.

    An incumbent need only bring a candidate to within the margin of zero, so that an ascent from
    there is what shows most of them. What is claimed and still not shown lies about zero.
    """
    if answer.point is None:
        return set()
    inputs = model.encoding.inputs_of(answer.point)[None, :]
    claimed = [d for d in left if answer.point[model.candidates[d]] > _HALF]
    removed = set(claimed)
    for layer in sorted({direction.layer for direction in claimed}):
        asked = [direction for direction in claimed if direction.layer == layer]
        starts = np.repeat(inputs[:1], len(asked), axis=0)
        inputs = np.vstack([inputs, climb(run.ledger, asked, starts, run.deadline)])
    enclosures = evaluate(model.encoding.network, inputs)
    for direction in left:
        pre, radius = enclosures[direction.layer]
        gain = direction.sign * pre[:, direction.unit] - radius[:, direction.unit]
        if gain.max() > 0.0:
            run.enter(Finding(direction, "joint", witness=inputs[gain.argmax()]))
            removed.add(direction)
    return removed
