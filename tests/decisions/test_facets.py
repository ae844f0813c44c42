"""Facets: they reach the hull of each unit, and certificates lose nothing of them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pyomo.environ as pyo
import pytest
from oracle import exact_ranges
from random_networks import random_case

from leo_opt import Bounds, Box, Network, formulate, propagate, weights
from leo_opt.decisions.facets import Facets
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.relaxation import Relaxation, build_relaxation
from leo_opt.errors import SolverError
from leo_opt.solvers import Answer, Session, compile_model, find


def narrow_network(generator: np.random.Generator, depth: int) -> Network:
    widths = [5, *[6] * depth, 3]
    return Network.from_arrays(
        [generator.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [generator.normal(size=b) for b in widths[1:]],
    )


def solve(
    session: Session, relaxation: Relaxation, facets: Facets, direction: Direction, rounds: int
) -> Answer:
    """The linear program after some rounds of facets."""
    cost, constant = relaxation.objective(direction)
    answer = session.maximize(cost, constant=constant, relaxation=True)
    for _ in range(rounds):
        if answer.row_duals is None or not facets.add_violated(answer):
            break
        answer = session.maximize(cost, constant=constant, relaxation=True)
    return answer


def hull_bound(network: Network, box: Box, bounds: Bounds, direction: Direction) -> float:
    """Bound of the relaxation in which every unit is held by its hull."""
    layer = direction.layer
    before = Network(network.layers[:layer])
    prefix = Bounds(box, bounds.lower[:layer], bounds.upper[:layer])
    model = pyo.ConcreteModel()
    model.net = formulate(before, box, bounds=prefix, formulation="convex-hull")
    row = direction.sign * weights.row(network.layers[layer].weight, direction.unit)
    expression = sum(float(w) * model.net.outputs[k] for k, w in enumerate(row))
    compiled = compile_model(model)
    cost, constant = compiled.linear(expression)
    constant += direction.sign * network.layers[layer].bias[direction.unit]
    with find("highs").open(compiled.form) as session:
        bound = session.maximize(cost, constant=constant, relaxation=True).objective_bound
    assert bound is not None
    return float(bound)


@pytest.mark.parametrize("seed", range(6))
def test_they_reach_the_hull_of_each_unit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    depth = 1 + seed % 2
    network, box = narrow_network(generator, depth), Box(-1.0, 1.0).spread(5)
    # With intervals that are tighter than their boxes say, the hull would be, too.
    bounds = propagate(network, box, method="interval")
    relaxation = build_relaxation(network, box, depth, bounds)
    for unit in range(3):
        for sign in (-1, 1):
            direction = Direction(depth, unit, sign)
            with find("highs").open(relaxation.form) as session:
                facets = Facets(relaxation, session)
                answer = solve(session, relaxation, facets, direction, 200)
                triangle = solve(session, relaxation, facets, direction, 0)
                assert answer.objective_bound <= triangle.objective_bound + 1e-6
                bound = relaxation.certify(direction, {}, answer.row_duals, facets)
            value = answer.objective_bound / relaxation.scales[unit]
            assert bound == pytest.approx(value, abs=1e-5)
            assert bound == pytest.approx(hull_bound(network, box, bounds, direction), abs=2e-4)


@pytest.mark.parametrize("chunk", range(3))
def test_a_bound_from_any_duals_is_true(chunk: int) -> None:
    used = 0
    for seed in range(1000 + 20 * chunk, 1020 + 20 * chunk):
        generator = np.random.default_rng(seed)
        network, box = random_case(generator)
        box = box.spread(network.input_size)
        bounds, exact = propagate(network, box), exact_ranges(network, box)
        layer = len(network.layers) - 1
        if layer == 0:
            continue
        relaxation = build_relaxation(network, box, layer, bounds)
        for unit, (low, high) in enumerate(exact[layer]):
            for sign, end in ((1, high), (-1, -low)):
                direction = Direction(layer, unit, sign)
                try:
                    session = find("highs").open(relaxation.form)
                except SolverError:
                    continue  # Numbers too extreme for a solver.
                with session:
                    facets = Facets(relaxation, session)
                    answer = solve(session, relaxation, facets, direction, 3)
                    if answer.row_duals is None:
                        continue
                    used += len(facets)
                    assert (
                        Fraction(relaxation.certify(direction, {}, answer.row_duals, facets)) >= end
                    )
                    noise = generator.normal(size=answer.row_duals.size)
                    duals = answer.row_duals * (1.0 + noise) + 0.1 * np.roll(noise, 1)
                    assert Fraction(relaxation.certify(direction, {}, duals, facets)) >= end
    assert used


def test_they_are_removed_without_a_trace() -> None:
    generator = np.random.default_rng(5)
    network, box = narrow_network(generator, 2), Box(-1.0, 1.0).spread(5)
    relaxation = build_relaxation(network, box, 2, propagate(network, box))
    direction = Direction(2, 0, 1)
    with find("highs").open(relaxation.form) as session:
        facets = Facets(relaxation, session)
        before = solve(session, relaxation, facets, direction, 0)
        after = solve(session, relaxation, facets, direction, 20)
        count = len(facets)
        assert after.objective_bound < before.objective_bound - 1e-3
        facets.purge(after.row_duals)
        assert len(facets) <= count
        again = solve(session, relaxation, facets, direction, 0)
        assert again.objective_bound == pytest.approx(after.objective_bound, abs=1e-6)
        facets.remove()
        assert len(facets) == 0
        last = solve(session, relaxation, facets, direction, 0)
        assert last.objective_bound == pytest.approx(before.objective_bound, abs=1e-7)
