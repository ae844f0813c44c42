"""A time limit holds in every stage, and what is decided within it is kept.

For each stage there is a network on which that stage is the long one: it would take several times
the limit on a quick machine. Seconds are those of the
processor where a run is alone in its process: on an idle machine they are those of the clock, and
on a loaded one they do not tell of other programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hard_networks import hard_network
from worker_jobs import sleep_for

from leo_opt import Box, Cascade, Joint, Network, PerUnit, Phase, Stability, classify, propagate
from leo_opt.deadline import Deadline
from leo_opt.decisions import Strategy
from leo_opt.inequalities import Inequality
from leo_opt.parallel import JobFailure, Workers
from leo_opt.properties import Case, Property
from leo_opt.verification import Decision, Verdict, keep_class, verify

_LIMIT = 0.3
_BAR = 2.0
"""Seconds over the limit."""

STRATEGIES: Mapping[str, Strategy] = {
    "bounds": Cascade(),
    "witness": Cascade(random_points=10**7),
    "splitting": Cascade(stages=["splitting"], splitting_budget=10**6),
    "lp": Cascade(stages=["lp"]),
    "tighten": Cascade(stages=["lp"]),
    "branch-and-bound": Cascade(stages=["branch-and-bound"], search_nodes=10**6),
    "milp": Cascade(stages=["milp"]),
    "per-unit": PerUnit(),
    "joint": Joint(),
}
"""Those under which one stage has most of the work."""
NETWORKS: Mapping[str, Callable[[], Network]] = {
    "bounds": lambda: deep(400),
    "witness": lambda: hard_network((30, 40, 40)),
    "splitting": lambda: hard_network((10, 100, 100)),
    "lp": lambda: hard_network((60, 150, 150)),
    "tighten": lambda: hard_network((60, 80, 80, 80)),
    "branch-and-bound": lambda: hard_network((40, 60, 60)),
    "milp": lambda: hard_network((40, 60, 60)),
    "per-unit": lambda: hard_network((40, 60, 60)),
    "joint": lambda: hard_network((40, 60, 60)),
}


def deep(layers: int, width: int = 3) -> Network:
    """Many small layers, all of whose units cross on their intervals."""
    generator = np.random.default_rng(0)
    weights = [generator.standard_normal((width, width)) * 0.8 for _ in range(layers)]
    return Network.from_arrays(weights, [None] * layers)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What is imported on the way is no matter of a stage."""
    net = hard_network((4, 6, 6))
    for strategy in ("cascade", "per-unit", "joint"):
        classify(net, Box(-1, 1), strategy=strategy)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def undecided(stability: Stability) -> int:
    return sum(phase is Phase.UNDECIDED for layer in stability.phases for phase in layer)


@pytest.mark.system
@pytest.mark.parametrize("stage", list(STRATEGIES))
def test_classify_ends_in_every_stage(stage: str) -> None:
    net, seen = NETWORKS[stage](), []
    stability, seconds = timed(
        lambda: classify(
            net,
            Box(-1, 1),
            time_limit=_LIMIT,
            progress=lambda event: seen.append(event.stage),
            strategy=STRATEGIES[stage],
        )
    )
    assert seconds < _LIMIT + _BAR
    assert undecided(stability) > 0
    assert stability.certified.finite
    assert seen


@pytest.mark.system
@pytest.mark.parametrize("stage", list(STRATEGIES))
def test_what_a_run_decides_before_it_is_cut_short_is_true(stage: str) -> None:
    """No phase differs from that of a run without a limit, and intervals hold at samples."""
    net = NETWORKS["bounds" if stage == "bounds" else "witness"]()
    box = Box(-1, 1).spread(net.input_size)
    strategy = Cascade() if stage == "witness" else STRATEGIES[stage]
    for limit in (1e-3, 0.05, 0.2):
        stability = classify(net, box, time_limit=limit, strategy=strategy)
        points = box.sample(300, np.random.default_rng(1))
        for layer, pre in enumerate(net.pre_activations(points)):
            for bounds in (stability.certified, stability.trusted):
                assert (pre >= bounds.lower[layer] - 1e-9).all()
                assert (pre <= bounds.upper[layer] + 1e-9).all()
            if net.layers[layer].has_phases:
                for unit, phase in enumerate(stability.phases[layer]):
                    assert phase is not Phase.STABLY_ACTIVE or pre[:, unit].min() > -1e-9
                    assert phase is not Phase.STABLY_INACTIVE or pre[:, unit].max() < 1e-9


def test_bounds_that_are_cut_short_lie_between_those_of_both_methods() -> None:
    net, box = hard_network((20, 30, 30, 30)), Box(-1, 1)
    wide, tight = propagate(net, box, "interval"), propagate(net, box)
    for limit in (Deadline(0.0), Deadline(0.003), Deadline(0.01)):
        cut = propagate(net, box, time_limit=limit)
        for k in range(len(net.layers)):
            assert (cut.upper[k] >= tight.upper[k] - 1e-9).all()
            assert (cut.upper[k] <= wide.upper[k]).all()
            assert (cut.lower[k] <= tight.lower[k] + 1e-9).all()
            assert (cut.lower[k] >= wide.lower[k]).all()


def below(bound: float) -> tuple[Inequality, ...]:
    return (Inequality(((("Y", 0), Fraction(1)),), Fraction(bound)),)


def boxes(net: Network, count: int, bound: float) -> Property:
    """A disjunction over the boxes of so many cases."""
    centres = np.random.default_rng(0).uniform(-0.9, 0.9, (count, net.input_size))
    cases = tuple(Case(Box(c - 0.1, c + 0.1), below(bound)) for c in centres)
    return Property(net.input_size, 1, cases)


def halfway(net: Network) -> float:
    """A bound of the output that no stage settles at once."""
    points = Box(-1, 1).spread(net.input_size).sample(2000, np.random.default_rng(0))
    seen, proved = net(points).min(), propagate(net, Box(-1, 1)).lower[-1][0]
    return float(seen + 0.25 * (proved - seen))


def nested(net: Network, count: int) -> Property:
    """So many cases on boxes, each a little smaller than the one before, that no bound settles."""
    radii = np.linspace(1.0, 0.95, count).tolist()
    cases = tuple(
        Case(Box(-radius, radius).spread(net.input_size), below(halfway(net))) for radius in radii
    )
    return Property(net.input_size, 1, cases)


PROPERTIES: Mapping[str, Callable[[], tuple[Network, Property]]] = {
    "crown": lambda: (wide := hard_network((5, 50, 50)), boxes(wide, 30000, halfway(wide))),
    "witness": lambda: (net := hard_network((40, 60, 60)), nested(net, 300)),
    "splitting": lambda: (net := hard_network((8, 300, 300)), one(net)),
    "branch-and-bound": lambda: (net := hard_network((40, 60, 60)), one(net)),
    "milp": lambda: (net := hard_network((40, 60, 60)), one(net)),
}
"""For each stage of `verify` a network and a property with which it has most of the work."""


def one(net: Network) -> Property:
    box = Box(-1, 1).spread(net.input_size)
    return Property(net.input_size, 1, (Case(box, below(halfway(net))),))


@pytest.mark.system
@pytest.mark.parametrize("stage", list(PROPERTIES))
def test_verify_ends_in_every_stage(stage: str) -> None:
    net, asked = PROPERTIES[stage]()
    stages = [] if stage == "crown" else [stage]
    verdict, seconds = timed(lambda: verify(net, asked, stages=stages, time_limit=_LIMIT))
    assert isinstance(verdict, Verdict)
    assert seconds < _LIMIT + _BAR
    assert verdict.answer is Decision.UNKNOWN
    assert len(verdict.cases) == len(asked.cases)


def test_a_limit_that_has_passed_before_the_call_leaves_everything_undecided() -> None:
    net = hard_network((20, 30, 30))
    passed = Deadline(1.0, start=time.monotonic() - 2.0)
    stability = classify(net, Box(-1, 1), time_limit=passed)
    assert undecided(stability) > 0
    assert stability.certified.finite
    asked = keep_class(Box(-1, 1).spread(3), 0, 2)
    other = Network.from_arrays([np.eye(3), np.ones((2, 3))], [None, None])
    verdict = verify(other, asked, time_limit=passed)
    assert verdict.answer is Decision.UNKNOWN
    assert verdict.reasons == ("time limit",)


@pytest.mark.parametrize(("kind", "limit"), [("own processes", 8.0), ("threads", 1.0)])
@pytest.mark.system
def test_workers_that_do_not_end_by_themselves_are_not_waited_for(kind: str, limit: float) -> None:
    """As with a solver's call that cannot be interrupted; what is decided before it is kept."""
    begin, nap = time.monotonic(), 3.0 * limit
    pool = ThreadPoolExecutor(2)
    # Four jobs take two workers twice as long as one.
    executor = pool if kind == "threads" else None
    with Workers(2, executor, Deadline(limit)) as workers:
        # The first shows that workers have begun, however long their start takes.
        outcomes = {done.index: done.outcome for done in workers.run(sleep_for, [0, nap, nap, nap])}
        processes = workers._own.processes if workers._own else []
    assert time.monotonic() - begin < 2.0 * nap
    assert outcomes[0] == 0
    assert all(isinstance(outcomes[k], JobFailure) for k in (1, 2, 3))
    assert "no time left" in str(outcomes[3])
    assert not any(process.is_alive() for process in processes)
    pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.system
def test_classify_with_workers_ends_in_time() -> None:
    net, begin = hard_network((40, 60, 60)), time.monotonic()
    stability = classify(
        net, Box(-1, 1), strategy=Cascade(stages=["milp"]), workers=2, time_limit=3.0
    )
    # Generous, as this is the time of the clock, with processes that share the machine.
    assert time.monotonic() - begin < 20.0
    assert undecided(stability) > 0
