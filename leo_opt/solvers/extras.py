"""What Pyomo's standard-form compiler refuses, collected beside it, and models put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.components import blocks_of, check_components
from leo_opt.solvers.logic import read_logic
from leo_opt.solvers.standard_form import IndicatorRow, SosSet


@dataclass(frozen=True)
class Extras:
    """What Pyomo's compiler refuses, collected beside it.

    Parameters
    ----------
    disjuncts
        The active ones.
    containers
        Components that Pyomo's compiler must not see.
    constraints
        Those of disjuncts, each with the disjunct's binary variable.
    rows
        What disjunctions and logical constraints say about binary variables.
    sets
        Special ordered sets; those of a disjunct are sets of copies of their members, which are
        the members where its binary is 1.
    """

    disjuncts: list[Any]
    containers: list[Any]
    constraints: list[tuple[Any, Any]]
    rows: list[LinearRow]
    sets: list[OrderedSet]

    @classmethod
    def of(cls, model: Any) -> Extras:
        """All of a model.

        Raises
        ------
        InvalidInputError
            If something active in it cannot be translated.
        """
        from pyomo.environ import Block, Constraint, LogicalConstraint, SOSConstraint
        from pyomo.gdp import Disjunct, Disjunction

        check_components(model)
        inside = (Block, Disjunct)
        refused = (SOSConstraint, LogicalConstraint, Disjunction, Disjunct)
        extras = cls(
            disjuncts=[
                block
                for block in blocks_of(model)
                if block.ctype is Disjunct and block is not model
            ],
            containers=[
                component
                for kind in refused
                for component in model.component_objects(kind, active=True, descend_into=inside)
            ],
            constraints=[],
            rows=[],
            sets=[],
        )
        chosen: set[int] = set()
        owners = [(model, None), *((d, d.binary_indicator_var) for d in extras.disjuncts)]
        for owner, binary in owners:
            for disjunction in owner.component_data_objects(Disjunction, active=True):
                extras.rows.append(_choice(disjunction, binary, extras.disjuncts))
                chosen.update(map(id, disjunction.disjuncts))
            for logical in owner.component_data_objects(LogicalConstraint, active=True):
                extras.rows.extend(_logical_rows(logical, binary))
            for group in owner.component_data_objects(SOSConstraint, active=True):
                extras._add_set(group, binary)
            if binary is not None:
                constraints = owner.component_data_objects(Constraint, active=True)
                extras.constraints.extend((constraint, binary) for constraint in constraints)
        for disjunct in extras.disjuncts:
            if id(disjunct) not in chosen:
                _check_free(disjunct, model)
        return extras

    def _add_set(self, group: Any, binary: Any | None) -> None:
        """Note a set; one that holds only where a binary is 1 becomes a set of copies.

        Where the binary is 0 the copies may all be 0, so that nothing is said about the members.
        """
        found = OrderedSet.of(group)
        if binary is not None:
            copies = []
            for k, member in enumerate(found.variables):
                name = f"{group.name}_member[{k}]"
                copies.append(_copy(member, name))
                terms = (member, copies[-1]), (1.0, -1.0)
                self.rows.append(LinearRow(name, binary, *terms, 0.0, 0.0))
            found = OrderedSet(found.kind, tuple(copies), found.weights)
        self.sets.append(found)

    @property
    def members(self) -> list[Any]:
        """Variables that stand in rows, SOS sets and disjuncts."""
        binaries = [disjunct.binary_indicator_var for disjunct in self.disjuncts]
        in_sets = [variable for group in self.sets for variable in group.variables]
        return in_sets + binaries + [v for row in self.rows for v in row.variables]


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
    """lower <= coefficients @ variables <= upper, with Pyomo variables.

    Parameters
    ----------
    binary
        The variable that must be 1 for the row to hold, or None where it always does.
    """

    name: str
    binary: Any | None
    variables: tuple[Any, ...]
    coefficients: tuple[float, ...]
    lower: float
    upper: float

    @classmethod
    def of(cls, row: Any, binary: Any) -> LinearRow:
        """The row of a constraint.

        One that is false whatever the variables are says that its binary is 0.

        Raises
        ------
        InvalidInputError
            If it is not linear.
        """
        from pyomo.environ import value
        from pyomo.repn import generate_standard_repn

        repn = generate_standard_repn(row.body)
        if not repn.is_linear():
            raise InvalidInputError(
                f"constraint {row.name} is not linear; fixed variables stay variables here, so a "
                "fixed factor has to be a number"
            )
        lower = -np.inf if row.lower is None else value(row.lower) - repn.constant
        upper = np.inf if row.upper is None else value(row.upper) - repn.constant
        coefficients = tuple(float(coefficient) for coefficient in repn.linear_coefs)
        if not any(coefficients) and not lower <= 0.0 <= upper:
            return cls(row.name, None, (binary,), (1.0,), 0.0, 0.0)
        return cls(row.name, binary, tuple(repn.linear_vars), coefficients, lower, upper)

    def indicator(self, columns: dict[int, int]) -> IndicatorRow:
        """The row over the columns of a form."""
        return IndicatorRow(
            binary=columns[id(self.binary)],
            active_value=True,
            columns=np.array([columns[id(v)] for v in self.variables], dtype=np.int64),
            coefficients=np.array(self.coefficients),
            lower=self.lower,
            upper=self.upper,
            name=self.name,
        )


@dataclass(frozen=True)
class OrderedSet:
    """A special ordered set of Pyomo variables, with distinct weights that order them."""

    kind: int
    variables: tuple[Any, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, group: Any) -> OrderedSet:
        """The set of a component.

        Raises
        ------
        InvalidInputError
            If it is of another type than 1 and 2, holds a variable twice, or its weights leave
            the order of its members open.
        """
        from pyomo.environ import value

        items = [(variable, float(value(weight))) for variable, weight in group.get_items()]
        if group.level not in (1, 2):
            raise InvalidInputError(
                f"SOSConstraint {group.name} is of type {group.level}; types 1 and 2 are known"
            )
        if len({id(variable) for variable, _ in items}) < len(items):
            raise InvalidInputError(
                f"SOSConstraint {group.name} holds a variable twice; name each once"
            )
        weights = [weight for _, weight in items]
        if len(set(weights)) < len(weights):
            if group.level == 2:
                raise InvalidInputError(
                    f"SOSConstraint {group.name} has equal weights {weights}; they order its "
                    "members and must differ"
                )
            # The order of members means nothing in a set of type 1.
            weights = [float(k) for k in range(1, len(items) + 1)]
        return cls(group.level, tuple(variable for variable, _ in items), tuple(weights))

    def over(self, columns: dict[int, int]) -> SosSet:
        """The set over the columns of a form."""
        where = np.array([columns[id(variable)] for variable in self.variables], dtype=np.int64)
        return SosSet(self.kind, where, np.array(self.weights))


def _choice(disjunction: Any, parent: Any | None, disjuncts: list[Any]) -> LinearRow:
    """The row of a disjunction: one of its disjuncts, where that which it stands in holds.

    Parameters
    ----------
    parent
        Binary variable of the disjunct that holds the disjunction, if any.
    disjuncts
        Those whose rows are read.
    """
    known = {id(disjunct) for disjunct in disjuncts}
    for disjunct in disjunction.disjuncts:
        off = disjunct.indicator_var.fixed and disjunct.indicator_var.value is False
        if id(disjunct) not in known and not off:
            raise InvalidInputError(
                f"Disjunction {disjunction.name} chooses {disjunct.name}, which is deactivated or "
                "outside of what is compiled while its indicator is free; fix the indicator at "
                "False, or compile the model that holds both"
            )
    binaries = [disjunct.binary_indicator_var for disjunct in disjunction.disjuncts]
    variables = (*binaries, *(() if parent is None else (parent,)))
    coefficients = (*(1.0 for _ in binaries), *(() if parent is None else (-1.0,)))
    least = 1.0 if parent is None else 0.0
    most = least if disjunction.xor else np.inf
    return LinearRow(disjunction.name, None, variables, coefficients, least, most)


def _logical_rows(constraint: Any, binary: Any | None) -> Iterator[LinearRow]:
    """The rows of a logical constraint, which hold where a binary is 1."""
    for k, row in enumerate(read_logic(constraint)):
        negative = float(sum(not positive for positive, _ in row.literals))
        variables = {id(variable): variable for _, variable in row.literals}
        coefficients = dict.fromkeys(variables, 0.0)
        for positive, variable in row.literals:
            coefficients[id(variable)] += 1.0 if positive else -1.0
        yield LinearRow(
            f"{constraint.name}[{k}]" if k else constraint.name,
            binary,
            tuple(variables.values()),
            tuple(coefficients.values()),
            row.lower - negative,
            row.upper - negative,
        )


def _copy(member: Any, name: str) -> Any:
    """A variable by itself that can be 0 or what a variable is."""
    from pyomo.environ import Var

    low, high = member.bounds
    copy = Var(name=name)
    copy.construct()
    copy.setlb(None if low is None else min(low, 0.0))
    copy.setub(None if high is None else max(high, 0.0))
    return copy


def _check_free(disjunct: Any, model: Any) -> None:
    """Refuse a disjunct inside another one that no disjunction chooses.

    Whether its indicator then obeys the outer one, Pyomo does not say.
    """
    from pyomo.gdp import Disjunct

    block = disjunct.parent_block()
    while block is not None and block is not model:
        if block.ctype is Disjunct:
            raise InvalidInputError(
                f"Disjunct {disjunct.name} stands inside {block.name} and in no disjunction; put "
                "it into one, or deactivate it"
            )
        block = block.parent_block()
