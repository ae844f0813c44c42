"""Two blocks on the same inputs hold them once, and each stays right without the other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt import Box, Network, formulate
from leo_opt.errors import InvalidInputError
from leo_opt.solvers import compile_model, find

SIZE = 30


def pair(seed: int = 0, low: float = 0.0, high: float = 0.01) -> tuple[Any, Network, Network]:
    """Two networks on the same narrow inputs, which are scaled."""
    generator = np.random.default_rng(seed)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(SIZE), bounds=(low, high))
    networks = [
        Network.from_arrays(
            [generator.normal(size=(3, SIZE)), generator.normal(size=(1, 3))],
            [generator.normal(size=3) * 0.01, np.zeros(1)],
        )
        for _ in range(2)
    ]
    model.first = formulate(networks[0], inputs=model.x)
    model.second = formulate(networks[1], inputs=model.x)
    return model, networks[0], networks[1]


def largest(model: Any, block: Any) -> float:
    compiled = compile_model(model)
    objective, constant = compiled.linear(block.outputs[0])
    with find("highs").open(compiled.form) as session:
        bound = session.maximize(objective * 100, constant=constant * 100).objective_bound
    assert bound is not None
    return bound


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.01), (0.0, 1.0)])
def test_the_second_block_adds_no_rows_for_its_inputs(low: float, high: float) -> None:
    model, _, _ = pair(low=low, high=high)
    form = compile_model(model).form
    alone = pyo.ConcreteModel()
    alone.x = pyo.Var(range(SIZE), bounds=(low, high))
    alone.net = formulate(pair(low=low, high=high)[1], inputs=alone.x)
    assert form.rows <= compile_model(alone).form.rows + 15
    assert len(set(form.row_names)) == form.rows
    assert sum(name.startswith("second.scaled_inputs") for name in form.column_names) == 0


def change(name: str) -> Callable[[Any], Any]:
    def deleted(model: Any) -> Any:
        model.del_component(model.first)
        return model

    def deactivated(model: Any) -> Any:
        model.first.deactivate()
        return model

    def rows_deactivated(model: Any) -> Any:
        model.first.input_scaling.deactivate()
        return model

    def copied(model: Any) -> Any:
        return pickle.loads(pickle.dumps(model.clone()))

    return {f.__name__: f for f in (deleted, deactivated, rows_deactivated, copied)}[name]


@pytest.mark.parametrize("name", ["deleted", "deactivated", "rows_deactivated", "copied"])
def test_the_second_block_stays_right_whatever_happens_to_the_first(name: str) -> None:
    """Its inputs are tied to the user's variables: fixed ones give the network's value."""
    model, _, second = pair(1)
    model = change(name)(model)
    point = np.random.default_rng(2).uniform(0.0, 0.01, SIZE)
    for variable, value in zip(model.x.values(), point, strict=True):
        variable.fix(value)
    assert largest(model, model.second) == pytest.approx(100 * float(second(point)[0]), abs=1e-3)


def test_a_block_that_leans_on_another_is_not_compiled_without_it() -> None:
    model, _, _ = pair()
    assert compile_model(model.first).form.rows
    with pytest.raises(InvalidInputError, match="compile the model that holds both"):
        compile_model(model.second)


def test_blocks_on_other_intervals_or_in_disjuncts_share_nothing() -> None:
    model, network, _ = pair()
    model.third = formulate(network, Box(0.0, 0.02), inputs=model.x)
    assert model.third.component("shared_input_scaling") is None
    assert len(model.third.scaled_inputs) == SIZE
