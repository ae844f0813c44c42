"""What Pyomo's standard-form compiler refuses, collected beside it, and models put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.standard_form import IndicatorRow, SosSet


@dataclass(frozen=True)
class Extras:
    """What Pyomo's compiler refuses, collected beside it."""

    sos: list[Any]
    disjuncts: list[Any]
    disjunctions: list[Any]
    containers: list[Any]
    rows: list[tuple[Any, Any]]

    @classmethod
    def of(cls, model: Any) -> Extras:
        from pyomo.environ import Block, Constraint, SOSConstraint
        from pyomo.gdp import Disjunct, Disjunction

        inside = (Block, Disjunct)
        disjuncts = list(model.component_data_objects(Disjunct, active=True, descend_into=inside))
        return cls(
            sos=list(model.component_data_objects(SOSConstraint, active=True)),
            disjuncts=disjuncts,
            disjunctions=list(
                model.component_data_objects(Disjunction, active=True, descend_into=inside)
            ),
            containers=[
                component
                for kind in (SOSConstraint, Disjunction, Disjunct)
                for component in model.component_objects(kind, active=True, descend_into=inside)
            ],
            rows=[
                (row, disjunct.binary_indicator_var)
                for disjunct in disjuncts
                for row in disjunct.component_data_objects(Constraint, active=True)
            ],
        )

    @property
    def members(self) -> list[Any]:
        """Variables that stand in SOS sets and disjunctions."""
        binaries = [disjunct.binary_indicator_var for disjunct in self.disjuncts]
        return [variable for group in self.sos for variable in group.variables] + binaries


@contextmanager
def unfixed(variables: Iterable[Any]) -> Iterator[None]:
    """Variables that nothing fixes, put back as they were at the end."""
    fixed = [(variable, variable.value, variable.stale) for variable in variables if variable.fixed]
    for variable, _, _ in fixed:
        variable.unfix()
    try:
        yield
    finally:
        for variable, value, stale in fixed:
            variable.set_value(value, skip_validation=True)
            variable.fix()
            variable.stale = stale


@contextmanager
def plain(extras: Extras, variables: list[Any]) -> Iterator[None]:
    """A model without fixed variables, SOS sets and disjuncts, put back as it was at the end."""
    data = [datum for container in extras.containers for datum in container.values()]
    was_active = [datum.active for datum in data]
    indicators = [disjunct.indicator_var for disjunct in extras.disjuncts]
    states = [(v, v.fixed, v.value, v.stale) for v in (*variables, *indicators)]
    try:
        for container in extras.containers:
            container.deactivate()
        for variable in variables:
            if variable.fixed:
                variable.unfix()
        yield
    finally:
        for container in extras.containers:
            container.activate()
        for datum, active in zip(data, was_active, strict=True):
            if not active:
                datum.deactivate()
        for variable, fixed, value, stale in states:
            if variable.value != value:
                variable.set_value(value, skip_validation=True)
            if variable.fixed != fixed:
                variable.fix() if fixed else variable.unfix()
            variable.stale = stale


@dataclass(frozen=True)
class LinearRow:
    """A row of a disjunct, with Pyomo variables."""

    name: str
    binary: Any
    variables: tuple[Any, ...]
    coefficients: tuple[float, ...]
    lower: float
    upper: float

    @classmethod
    def of(cls, row: Any, binary: Any) -> LinearRow:
        from pyomo.environ import value
        from pyomo.repn import generate_standard_repn

        repn = generate_standard_repn(row.body)
        if not repn.is_linear():
            raise InvalidInputError(f"constraint {row.name} is not linear; only linear ones work")
        lower = -np.inf if row.lower is None else value(row.lower) - repn.constant
        upper = np.inf if row.upper is None else value(row.upper) - repn.constant
        coefficients = tuple(float(coefficient) for coefficient in repn.linear_coefs)
        return cls(row.name, binary, tuple(repn.linear_vars), coefficients, lower, upper)


def sos_set(group: Any, columns: dict[int, int]) -> SosSet:
    from pyomo.environ import value

    items = [
        (columns[id(variable)], float(value(weight))) for variable, weight in group.get_items()
    ]
    return SosSet(
        group.level, np.array([c for c, _ in items]), np.array([weight for _, weight in items])
    )


def indicator_row(row: LinearRow, columns: dict[int, int]) -> IndicatorRow:
    return IndicatorRow(
        binary=columns[id(row.binary)],
        active_value=True,
        columns=np.array([columns[id(v)] for v in row.variables], dtype=np.int64),
        coefficients=np.array(row.coefficients),
        lower=row.lower,
        upper=row.upper,
        name=row.name,
    )
