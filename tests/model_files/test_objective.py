"""What a model file can be asked."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt import Box, Network, formulate
from leo_opt.errors import InvalidInputError
from leo_opt.model_files import Objective, Term

NETWORK = Network.from_arrays(
    [[[1.0, -2.0], [0.5, 1.0]], [[1.0, -1.0], [2.0, 3.0]]], [[0.5, -9.0], [0.5, 0.25]]
)


@pytest.mark.parametrize(
    ("text", "maximize", "terms"),
    [
        ("max output 1", True, [(1.0, "output", (1,))]),
        ("min output_1", False, [(1.0, "output", (1,))]),
        ("minimize - output 1", False, [(-1.0, "output", (1,))]),
        ("max pre 0 1", True, [(1.0, "pre", (0, 1))]),
        ("max pre(0, 1)", True, [(1.0, "pre", (0, 1))]),
        ("max 2.5e-1 output 0 - 3*input 1", True, [(0.25, "output", (0,)), (-3.0, "input", (1,))]),
        ("max output 0-output 1+pre_0_0", True,
         [(1.0, "output", (0,)), (-1.0, "output", (1,)), (1.0, "pre", (0, 0))]),
    ],
)  # fmt: skip
def test_an_objective_is_what_it_says(text: str, maximize: bool, terms: list) -> None:
    objective = Objective.parse(text)
    assert objective == Objective(maximize, tuple(Term(*term) for term in terms))
    objective.check(NETWORK)
    model = pyo.ConcreteModel()
    model.net = formulate(NETWORK, Box(-1, 1))
    inputs = np.array([0.3, -0.7])
    for name, values in (("input", inputs), ("output", NETWORK(inputs))):
        assert values.shape == (2,), name
    # At a forward pass the expression is the sum.
    pres = NETWORK.pre_activations(inputs)
    for address, data in model.net.scaled_pre.items():
        scale, shift = model.net.scale[address], model.net.shift[address]
        data.set_value(scale * (pres[address[0]][address[1]] - shift), skip_validation=True)
    for address, data in model.net.scaled_post.items():
        scale = model.net.scale[address]
        data.set_value(scale * max(pres[address[0]][address[1]], 0.0), skip_validation=True)
    for k in range(2):
        model.net.inputs[k].set_value(inputs[k])
    kinds = {"input": inputs, "output": NETWORK(inputs)}
    wanted = sum(
        factor * (pres[address[0]][address[1]] if kind == "pre" else kinds[kind][address[0]])
        for factor, kind, address in terms
    )
    assert pyo.value(objective.expression(model.net)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text",
    ["", "max", "output 1", "largest output 1", "max output", "max pre 1", "max output 1 2",
     "max output 1 output 2", "max output 1 +", "max 0 output 1", "max output -1", "max x"],
)  # fmt: skip
def test_what_is_no_objective_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="objective"):
        Objective.parse(text)


@pytest.mark.parametrize("text", ["max output 2", "max input 2", "max pre 2 0", "max pre 0 2"])
def test_what_the_network_lacks_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="the last one is 1"):
        Objective.parse(text).check(NETWORK)
