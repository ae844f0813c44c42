"""Models hold only what their questions depend on, and parts that share nothing stand apart."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_box, random_network
from scipy.linalg import block_diag
from seeds import seeds

from leo_opt import Box, Cascade, Network, classify, propagate
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.scope import find_scopes


def questions(network: Network, layer: int) -> list[Direction]:
    return [
        Direction(layer, unit, s) for unit in range(network.layers[layer].n_out) for s in (-1, 1)
    ]


@pytest.mark.parametrize("seed", seeds(20, of=60))
def test_a_scope_computes_the_same_pre_activations(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    bounds = propagate(network, box)
    for layer in range(1, len(network.layers)):
        directions = questions(network, layer)
        seen = []
        for scope, mine in find_scopes(network, box, bounds_up_to(bounds, layer), directions):
            seen += mine
            inputs = box.sample(20, generator)
            whole = network.pre_activations(inputs)[layer][:, scope.units]
            part = scope.network.pre_activations(inputs[:, scope.inputs])[layer]
            np.testing.assert_allclose(part, whole, rtol=1e-9, atol=1e-9 * (1 + abs(whole).max()))
            for k, unit in enumerate(scope.units):
                assert scope.local(Direction(layer, int(unit), 1)).unit == k
            lifted = scope.lift(scope.restrict(inputs[0]))
            np.testing.assert_array_equal(lifted[scope.inputs], inputs[0][scope.inputs])
        assert sorted(seen) == sorted(directions)


def bounds_up_to(bounds, layer: int):
    return type(bounds)(bounds.domain, bounds.lower[: layer + 1], bounds.upper[: layer + 1])


def two_halves() -> tuple[Network, Network, Network]:
    """Two networks that share nothing, and both side by side as one."""
    generator = np.random.default_rng(4)
    halves = []
    for _ in range(2):
        shapes = [(9, 4), (8, 9), (3, 8)]
        halves.append(
            Network.from_arrays(
                [generator.normal(size=shape) for shape in shapes],
                [generator.normal(size=n) - 2.0 * (n == 8) for n, _ in shapes],
            )
        )
    left, right = halves
    both = Network.from_arrays(
        [block_diag(a.weight, b.weight) for a, b in zip(left.layers, right.layers, strict=True)],
        [np.append(a.bias, b.bias) for a, b in zip(left.layers, right.layers, strict=True)],
    )
    return left, right, both


def test_independent_halves_are_decided_apart() -> None:
    left, right, both = two_halves()
    bounds = propagate(both, Box(-1, 1))
    scopes = find_scopes(both, Box(-1, 1).spread(8), bounds_up_to(bounds, 1), questions(both, 1))
    assert [scope.network.input_size for scope, _ in scopes] == [4, 4]
    for stages in (["lp", "branch-and-bound"], ["milp"]):
        whole = classify(both, Box(-1, 1), strategy=Cascade(stages=stages))
        parts = [
            classify(half, Box(-1, 1), strategy=Cascade(stages=stages)) for half in (left, right)
        ]
        for layer in (0, 1):
            assert whole.phases[layer] == parts[0].phases[layer] + parts[1].phases[layer]
