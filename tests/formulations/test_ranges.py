"""Whatever can stand for an input does, and its range is known where its variables' are."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from leo_opt import Box, Network, formulate, propagate
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import find as find_formulation
from leo_opt.formulations import names
from leo_opt.formulations.ranges import range_of
from leo_opt.solvers import compile_model, find

NETWORK = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0]]], [[0.0, 0.5], [0.0]])


def smallest(model: Any, formulation: str) -> float:
    """Proved minimum of the block's output."""
    compiled = compile_model(model)
    objective, constant = compiled.linear(model.net.outputs[0])
    needs = find_formulation(formulation).needs
    for name in ("highs", "scip", "gurobi", "cplex"):
        solver = find(name)
        if solver.available() and needs <= solver.features:
            with solver.open(compiled.form) as session:
                bound = session.minimize(objective, constant=constant).objective_bound
            assert bound is not None
            return bound
    pytest.skip(f"no installed solver offers {needs}: pip install 'leo-opt[scip]'")


def inputs_of(kind: str, model: Any) -> Any:
    """Ways to say that the second input is 0.25."""
    if kind == "parameter":
        model.p = pyo.Param(initialize=0.25)
    elif kind == "mutable":
        model.p = pyo.Param(initialize=0.25, mutable=True)
    elif kind == "member":
        model.p = pyo.Param([3], initialize=0.25, mutable=True)
    elif kind == "fixed":
        model.p = pyo.Var()
        model.p.fix(0.25)
    elif kind == "named":
        model.p = pyo.Expression(expr=0.25)
    elif kind == "affine":
        model.p = pyo.Param(initialize=0.5, mutable=True)
    return {
        "number": 0.25,
        "numpy": np.float32(0.25),
        "fraction": Fraction(1, 4),
        "affine": model.p / 2 if kind == "affine" else None,
        "member": model.p[3] if kind == "member" else None,
    }.get(kind, getattr(model, "p", None))


KINDS = (
    "number", "numpy", "fraction", "parameter", "mutable", "member", "fixed", "named", "affine"
)  # fmt: skip


@pytest.mark.parametrize("formulation", names())
@pytest.mark.parametrize("domain", [None, Box([-1, 0.25], [1, 0.25]), Box([-1, -1], [1, 1])])
def test_whatever_is_a_number_may_be_an_input(formulation: str, domain: Box | None) -> None:
    values = np.linspace(-1.0, 1.0, 2001)
    right = float(NETWORK(np.column_stack([values, np.full(2001, 0.25)])).min())
    for kind in KINDS if formulation == "big-m" else ("number", "mutable", "fixed"):
        model = pyo.ConcreteModel()
        model.x = pyo.Var(bounds=(-1, 1))
        entries = [model.x, inputs_of(kind, model)]
        model.net = formulate(NETWORK, domain, inputs=entries, formulation=formulation)
        found = smallest(model, formulation)
        if formulation == "triangle":
            assert found <= right + 1e-6, kind
        else:
            assert found == pytest.approx(right, abs=1e-5), kind


def test_a_parameter_that_changes_does_not_leave_the_domain_unseen() -> None:
    model = pyo.ConcreteModel()
    model.x, model.p = pyo.Var(bounds=(-1, 1)), pyo.Param(initialize=0.25, mutable=True)
    model.net = formulate(NETWORK, Box(-1, 1), inputs=[model.x, model.p])
    before = smallest(model, "big-m")
    model.p.set_value(-1.0)
    values = np.linspace(-1.0, 1.0, 2001)
    right = float(NETWORK(np.column_stack([values, np.full(2001, -1.0)])).min())
    assert smallest(model, "big-m") == pytest.approx(right, abs=1e-5)
    assert before != pytest.approx(right, abs=1e-2)
    model.p.set_value(1.5)
    with find("highs").open(compile_model(model).form) as session:
        assert session.minimize(np.zeros(session.form.columns)).point is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (0.5, "input 1 is 0.5, outside"),
        (np.nan, "finite"),
        ("x", "give a number"),
        (None, "None"),
        (pyo.Var(bounds=(-1, 1)), "of no model"),
        (pyo.Param(mutable=True), "input 1 is y, which has no value"),
    ],
)
def test_what_is_no_input_is_refused(entry: Any, message: str) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(-1, 1))
    if isinstance(entry, pyo.Param):
        model.y = entry
    with pytest.raises(InvalidInputError, match=message):
        formulate(NETWORK, Box([-1, 0.25], [1, 0.25]), inputs=[model.x, entry])


def test_ranges_hold_all_values_of_affine_expressions() -> None:
    """Summed in rationals and rounded outward."""
    generator = np.random.default_rng(3)
    for _ in range(50):
        model = pyo.ConcreteModel()
        lower = generator.normal(size=4)
        upper = lower + generator.random(4)
        model.x = pyo.Var(range(4), bounds=lambda _, k, lo=lower, up=upper: (lo[k], up[k]))
        weight = generator.normal(size=4) * 10.0 ** generator.integers(-8, 8, 4)
        expression = sum(float(w) * x for w, x in zip(weight, model.x.values(), strict=True))
        low, high = range_of(expression + 0.1)
        exact = [
            sorted((Fraction(w) * Fraction(a), Fraction(w) * Fraction(b)))
            for w, a, b in zip(weight, lower, upper, strict=True)
        ]
        least = sum(pair[0] for pair in exact) + Fraction(0.1)
        most = sum(pair[1] for pair in exact) + Fraction(0.1)
        assert np.nextafter(low, np.inf) >= least >= low
        assert np.nextafter(high, -np.inf) <= most <= high


@pytest.mark.parametrize("centred", [True, False])
def test_a_network_behind_another_knows_its_domain(centred: bool) -> None:
    generator = np.random.default_rng(5)
    first = Network.from_arrays(
        [generator.normal(size=(4, 2)), generator.normal(size=(2, 4))], [np.zeros(4), np.zeros(2)]
    )
    model = pyo.ConcreteModel()
    model.first = formulate(first, Box(-1, 1), centred=centred)
    model.net = formulate(NETWORK, inputs=model.first.outputs)
    bounds = propagate(first, Box(-1, 1))
    assert model.net.domain.contains(Box(bounds.lower[-1], bounds.upper[-1]))
    assert np.allclose(model.net.domain.lower, bounds.lower[-1], rtol=1e-9)
    points = Box(-1, 1).spread(2).sample(4000, generator)
    assert smallest(model, "big-m") <= float(NETWORK(first(points)).min()) + 1e-6
    # The domain that one would write by hand does, and a smaller one is not believed.
    formulate(NETWORK, Box(bounds.lower[-1], bounds.upper[-1]), inputs=model.first.outputs)
    with pytest.raises(InvalidInputError, match="reach beyond"):
        formulate(NETWORK, Box(-0.01, 0.01), inputs=model.first.outputs)
