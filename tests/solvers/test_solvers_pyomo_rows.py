"""Rows for what Pyomo says in logic."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct, Disjunction

from leo_opt.solvers import compile_model


@pytest.mark.parametrize(("xor", "most"), [(True, 1.0), (False, np.inf)])
def test_only_an_exclusive_disjunction_forbids_that_several_hold(*, xor: bool, most: float) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0.0, 10.0))
    model.one, model.two = Disjunct(), Disjunct()
    model.one.row = pyo.Constraint(expr=model.x <= 3.0)
    model.two.row = pyo.Constraint(expr=model.x >= 2.0)
    model.either = Disjunction(expr=[model.one, model.two], xor=xor)
    form = compile_model(model).form
    assert form.row_lower.tolist() == [1.0]
    assert form.row_upper.tolist() == [most]
