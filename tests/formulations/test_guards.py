"""No Pyomo interface takes a block for its relaxation without a word."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct, Disjunction
from pyomo.opt.base.solvers import SolverFactory

from leo_opt import Box, Network, formulate

MINIMUM = -1.5
"""Of the network below; -1.9375 without the phases."""

WRITERS = ("lp", "mps", "nl", "gams", "bar")

NO_MILP = ("neos", "mock", "scipy", "multistart", "trustregion", "gdpopt", "mindtpy", "mpec", "py")
"""Names of factories that are no solver of their own, or none that is on this machine."""


def interfaces() -> list[str]:
    """Pyomo's interfaces to MILP solvers."""
    return [name for name in sorted(SolverFactory) if not any(word in name for word in NO_MILP)]


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def model_of(formulation: str) -> Any:
    network = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0]]], [[0.0, 0.5], [0.0]])
    model = pyo.ConcreteModel()
    model.net = formulate(network, Box(-1, 1), formulation=formulation)
    model.goal = pyo.Objective(expr=model.net.outputs[0])
    return model


def available(name: str) -> bool:
    try:
        return bool(SolverFactory(name).available(exception_flag=False))
    except Exception:  # Some interfaces raise whatever their missing package does.
        return False


def solve(name: str, model: Any) -> float:
    """The objective at the values that an interface loads."""
    solver = SolverFactory(name)
    if name in ("cplex_persistent", "gurobi_persistent"):
        solver.set_instance(model)
        solver.solve()
    else:
        solver.solve(model)
    return float(pyo.value(model.goal))


def answer(name: str, model: Any) -> float | None:
    """What `solve` says, None for a refusal: whatever an interface raises is one."""
    try:
        return solve(name, model)
    except Exception:
        return None


@pytest.mark.parametrize("name", interfaces())
def test_an_interface_solves_a_block_rightly_or_refuses_it(name: str) -> None:
    if not available(name):
        pytest.skip(f"{name} is not installed; see `pyomo help --solvers`")
    for formulation in ("indicator", "sos1"):
        found = answer(name, model_of(formulation))
        assert found is None or found == pytest.approx(MINIMUM, abs=1e-5), formulation
    transformed = pyo.TransformationFactory("gdp.bigm").create_using(model_of("indicator"))
    assert solve(name, transformed) == pytest.approx(MINIMUM, abs=1e-5)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_refuses_disjuncts(writer: str, tmp_path: Any) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        model_of("indicator").write(str(tmp_path / f"model.{writer}"))


@pytest.mark.parametrize("transformation", ["gdp.bigm", "gdp.hull"])
def test_transformed_blocks_are_solved(transformation: str) -> None:
    model = model_of("indicator")
    copied = pyo.TransformationFactory(transformation).create_using(model)
    assert solve("appsi_highs", copied) == pytest.approx(MINIMUM)
    with pytest.raises(ValueError, match="DisjunctsNeedGdpBigm"):
        solve("appsi_highs", model)


def test_transformed_blocks_inside_disjuncts_are_solved() -> None:
    model = pyo.ConcreteModel()
    model.z = pyo.Var(bounds=(-5, 5))
    model.on, model.off = Disjunct(), Disjunct()
    model.on.inner = model_of("indicator").net.clone()
    model.on.row = pyo.Constraint(expr=model.z == model.on.inner.outputs[0])
    model.off.row = pyo.Constraint(expr=model.z >= 2)
    model.choice = Disjunction(expr=[model.on, model.off])
    model.goal = pyo.Objective(expr=model.z)
    pyo.TransformationFactory("gdp.bigm").apply_to(model)
    assert solve("appsi_highs", model) == pytest.approx(MINIMUM)


def test_the_guard_follows_its_block() -> None:
    model = model_of("indicator")
    for copied in (model.clone(), pickle.loads(pickle.dumps(model))):
        assert copied.net.disjuncts_are_read.active
        copied.net.if_active.deactivate()
        assert not copied.net.disjuncts_are_read.active
        assert model.net.disjuncts_are_read.active
    text = io.StringIO()
    model.pprint(ostream=text)
    assert "gdp.bigm" in text.getvalue()
    assert pyo.value(model.net.disjuncts_are_read.body) == 0.0
