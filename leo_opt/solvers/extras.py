"""What Pyomo's standard-form compiler refuses, collected beside it, and models put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.components import blocks_of, check_components
from leo_opt.solvers.pyomo_rows import LinearRow, OrderedSet, choice_row, logical_rows


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
        known, chosen = set(map(id, extras.disjuncts)), set[int]()
        owners = [(model, None), *((d, d.binary_indicator_var) for d in extras.disjuncts)]
        for owner, binary in owners:
            for disjunction in owner.component_data_objects(Disjunction, active=True):
                extras.rows.append(choice_row(disjunction, binary, known))
                chosen.update(map(id, disjunction.disjuncts))
            for logical in owner.component_data_objects(LogicalConstraint, active=True):
                extras.rows.extend(logical_rows(logical, binary))
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
