"""Rows and special ordered sets of a Pyomo model that Pyomo's own compiler does not write."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError
from leo_opt.solvers.logic import read_logic
from leo_opt.solvers.standard_form import IndicatorRow, SosSet


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


def choice_row(disjunction: Any, parent: Any | None, known: Container[int]) -> LinearRow:
    """The row of a disjunction: one of its disjuncts, where that which it stands in holds.

    Parameters
    ----------
    parent
        Binary variable of the disjunct that holds the disjunction, if any.
    known
        Identities of the disjuncts whose rows are read.
    """
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


def logical_rows(constraint: Any, binary: Any | None) -> Iterator[LinearRow]:
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
