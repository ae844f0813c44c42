"""All solvers reach the same stability verdicts."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from networks import find_network

from leo_opt import Box, Network, Phase, Stability, classify, load, load_domain
from leo_opt.solvers import find

NAMES = ("highs", "gurobi", "cplex", "scip")
MNIST = ("25-25_l1_0.001_s0", "25-25_l1_0.001_s1", "25-25_l1_0.0002_s0", "25-25_l1_0.0002_s1")


def decide(network_file: str, domain: Box, solver: str, **options: object) -> Stability:
    if not find(solver).available():
        pytest.skip(f"{solver} is not installed: {find(solver).install}")
    network = load(find_network(network_file))
    return classify(network, domain, solver=solver, **options)  # type: ignore[arg-type]


def agree(left: Stability, right: Stability) -> None:
    """No unit has two different phases, but for `undecided`."""
    for layer, phases in enumerate(left.phases):
        for unit, phase in enumerate(phases):
            other = right.phases[layer][unit]
            assert Phase.UNDECIDED in (phase, other) or phase == other, (layer, unit)


def anomalies(stability: Stability) -> list[str]:
    sides = (stability.lower_evidence, stability.upper_evidence)
    return [one.anomaly for side in sides for layer in side for one in layer if one.anomaly]


@cache
def decided(solver: str) -> Stability:
    """A network whose units are of every kind, decided by two MILPs a unit."""
    if not find(solver).available():
        pytest.skip(f"{solver} is not installed: {find(solver).install}")
    generator = np.random.default_rng(7)
    widths = [6, 12, 10, 3]
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) * 3.0 for b in widths[1:]],
    )
    return classify(network, Box(-1, 1), strategy="per-unit", solver=solver)


@pytest.mark.system
@pytest.mark.parametrize("name", NAMES[1:])
def test_two_milps_a_unit(name: str) -> None:
    """`pytest -m slow` has trained networks."""
    ours, highs = decided(name), decided("highs")
    assert ours.phases == highs.phases
    assert len(set(ours.phases[1])) > 1
    assert ours.statistics.milps_solved == 20
    assert not anomalies(ours)


@pytest.mark.slow
@pytest.mark.parametrize("network", MNIST)
def test_all_on_mnist(network: str) -> None:
    every = [
        decide(f"mnist/mnist_{network}.onnx", Box(0, 1), name, strategy="per-unit")
        for name in NAMES
    ]
    assert all(one.phases == every[0].phases for one in every)
    assert not any(map(anomalies, every))


@pytest.mark.slow
def test_all_on_acas_xu() -> None:
    """Without the splitting stage, so that solvers have something to do."""
    file = "acasxu/ACASXU_run2a_1_1_batch_2000.onnx"
    domain = load_domain(find_network("acasxu/prop_3.vnnlib"), 5)
    every = [
        decide(file, domain, name, stages=("lp", "milp"), time_limit=300.0, unit_time_limit=20.0)
        for name in NAMES
    ]
    for one in every:
        assert one.statistics.milps_solved > 0
        agree(one, every[0])
