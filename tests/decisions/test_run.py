"""What a round keeps: findings name everything they rest on."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from leo_opt import Box, Network, Phase
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.jobs import Job
from leo_opt.decisions.run import Classification
from leo_opt.decisions.settings import ClassifySettings
from leo_opt.parallel import Workers
from leo_opt.stability import Premise
from leo_opt.witnesses import collect

SOLVER = Premise("highs", "1.0", 1e-6)


class Certain(Job):
    """A certified proof, made from whatever intervals there are."""

    def answer(self):
        return [Finding(direction, "lp", bound=-1.0, lps=1) for direction in self.directions]


def network() -> Network:
    generator = np.random.default_rng(0)
    shapes = [(6, 3), (5, 6), (4, 5)]
    return Network.from_arrays(
        [generator.normal(size=shape) for shape in shapes], [np.zeros(n) for n, _ in shapes]
    )


def test_a_kept_finding_names_the_solver_below_it(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    question = Direction(1, 2, 1)
    with Workers() as workers:
        settings = ClassifySettings(checkpoint=str(path))
        run = Classification(network(), Box(-1, 1).spread(3), settings, workers)
        run.ledger.bound_layer(0)
        run.ledger.tighten(Direction(0, 0, 1), 0.01, "milp", SOLVER)
        run.ledger.bound_layer(1)
        run.settle("lp", jobs(Certain, "lp"), [question])
        run.checkpoint.close()
        kept = json.loads(path.read_text().splitlines()[1])
        assert kept["premise"]["solver"] == "highs"
        # A later run, which knows nothing of that solver's bound, must not call it certified.
        later = Classification(network(), Box(-1, 1).spread(3), settings, workers)
        for layer in range(3):
            later.ledger.bound_layer(layer)
        later.settle("lp", jobs(Certain, "lp"), [question])
        assert later.ledger.value(question) == -1.0
        assert later.ledger.bounds(3, certified=True).upper[1][2] > -1.0
        stability = later.close("cascade")
        assert stability.upper_evidence[1][2].premise == SOLVER


class Lie(Job):
    """One answer that was convicted, and one that looks sound."""

    def answer(self):
        lie, other = self.directions
        return [
            Finding(lie, "milp", premise=SOLVER, anomaly="bound below what is reached", milps=1),
            Finding(other, "milp", bound=-1.0, premise=SOLVER, milps=1),
        ]


def jobs(kind: type[Job], stage: str) -> Callable[[list[Direction]], list[Job]]:
    return lambda asked: [kind(tuple(asked), stage, None, None)]


def test_a_convicted_solver_is_not_believed_about_the_same_model(tmp_path) -> None:
    questions = [Direction(1, 1, 1), Direction(1, 2, 1)]
    with Workers() as workers:
        settings = ClassifySettings(checkpoint=str(tmp_path / "run.jsonl"))
        for _ in range(2):  # The second time from what the first has kept.
            run = Classification(network(), Box(-1, 1).spread(3), settings, workers)
            for layer in range(3):
                run.ledger.bound_layer(layer)
            before = run.ledger.value(questions[1])
            run.settle("milp", jobs(Lie, "milp"), list(questions))
            assert run.ledger.value(questions[1]) == before > 0.0
            run.checkpoint.close()


def test_a_contradiction_ends_as_undecided_and_not_as_an_error() -> None:
    """Whether the witness or the false bound comes first."""
    inputs = Box(-1, 1).spread(3).sample(500, np.random.default_rng(0))
    shown = int(network().pre_activations(inputs)[1].max(axis=0).argmax())
    question = Direction(1, shown, 1)
    for witness_first in (True, False):
        with Workers() as workers:
            run = Classification(network(), Box(-1, 1).spread(3), ClassifySettings(), workers)
            for layer in range(3):
                run.ledger.bound_layer(layer)
            steps = [
                lambda run=run: setattr(
                    run.ledger,
                    "witnesses",
                    collect(network(), run.domain, inputs, run.ledger.witnesses),
                ),
                lambda run=run: run.enter(Finding(question, "milp", bound=-1.0, premise=SOLVER)),
            ]
            for step in steps if witness_first else reversed(steps):
                step()
            stability = run.close("cascade")
        assert stability.phases[1][shown] in (Phase.UNSTABLE, Phase.UNDECIDED)
        assert stability.upper_evidence[1][shown].anomaly
