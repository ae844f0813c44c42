"""What a round keeps: findings name everything they rest on."""

from __future__ import annotations

import json

import numpy as np

from leo_opt import Box, Network
from leo_opt.parallel import Workers
from leo_opt.stability import Premise
from leo_opt.strategies.findings import Finding
from leo_opt.strategies.ledger import Direction
from leo_opt.strategies.run import Run
from leo_opt.strategies.settings import Settings

SOLVER = Premise("highs", "1.0", 1e-6)


class Job:
    def __init__(self, directions: tuple[Direction, ...]) -> None:
        self.directions = directions


def answer(job: Job) -> list[Finding]:
    """A certified proof, made from whatever intervals there are."""
    return [Finding(direction, "lp", bound=-1.0, lps=1) for direction in job.directions]


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
        settings = Settings(checkpoint=str(path))
        run = Run(network(), Box(-1, 1).spread(3), settings, workers)
        run.ledger.bound_layer(0)
        run.ledger.tighten(Direction(0, 0, 1), 0.01, "milp", SOLVER)
        run.ledger.bound_layer(1)
        run.settle("lp", answer, lambda asked: [Job(tuple(asked))], [question])
        run.checkpoint.close()
        kept = json.loads(path.read_text().splitlines()[1])
        assert kept["premise"][0] == "highs"
        # A later run, which knows nothing of that solver's bound, must not call it certified.
        later = Run(network(), Box(-1, 1).spread(3), settings, workers)
        for layer in range(3):
            later.ledger.bound_layer(layer)
        later.settle("lp", answer, lambda asked: [Job(tuple(asked))], [question])
        assert later.ledger.value(question) == -1.0
        assert later.ledger.bounds(3, certified=True).upper[1][2] > -1.0
        stability = later.close("cascade")
        assert stability.upper_evidence[1][2].premise == SOLVER
