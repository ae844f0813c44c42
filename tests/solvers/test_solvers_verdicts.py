"""All solvers reach the same stability verdicts."""

from __future__ import annotations

from functools import cache

import pytest
from networks import find_network

from leo_opt import Box, Phase, Stability, classify, load, load_domain
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
def smallest(solver: str) -> Stability:
    return decide(f"mnist/mnist_{MNIST[0]}.onnx", Box(0, 1), solver, strategy="per-unit")


@pytest.mark.parametrize("name", NAMES[1:])
def test_two_milps_a_unit_on_mnist(name: str) -> None:
    """The smallest network; `pytest -m slow` has the others."""
    ours, highs = smallest(name), smallest("highs")
    assert ours.phases == highs.phases
    assert ours.statistics.milps_solved == 50
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
