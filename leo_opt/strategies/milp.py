"""The MILP stage: one warm session a layer, one question a direction, stop on sign."""

from __future__ import annotations

import math

import numpy as np

from leo_opt.domain import Box
from leo_opt.network import FloatArray, Network
from leo_opt.solvers import Session, SolverOptions, find
from leo_opt.stability import Premise, Statistics, weakest
from leo_opt.strategies.layer_model import LayerModel, ask, build_layer_model
from leo_opt.strategies.ledger import Direction, Ledger
from leo_opt.strategies.settings import Deadline, Settings
from leo_opt.witnesses import collect


class MilpStage:
    """Asks a solver about directions and writes what it proves into a ledger; counts the cost."""

    def __init__(
        self, network: Network, domain: Box, settings: Settings, deadline: Deadline
    ) -> None:
        self._network = network
        self._domain = domain
        self._settings = settings
        self._deadline = deadline
        self._solver = find(settings.solver)
        self.milps = 0
        self.nodes = 0

    def settle(
        self,
        ledger: Ledger,
        directions: list[Direction],
        seen: FloatArray,
        skip_settled: bool = True,
    ) -> None:
        """Ask about directions of one layer until all are answered or the time is over.

        Parameters
        ----------
        directions
            Of one layer, which is not layer 0.
        seen : (m, n_in) array
            For each direction an input of the domain that is high on it: a bound below the
            network's value there convicts the solver.
        skip_settled
            Whether to leave out directions that an answer before has settled.
        """
        layer = directions[0].layer
        bounds = ledger.bounds(layer + 1)
        if not all(np.isfinite(side).all() for side in (*bounds.lower, *bounds.upper)):
            return  # Overflowed intervals cannot be formulated; the units stay undecided.
        model = build_layer_model(
            self._network, self._domain, layer, bounds, self._settings.formulation
        )
        with self._solver.open(model.form, SolverOptions(seed=self._settings.seed)) as session:
            premise = weakest(ledger.premise_below(layer), self._premise(session))
            for direction, known in zip(directions, seen, strict=True):
                if self._deadline.passed:
                    return
                if not skip_settled or ledger.is_open(direction):
                    self._ask(ledger, session, model, direction, known, premise)

    def _ask(
        self,
        ledger: Ledger,
        session: Session,
        model: LayerModel,
        direction: Direction,
        known: FloatArray,
        premise: Premise,
    ) -> None:
        """Ask one question and record what it proves."""
        verdict = ask(
            session,
            model,
            direction,
            self._settings.margin,
            known,
            time_limit=self._time_for_one(),
            node_limit=self._settings.node_limit,
        )
        self.milps += 1
        self.nodes += verdict.nodes
        anomaly = verdict.anomaly
        if verdict.bound is not None and not ledger.tighten(
            direction, verdict.bound, "milp", premise
        ):
            anomaly = f"bound {verdict.bound!r} contradicts the other end of the interval"
        ledger.note(direction, verdict.seconds, anomaly)
        if verdict.witness is not None:
            point = verdict.witness[None, :]
            ledger.witnesses = collect(self._network, self._domain, point, ledger.witnesses)

    def _time_for_one(self) -> float | None:
        """Seconds that one question may take."""
        limits = (self._deadline.remaining, self._settings.unit_time_limit)
        least = min((limit for limit in limits if limit is not None), default=math.inf)
        return None if math.isinf(least) else least

    def _premise(self, session: Session) -> Premise:
        """What must be believed for a bound of this session to hold."""
        return Premise(
            self._solver.name,
            self._solver.version(),
            self._settings.margin,
            tuple(sorted(session.tolerances.items())),
        )

    def statistics(self, ledger: Ledger, strategy: str) -> Statistics:
        """The cost so far."""
        return Statistics(
            seconds=self._deadline.elapsed,
            milps_solved=self.milps,
            nodes=self.nodes,
            settled=dict(ledger.settled),
            strategy=strategy,
            solver=self._settings.solver,
            formulation=self._settings.formulation,
        )
