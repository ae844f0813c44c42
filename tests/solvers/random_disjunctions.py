"""Random disjunctions over the variables x of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction


def random_row(generator: np.random.Generator, model: Any) -> Any:
    """A row over the variables with small whole numbers."""
    coefficients = generator.integers(-2, 3, len(model.x))
    body = sum(int(c) * x for c, x in zip(coefficients, model.x.values(), strict=True))
    bound = int(generator.integers(-2, 4))
    kind = generator.integers(0, 4)
    if not coefficients.any():
        return model.x[0] <= 1
    return (body <= bound, body >= -bound, (bound - 3, body, bound), body == bound)[kind]


def fill_disjunct(generator: np.random.Generator, model: Any, disjunct: Any, depth: int) -> None:
    """Rows, sets and perhaps a disjunction inside a disjunct."""
    disjunct.row = pyo.Constraint(expr=random_row(generator, model))
    if generator.random() < 0.3:
        kind = int(generator.integers(1, 3))
        disjunct.group = pyo.SOSConstraint(var=model.x, sos=kind)
    if depth and generator.random() < 0.7:
        add_disjunction(generator, model, disjunct, depth - 1)


def add_disjunction(generator: np.random.Generator, model: Any, owner: Any, depth: int) -> None:
    """A disjunction of two or three disjuncts on a block or in a disjunct."""
    owner.part = Disjunct(range(int(generator.integers(2, 4))))
    for disjunct in owner.part.values():
        fill_disjunct(generator, model, disjunct, depth)
    owner.choice = Disjunction(expr=list(owner.part.values()), xor=bool(generator.random() < 0.7))
    indicators = [disjunct.indicator_var for disjunct in owner.part.values()]
    if generator.random() < 0.4:
        owner.logic = pyo.LogicalConstraint(
            expr=(
                pyo.atmost(1, *indicators),
                indicators[0].implies(~indicators[1]),
                pyo.lor(indicators[0], pyo.lnot(indicators[-1])),
                indicators[0].equivalent_to(pyo.lnot(indicators[1])),
            )[int(generator.integers(0, 4))]
        )
    if generator.random() < 0.2:
        owner.part[0].deactivate()
    elif generator.random() < 0.2:
        # Inside a disjunct, true would make that one true, too.
        owner.part[0].indicator_var.fix(owner is model and bool(generator.random() < 0.5))
