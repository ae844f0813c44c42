"""Budgets are kept, frontiers fall, and data that will not do are refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from leo_opt import Box, Layer, Network, approximate
from leo_opt.approximation import METHODS, Budget, Deviation, MultiplyAdds, Parameters, Response
from leo_opt.errors import InvalidInputError


def case() -> tuple[Network, np.ndarray]:
    generator = np.random.default_rng(0)
    sizes = (20, 16, 12, 4)
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) / a**0.5 for a, b in pairwise(sizes)],
        [generator.normal(size=size) / 4 for size in sizes[1:]],
    )
    low = generator.normal(size=(300, 6)) @ generator.normal(size=(6, 20))
    return network, 0.5 + 0.1 * low


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [Parameters(0.5), MultiplyAdds(0.5), Response(0.3)])
def test_a_budget_is_kept(method: str, budget: Budget) -> None:
    network, data = case()
    made = approximate(network, data, method=method, budget=budget)
    assert made.max_deviation is None
    assert made.difference is None
    gap = np.linalg.norm(made.network(data) - network(data)) / np.linalg.norm(network(data))
    assert made.response_error == pytest.approx(gap)
    if budget.limits_cost:
        used = budget.cost(made.cost) / budget.cost(made.cost_before)
        assert 0.75 * budget.limit < used <= budget.limit
    else:
        assert gap <= budget.limit
        assert made.share < 1.0
    costs, errors = zip(*((point.cost, point.error) for point in made.frontier), strict=True)
    assert list(costs) == sorted(costs, reverse=True)
    assert errors[0] == 0.0
    assert costs[0] == 1.0


def test_a_proved_budget_is_kept() -> None:
    network, data = case()
    whole = approximate(network, data, method="svd", budget=Parameters(0.3), domain=(0, 1))
    assert whole.deviation is not None
    budget = Deviation(1.1 * whole.deviation)
    made = approximate(network, data, method="svd", budget=budget, domain=(0, 1))
    assert made.deviation is not None
    assert made.deviation <= budget.limit
    assert made.share < 1.0
    points = np.vstack([np.random.default_rng(1).random((2000, 20)), np.clip(data, 0, 1)])
    apart = np.abs(made.network(points) - network(points)).max(axis=0)
    assert made.max_deviation is not None
    assert made.difference is not None
    assert (apart <= made.max_deviation).all()
    assert (made.difference.found <= made.max_deviation).all()


@pytest.mark.slow
def test_sizes_by_proof_look_at_what_the_domain_allows() -> None:
    """Inputs that the data hardly use weigh nothing for the data, and all they can for a proof."""
    network, data = case()
    first, *later = network.layers
    data = data * np.where(np.arange(20) < 10, 1.0, 1e-3)
    wide = Box(np.zeros(20), np.where(np.arange(20) < 10, 1e-3, 1.0))
    by_data = approximate(network, data, budget=Parameters(0.5), domain=wide, method="svd")
    made = approximate(
        network, data, budget=Parameters(0.5), domain=wide, method="svd", allocation="deviation"
    )
    assert made.share <= 0.5
    assert made.deviation is not None
    assert by_data.deviation is not None
    assert made.frontier != by_data.frontier
    with pytest.raises(InvalidInputError, match="did you mean energy"):
        approximate(network, data, domain=wide, allocation="enery")
    leaky = Network((Layer(first.weight, first.bias, "leaky-relu(0.1)"), *later))
    made = approximate(leaky, data, domain=wide, allocation="deviation")
    assert made.share <= 0.25


@pytest.mark.system
def test_what_cannot_be_kept_is_said() -> None:
    network, data = case()
    same = approximate(network, data, method="svd", budget=Deviation(1e-9), domain=Box(0, 1))
    assert same.network == network
    assert same.deviation is not None
    assert same.deviation <= 1e-9
    assert "stays as it is" in " ".join(same.notes)
    with pytest.raises(InvalidInputError, match="least that the method hard reaches is"):
        approximate(network, data, budget=Parameters(0.01))
    with pytest.raises(InvalidInputError, match="proved on a domain"):
        approximate(network, data, budget=Deviation(0.1))
    small = Network.from_arrays([np.ones((2, 2))], [None])
    with pytest.raises(InvalidInputError, match="no layer that can be approximated"):
        approximate(small, np.ones((3, 2)))


def test_data_are_read_with_care() -> None:
    network, data = case()
    bad = data.copy()
    bad[3, 7] = np.nan
    for wrong, said in (
        (data[:, :5], "this network takes"),
        (data[:1], "hold one sample"),
        (bad, "nan in sample 3, input 7"),
        ("text", "not an array of real numbers"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            approximate(network, wrong, budget=Parameters(0.5))
    few = data[:10].copy()
    few[:, 2] = 0.5
    made = approximate(network, few.reshape(10, 4, 5), budget=Parameters(0.5))
    assert made.share <= 0.5
    said = " ".join(made.notes)
    assert "10 samples are fewer than 20 inputs" in said
    assert "1 of 20 inputs are the same in all samples" in said
    # An input that never moves has the response of a constant: no weight grows because of it.
    assert np.isfinite(made.network(data)).all()
    assert np.abs(made.network(data)).max() < 5 * np.abs(network(data)).max()


def test_lanes_and_other_activations_stay() -> None:
    """A residual block, in which a lane is carried past a layer, and a leaky layer."""
    network, data = case()
    generator = np.random.default_rng(2)
    first = network.layers[0]
    weight = np.vstack([generator.normal(size=(10, 16)), np.eye(16)])
    tags = ["relu"] * 10 + ["linear"] * 16
    layers = Network.from_arrays(
        [first.weight, weight, np.hstack([generator.normal(size=(16, 10)), np.eye(16)])],
        [first.bias, np.zeros(26), np.ones(16)],
        ["leaky-relu(0.1)", tags, "relu"],
    )
    made = approximate(layers, data, method="hard:rounds=1", budget=Parameters(0.6))
    assert made.share <= 0.6
    assert made.response_error < 0.3
