"""A dual bound is one on boxes of any size: random small networks against exact ranges."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from oracle import exact_ranges

from leo_opt import Box, Network
from leo_opt.arrays import FloatArray
from leo_opt.formulations import formulate
from leo_opt.solvers import StandardForm, compile_model, find
from leo_opt.solvers.doubts import blur_of
from leo_opt.solvers.questions import Question, SolverOptions
from leo_opt.solvers.state import ModelState

SIZES = 10.0 ** np.arange(0, 16, 3)
HAT = Network.from_arrays([[[1.0], [1.0], [1.0]], [[-1.0, 2.0, -1.0]]], [[0.0, -1.0, -2.0], [0.0]])
"""-1 at 1, and 0 below 0 and above 2."""


def small_network(seed: int) -> Network:
    """Whole weights, so that kinks lie about 0 however large the box is."""
    generator = np.random.default_rng(seed)
    hidden = generator.integers(2, 4, size=generator.integers(1, 3))
    sizes = [int(generator.integers(1, 3)), *hidden.tolist(), 1]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.from_arrays(
        [generator.integers(-3, 4, size=shape).astype(float) for shape in shapes],
        [generator.integers(-3, 4, size=shape[0]).astype(float) for shape in shapes],
    )


def compiled(network: Network, box: Box) -> tuple[StandardForm, FloatArray, float]:
    model = pyo.ConcreteModel()
    model.net = formulate(network, box)
    whole = compile_model(model)
    cost, constant = whole.linear(model.net.outputs[0])
    return whole.form, cost, constant


@pytest.mark.parametrize("name", ["highs", "gurobi", "cplex", "scip"])
@pytest.mark.parametrize("seed", [None, *range(4)])
def test_bounds_on_boxes_of_any_size(name: str, seed: int | None) -> None:
    solver = find(name)
    if not solver.available():
        pytest.skip(f"{name} is not installed")
    network = HAT if seed is None else small_network(seed)
    for size in SIZES:
        box = Box(-size, size).spread(network.input_size)
        (low, high) = exact_ranges(network, box)[-1][0]
        form, cost, constant = compiled(network, box)
        with solver.open(form) as session:
            for relaxation in (False, True):
                least = session.minimize(cost, constant=constant, relaxation=relaxation)
                most = session.maximize(cost, constant=constant, relaxation=relaxation)
                for answer, sign, truth in ((least, -1, low), (most, 1, high)):
                    bound = answer.objective_bound
                    held = bound is None or sign * (bound - truth) >= -1e-5 * min(size, 100.0)
                    assert held, (size, truth, answer)


def test_a_bound_is_widened_where_tolerances_hide_more_than_usual() -> None:
    form, cost, constant = compiled(HAT, Box(-1e10, 1e10))
    question = Question(cost, constant)
    blur = blur_of(question, ModelState(form, 0.0, np.zeros(form.columns, bool)), SolverOptions())
    assert 1e4 < blur < 1e5
    with find("highs").open(form) as session:
        answer = session.minimize(cost, constant=constant)
        assert answer.objective_bound is not None
        assert -1.0 - 2 * blur < answer.objective_bound < -1.0
        stopped = session.minimize(cost, constant=constant, stop_above=-0.5 * blur)
        assert stopped.stopped_by != "bound"


def test_usual_objectives_are_believed_as_they_are() -> None:
    form, cost, constant = compiled(HAT, Box(-1.0, 1.0))
    state = ModelState(form, 0.0, np.zeros(form.columns, bool))
    assert blur_of(Question(cost, constant), state, SolverOptions()) == 0.0
