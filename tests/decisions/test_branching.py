"""Certificates: true whatever the duals, as tight as the linear program with its own duals."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_ranges
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt.bounds import propagate
from leo_opt.deadline import Deadline
from leo_opt.decisions.branching import Effort, search
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.relaxation import Relaxation, build_relaxation
from leo_opt.decisions.tightening import tightening
from leo_opt.domain import Box
from leo_opt.network import Network
from leo_opt.solvers import find


def relaxations(seed: int) -> list[tuple[Relaxation, list]]:
    """Relaxations below every later layer of a random network, with the exact ranges there."""
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    bounds = propagate(network, box)
    exact = exact_ranges(network, box)
    return [
        (build_relaxation(network, box, layer, bounds), exact[layer])
        for layer in range(1, len(network.layers))
    ]


def directions(relaxation: Relaxation) -> list[Direction]:
    units = range(relaxation.network.layers[relaxation.layer].n_out)
    return [Direction(relaxation.layer, unit, sign) for unit in units for sign in (-1, 1)]


def exact_end(direction: Direction, ranges) -> Fraction:
    low, high = ranges[direction.unit]
    return high if direction.sign > 0 else -low


@pytest.mark.parametrize("seed", seeds(20, of=60))
def test_a_bound_from_any_duals_is_true(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for relaxation, ranges in relaxations(seed):
        for direction in directions(relaxation):
            for size in (0.0, 0.1, 10.0):
                duals = size * generator.normal(size=relaxation.form.row_lower.size)
                bound = relaxation.certify(direction, {}, duals)
                assert Fraction(bound) >= exact_end(direction, ranges)


@pytest.mark.parametrize("seed", seeds(7, of=60))
def test_search_is_true_at_every_budget_and_exact_at_the_end(seed: int) -> None:
    for relaxation, ranges in relaxations(seed):
        with find("highs").open(relaxation.form) as session:
            for direction in directions(relaxation):
                exact = exact_end(direction, ranges)
                reach = max(map(abs, (float(x) for x in ranges[direction.unit])))
                last = np.inf
                for nodes in (1, 3, 1000):
                    effort = Effort(lps=nodes, rounds=0 if nodes == 1 else 20)
                    found = search(session, relaxation, direction, effort, Deadline(None))
                    assert Fraction(found.bound) >= exact
                    assert found.bound <= last + 1e-9 * (1.0 + reach)
                    assert found.witness is None or exact > 0
                    last = found.bound
                for count in (1000, 1):
                    effort = tightening(count, 1000, Deadline(None), 1).effort
                    tight = search(session, relaxation, direction, effort, Deadline(None))
                    assert Fraction(tight.bound) >= exact
                    assert tight.witness is None
                assert tight.bound <= max(float(exact), 0.0) + 1e-5 * (1.0 + reach)
                # With enough nodes only what touches zero stays open.
                if exact < -1e-6 * (1.0 + reach):
                    assert found.bound <= 0.0
                if exact > 1e-6 * (1.0 + reach):
                    assert found.witness is not None


@pytest.mark.parametrize("seed", seeds(8, of=40))
def test_the_certificate_loses_nothing_of_the_linear_program(seed: int) -> None:
    generator = np.random.default_rng(seed)
    widths = [3, 8, 8, 6]
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) for b in widths[1:]],
    )
    box = Box(-1, 1).spread(3)
    bounds = propagate(network, box)
    for layer in (1, 2):
        relaxation = build_relaxation(network, box, layer, bounds)
        with find("highs").open(relaxation.form) as session:
            for direction in directions(relaxation):
                cost, constant = relaxation.objective(direction)
                answer = session.maximize(cost, constant=constant, relaxation=True)
                value = answer.incumbent_objective / relaxation.scales[direction.unit]
                bound = relaxation.certify(direction, {}, answer.row_duals)
                assert value - 1e-6 <= bound <= value + 1e-6
                assert bound <= float(propagated_end(bounds, direction)) + 1e-6


def propagated_end(bounds, direction: Direction) -> float:
    side = bounds.upper if direction.sign > 0 else bounds.lower
    return direction.sign * side[direction.layer][direction.unit]


def test_a_search_gives_up_on_a_tree_that_it_cannot_close() -> None:
    generator = np.random.default_rng(3)
    widths = [30, 40, 40]
    network = Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [np.zeros(40), np.full(40, -110.0)],
    )
    box = Box(-1, 1).spread(30)
    relaxation = build_relaxation(network, box, 1, propagate(network, box))
    direction = Direction(1, 0, +1)
    effort = tightening(10, 1000, Deadline(None), 1).effort
    with find("highs").open(relaxation.form) as session:
        found = search(session, relaxation, direction, Effort(lps=400), Deadline(None))
        keen = search(session, relaxation, direction, effort, Deadline(None))
    assert found.witness is None
    assert found.bound > 0.0
    assert found.lps < 100
    # One that wants the best bound goes on.
    assert keen.lps == 100
