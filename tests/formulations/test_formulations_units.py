"""Networks that read inputs in units far from 1, against the exact truth."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from oracle import exact_ranges
from random_networks import random_case

from leo_opt import Box, Network, formulate, propagate
from leo_opt.solvers import compile_model, find

FORMULATIONS = ("big-m", "complement", "convex-hull", "partition", "ideal", "triangle")


def in_other_units(seed: int, width: float) -> tuple[Network, Box]:
    """A random network whose inputs are multiplied by about `width`, some far from zero."""
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    box = box.spread(network.input_size)
    scale = width * 10.0 ** generator.uniform(-1.0, 0.0, size=box.lower.size)
    offset = scale * generator.choice([0.0, 1.0, 3.0], size=scale.size)
    arrays = [(layer.weight.copy(), layer.bias.copy()) for layer in network.layers]
    arrays[0][0][:] /= scale
    arrays[0][1][:] -= arrays[0][0] @ offset
    moved = Network.from_arrays(
        [weight for weight, _ in arrays],
        [bias for _, bias in arrays],
        [layer.activation for layer in network.layers],
    )
    return moved, Box(box.lower * scale + offset, box.upper * scale + offset)


WIDTHS = [1e-9, 1e11, *(pytest.param(width, marks=pytest.mark.slow) for width in (1e4, 1e7))]


@pytest.mark.system
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["highs", "gurobi", "cplex", "scip"])
def test_bounds_are_right_whatever_the_units_of_inputs(name: str, width: float) -> None:
    """The block's own inputs and the user's; a range of 1e7 once made wrong bounds."""
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed: {solver.install}")
    tried = 0
    for seed in range(1_000_000, 1_000_024):
        network, box = in_other_units(seed, width)
        bounds = propagate(network, box)
        unstable = sum(
            int(((low < 0.0) & (high > 0.0)).sum())
            for low, high in zip(bounds.lower, bounds.upper, strict=True)
        )
        if unstable > 8:
            continue
        model = pyo.ConcreteModel()
        model.x = pyo.Var(
            range(box.lower.size), bounds=lambda _, k, box=box: (box.lower[k], box.upper[k])
        )
        inputs = model.x if seed % 2 else None
        formulation = FORMULATIONS[seed % len(FORMULATIONS)]
        model.net = formulate(network, box, inputs=inputs, formulation=formulation, bounds=bounds)
        compiled = compile_model(model)
        with solver.open(compiled.form) as session:
            for k, (low, high) in enumerate(exact_ranges(network, box)[-1]):
                cost, constant = compiled.linear(model.net.pre[len(network.layers) - 1, k])
                reach = float(bounds.upper[-1][k] - bounds.lower[-1][k])
                allowed = 1e-4 * max(reach, 1e-6 * abs(constant), 1e-9)
                most = session.maximize(cost, constant=constant).objective_bound
                least = session.minimize(cost, constant=constant).objective_bound
                assert most is None or most >= float(high) - allowed
                assert least is None or least <= float(low) + allowed
                tried += most is not None and least is not None
    assert tried > 20
