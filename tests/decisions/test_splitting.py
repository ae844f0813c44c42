"""Input splitting: certified, and enough for networks with few inputs."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from networks import find_network
from oracle import exact_ranges
from random_networks import random_box, random_network
from seeds import seeds
from truth import count_phases

from leo_opt import Box, Cascade, Layer, Network, Phase, classify, load, load_domain
from leo_opt.bounds import propagate
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.goals import Goals
from leo_opt.decisions.splitting import split, split_inputs
from leo_opt.domain import Boxes
from leo_opt.parallel import JobFailure, Workers
from leo_opt.witnesses import Witnesses


@pytest.mark.parametrize("seed", seeds(30, of=100))
def test_splitting_agrees_with_brute_force_and_is_certified(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size)
    stability = classify(network, box, strategy=Cascade(stages=["splitting"], splitting_budget=300))
    for layer in network.phased_layers:
        low, high = stability.certified.lower[layer], stability.certified.upper[layer]
        np.testing.assert_array_equal(low, stability.trusted.lower[layer])
        np.testing.assert_array_equal(high, stability.trusted.upper[layer])
    # A budget is no evidence: what it leaves open is undecided, wherever the extremes are.
    count_phases(network, box, stability, margin=1e9)


@pytest.mark.parametrize("seed", range(10))
def test_halves_cover_their_boxes(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lower = generator.normal(size=(7, 3))
    boxes = Boxes(lower, lower + generator.random((7, 3)))
    halves = boxes.halve(generator.integers(3, size=7))
    for row, point in enumerate(boxes.lower + (boxes.upper - boxes.lower) * generator.random(3)):
        inside = ((halves.lower <= point) & (point <= halves.upper)).all(axis=1)
        assert inside[row] or inside[row + 7]


@pytest.mark.system
@pytest.mark.parametrize("name", ["1_1", pytest.param("3_3", marks=pytest.mark.slow)])
def test_acas_xu_is_decided_without_a_solver(name: str) -> None:
    network = load(find_network(f"acasxu/ACASXU_run2a_{name}_batch_2000.onnx"))
    domain = load_domain(find_network("acasxu/prop_3.vnnlib"), network.input_size)
    stability = classify(network, domain)
    assert stability.statistics.milps_solved == 0
    assert stability.statistics.lps_solved == 0
    for layer in network.phased_layers:
        assert stability.count(layer, Phase.UNDECIDED) == 0
        stable = stability.count(layer, Phase.STABLY_ACTIVE) + stability.count(
            layer, Phase.STABLY_INACTIVE
        )
        assert stability.certified_phases(layer) == stable


@pytest.mark.parametrize("seed", seeds(6, of=60))
def test_each_direction_alone_is_bounded_truly_and_proved(seed: int) -> None:
    generator = np.random.default_rng((7, seed))
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    bounds, exact = propagate(network, box), exact_ranges(network, box)
    for layer in network.phased_layers:
        for unit, sign in itertools.product(range(network.layers[layer].n_out), (-1, 1)):
            direction = Direction(layer, unit, sign)
            end = exact[layer][unit][1] if sign > 0 else -exact[layer][unit][0]
            for budget in (1, 5000):
                found, witnesses = split_inputs(
                    network, bounds, [direction], Witnesses.none(network), budget, Deadline(None)
                )
                proved = found.upper[layer][unit] if sign > 0 else -found.lower[layer][unit]
                assert Fraction(float(proved)) >= end
                shown = witnesses.above if sign > 0 else witnesses.below
                assert shown[layer][unit] < 0 or end > 0
            reach = 1.0 + max(abs(float(x)) for x in exact[layer][unit])
            if end < -1e-3 * reach:
                assert proved <= 0.0


@pytest.mark.system
def test_splitting_gives_up_where_the_budget_will_not_do() -> None:
    generator = np.random.default_rng(0)
    box = Box(-1, 1).spread(10)
    first, second = generator.normal(size=(30, 10)), generator.normal(size=(1, 30))
    sums = np.maximum(box.sample(1000, generator) @ first.T, 0.0) @ second.T
    # A value somewhat above all that was seen: far too many pieces would have to prove it.
    layers = Layer(first, np.zeros(30), "relu"), Layer(second, -1.5 * sums.max(axis=0), "relu")
    network = Network(layers)
    known, asked = propagate(network, box), [Direction(1, 0, +1)]
    nothing = Witnesses.none(network)
    found, shown = split_inputs(network, known, asked, nothing, 50_000, Deadline(None))
    assert found.upper[1][0] > 0.0
    assert shown.above[1][0] < 0
    assert found.pieces < 15_000


@pytest.mark.parametrize("seed", seeds(8, of=40))
def test_a_goal_of_several_rows_is_settled_only_where_they_are_never_positive_at_once(
    seed: int,
) -> None:
    generator = np.random.default_rng((13, seed))
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    last = len(network.layers) - 1
    units = generator.integers(network.layers[last].n_out, size=4)
    rows = [Direction(last, int(unit), int(generator.choice((-1, 1)))) for unit in units]
    owners = np.array([0, 0, 1, 1])
    goals = Goals(network, propagate(network, box), tuple(rows), owners, thorough=True)
    seen = np.zeros(2, dtype=bool)

    def look(points: np.ndarray) -> np.ndarray:
        return seen

    pre = network.pre_activations(box.sample(2000, generator))[last]
    values = np.stack([row.sign * pre[:, row.unit] for row in rows], axis=1)
    positive = np.stack([(values[:, owners == k] > 0.0).all(axis=1).any() for k in range(2)])
    known = goals.known
    ends = {1: known.upper[last], -1: -known.lower[last]}
    highest = np.array([ends[row.sign][row.unit] for row in rows])
    for budget in (1, 2000):
        found = split(goals, look, budget, Deadline(None))
        assert not (found.settled & positive).any()
        # A row that the bounds of the whole box hold below zero settles its goal.
        assert found.settled[owners[highest <= 0.0]].all()
    seen[0] = True
    # Nobody looks at a goal that has a witness, so that nothing is claimed of it.
    assert not split(goals, look, 2000, Deadline(None)).settled[0]


def test_pieces_that_are_lost_settle_nothing() -> None:
    class Losing(Workers):
        def in_order(self, function, jobs, ready=lambda outcome: None):
            yield from (JobFailure("gone") for _ in jobs)

    network = random_network(np.random.default_rng(0))
    box = Box(-1, 1).spread(network.input_size)
    rows = (Direction(len(network.layers) - 1, 0, +1),)
    goals = Goals(network, propagate(network, box), rows, np.array([0]), thorough=True)
    found = split(goals, lambda points: np.zeros(1, dtype=bool), 2000, Deadline(None), Losing())
    assert not found.settled.any()
    assert found.pieces == 0
