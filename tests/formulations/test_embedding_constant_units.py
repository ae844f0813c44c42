"""Units that are constant on the domain, in every formulation, against the rational oracle."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from forward_points import forward_point
from oracle import exact_ranges

from leo_opt import Box, Layer, Network, formulate, propagate
from leo_opt.errors import SolverNotAvailableError
from leo_opt.formulations import FORMULATIONS, find
from leo_opt.solvers import Compiled, compile_model
from leo_opt.solvers import find as find_solver

Generator = np.random.Generator

ENDS = (5e-324, 1e-300, 1e-20, 1e-12)
"""Widths that no solver can tell from zero."""


def hostile_layer(generator: Generator, n_in: int, activation: str = "relu") -> Layer:
    """Rows that are zero, duplicates, cancelling, all but constant, or usual."""
    weight = generator.integers(-3, 4, size=(6, n_in)) * 1.0
    bias = generator.integers(-2, 3, size=6) * 1.0
    for unit in range(6):
        kind = generator.integers(7)
        if kind == 0:
            weight[unit] = 0.0
        elif kind == 1:
            weight[unit], bias[unit] = weight[0], bias[0]
        elif kind == 2:
            weight[unit] *= generator.choice(ENDS)
        elif kind == 3:
            weight[unit] *= generator.choice(ENDS)
            bias[unit] = 0.0
        elif kind == 4:
            weight[unit] *= generator.choice(ENDS)
            bias[unit] += 1.0 / 3.0
    return Layer(weight, bias, activation)


def hostile_case(seed: int) -> tuple[Network, Box]:
    """A network with constant, nearly constant and equal units; a box with stuck inputs."""
    generator = np.random.default_rng(seed)
    n_in = int(generator.integers(1, 4))
    first, second = hostile_layer(generator, n_in), hostile_layer(generator, 6)
    last = Layer(generator.integers(-2, 3, size=(2, 6)) * 1.0, [0.5, -1.0], "linear")
    lower = generator.integers(-2, 2, size=n_in) * 1.0
    width = generator.choice([0.0, 5e-324, 1e-12, 1.0, 2.0], size=n_in, p=[0.2, 0.1, 0.1, 0.3, 0.3])
    return Network((first, second, last)), Box(lower, lower + width)


def build(network: Network, box: Box, name: str, centred: bool = True) -> tuple[Any, Compiled]:
    model = pyo.ConcreteModel()
    model.net = formulate(network, box, formulation=name, centred=centred)
    return model.net, compile_model(model)


def available(name: str, solver: str) -> None:
    """Skip where a solver is missing or cannot take the formulation."""
    try:
        missing = find(name).needs - set(find_solver(solver).features)
    except SolverNotAvailableError as error:
        pytest.skip(str(error))
    if missing:
        pytest.skip(f"{solver} lacks {', '.join(missing)}")


@pytest.mark.parametrize(
    "solver",
    ["highs", "scip", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gurobi", "cplex"))],
)
@pytest.mark.parametrize("name", FORMULATIONS)
def test_optima_are_those_of_the_network(name: str, solver: str) -> None:
    """Proved bounds enclose the exact range of each output, and meet it where exact."""
    available(name, solver)
    for seed in range(5):
        network, box = hostile_case(seed)
        block, compiled = build(network, box, name)
        with find_solver(solver).open(compiled.form) as session:
            for unit, (low, high) in enumerate(exact_ranges(network, box)[-1]):
                cost, constant = compiled.linear(block.outputs[unit])
                least = session.minimize(cost, constant=constant).objective_bound
                most = session.maximize(cost, constant=constant).objective_bound
                assert least is not None, (seed, unit)
                assert most is not None, (seed, unit)
                slack = Fraction(1e-6) * max(1, abs(low), abs(high))
                assert Fraction(least) <= low + slack, (seed, unit)
                assert Fraction(most) >= high - slack, (seed, unit)
                if find(name).exact:
                    assert Fraction(least) >= low - slack, (seed, unit)
                    assert Fraction(most) <= high + slack, (seed, unit)


@pytest.mark.system
@pytest.mark.parametrize("centred", [True, False])
def test_points_are_constants_and_narrow_units_have_no_row(centred: bool) -> None:
    narrow = 0
    for seed in range(60):
        network, box = hostile_case(seed)
        bounds = propagate(network, box)
        block, _ = build(network, box, "big-m", centred)
        rows = block.component("affine") or ()
        for layer, (lower, upper) in enumerate(zip(bounds.lower, bounds.upper, strict=True)):
            for unit, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
                address = layer, unit
                if low == high and not (network.layers[layer].phased[unit] and high <= 0.0):
                    assert address not in block.scaled_pre
                    assert pyo.value(block.pre[address]) == low
                    assert pyo.value(block.post[address]) == low
                if address in block.scaled_pre and address not in rows:
                    assert address not in block.is_active
                    assert high - low < 1e-9 * max(1.0, abs(low))
                    narrow += 1
    assert narrow > 30


@pytest.mark.parametrize("centred", [True, False])
def test_narrow_units_may_be_anywhere_in_their_interval(centred: bool) -> None:
    """The variable of a unit without a row holds the whole interval, and outputs count with it."""
    for width in ENDS:
        network = Network.from_arrays([[[width], [1.0]], [[1.0, 0.0]]], [[3.0, 0.0], [0.0]])
        box = Box([0.0], [1.0])
        block, compiled = build(network, box, "big-m", centred)
        low, high = (
            float(end[0][0])
            for end in (propagate(network, box).lower, propagate(network, box).upper)
        )
        if low == high:
            assert (0, 0) not in block.scaled_pre
            continue
        if (0, 0) in (block.component("affine") or {}):
            assert width > 1e-13
            continue
        variable, scale = block.scaled_pre[0, 0], Fraction(block.scale[0, 0])
        shift = Fraction(block.shift[0, 0])
        assert shift + Fraction(variable.lb) / scale <= Fraction(low)
        assert shift + Fraction(variable.ub) / scale >= Fraction(high)
        assert compiled.form.columns >= 2


@pytest.mark.parametrize("centred", [True, False])
def test_forward_passes_are_feasible(centred: bool) -> None:
    """The model contains the network, whatever becomes a constant."""
    for seed in range(30):
        network, box = hostile_case(seed)
        block, compiled = build(network, box, "big-m", centred)
        generator = np.random.default_rng(seed)
        for inputs in np.vstack([box.sample(2, generator), box.centre]):
            point = forward_point(block, compiled, network, inputs)
            assert compiled.form.violation(point) < 1e-8, seed


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_an_end_that_is_noise_makes_no_binary(name: str, side: float) -> None:
    """Rounding leaves -2e-14 beside 10: readers drop the coefficient that it would have."""
    available(name, "highs")
    for seed in range(6):
        generator = np.random.default_rng(seed)
        first = generator.integers(1, 4, size=(4, 2)) * generator.choice([-1.0, 1.0], size=(4, 2))
        bias = -side * (np.abs(first).sum(axis=1) - [2e-14, 3e-13, 0.0, 2.0])
        second = generator.integers(-3, 4, size=(3, 4)) * 1.0
        last = generator.integers(-3, 4, size=(1, 3)) * 1.0
        network = Network.from_arrays([first, second, last], [bias, [-5.0, 2.0, 0.0], [0.0]])
        box = Box(-1.0, 1.0).spread(2)
        block, compiled = build(network, box, name)
        assert not {(0, 0), (0, 1), (0, 2)} & set(block.is_active)
        for corner in np.array(np.meshgrid([-1.0, 1.0], [-1.0, 1.0])).reshape(2, -1).T:
            if name == "big-m":
                point = forward_point(block, compiled, network, corner)
                assert compiled.form.violation(point) < 1e-12
        (low, high) = exact_ranges(network, box)[-1][0]
        cost, constant = compiled.linear(block.outputs[0])
        with find_solver("highs").open(compiled.form) as session:
            least = session.minimize(cost, constant=constant).objective_bound
            most = session.maximize(cost, constant=constant).objective_bound
        assert least is not None
        assert most is not None
        assert least <= low + 1e-6
        assert most >= high - 1e-6
        if find(name).exact:
            assert least == pytest.approx(float(low), abs=1e-5)
            assert most == pytest.approx(float(high), abs=1e-5)
