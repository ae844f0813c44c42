"""Questions to a solver and its answers, as values."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError


class Feature(enum.StrEnum):
    """What a solver offers, and a formulation or a question may need."""

    SOS1 = "sos1"
    SOS2 = "sos2"
    INDICATOR = "indicator"
    USER_CUTS = "user-cuts"
    LAZY_CONSTRAINTS = "lazy-constraints"
    STOP_ON_BOUND = "stop-on-bound"
    STOP_ON_INCUMBENT = "stop-on-incumbent"
    CONFIRM_INCUMBENT = "confirm-incumbent"
    """The stop on an incumbent may ask a function about the incumbent's point."""
    NODE_LIMIT = "node-limit"
    MIP_START = "mip-start"
    """A point to start branch and bound from."""
    WARM_START = "warm-start"
    """A linear relaxation starts from the basis of the one before."""
    DUALS = "duals"
    RAYS = "rays"
    """Farkas rays of infeasible linear relaxations."""
    DUAL_BOUND = "dual-bound"
    """`objective_bound` is a true dual bound; without it a solver yields witnesses only."""


class Termination(enum.StrEnum):
    """Why a solve ended, in Pyomo's words."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INFEASIBLE_OR_UNBOUNDED = "infeasibleOrUnbounded"
    TIME_LIMIT = "maxTimeLimit"
    ITERATION_LIMIT = "iterationLimit"
    NODE_LIMIT = "nodeLimit"
    OBJECTIVE_LIMIT = "objectiveLimit"
    """One of the question's own stops."""
    INTERRUPTED = "interrupted"
    ERROR = "error"
    UNKNOWN = "unknown"


BOUNDLESS = frozenset(
    {
        Termination.INFEASIBLE,
        Termination.UNBOUNDED,
        Termination.INFEASIBLE_OR_UNBOUNDED,
        Termination.ERROR,
    }
)
"""Ends of a solve after which no bound is reported: they prove nothing about the objective."""

LIMITS = frozenset({Termination.TIME_LIMIT, Termination.ITERATION_LIMIT, Termination.NODE_LIMIT})


@dataclass(frozen=True)
class SolverOptions:
    """Options of a session that every solver understands.

    Parameters
    ----------
    time_limit
        Seconds for each question that brings no limit of its own.
    node_limit
        Branch-and-bound nodes for each question that brings no limit of its own.
    threads
        1 by default: questions are independent, so processes scale better than threads.
    relative_gap, absolute_gap
        Where branch and bound may stop. Nearly zero by default, since bounds are what is asked
        for.
    feasibility_tolerance, integrality_tolerance
        None leaves the solver's default.
    seed
        Of the solver's random numbers.
    log_file
        Where the solver writes its log; nothing is ever printed.
    extra
        Any other option, by the solver's own name.

    Raises
    ------
    InvalidInputError
        If a number is out of its range.
    """

    time_limit: float | None = None
    node_limit: int | None = None
    threads: int = 1
    relative_gap: float = 0.0
    absolute_gap: float = 1e-9
    feasibility_tolerance: float | None = None
    integrality_tolerance: float | None = None
    seed: int = 0
    log_file: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least = {
            "time_limit": 0,
            "node_limit": 0,
            "threads": 1,
            "relative_gap": 0,
            "absolute_gap": 0,
            "feasibility_tolerance": 0,
            "integrality_tolerance": 0,
            "seed": 0,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not value >= bound:
                raise InvalidInputError(
                    f"solver option {name} is {value}; at least {bound} is needed"
                )


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows lower <= matrix @ x <= upper to add to a model.

    Parameters
    ----------
    matrix : (k, n) sparse or dense array
    lower, upper : (k,) arrays
        May be infinite.
    """

    matrix: Any
    lower: FloatArray
    upper: FloatArray


Separator = Callable[[FloatArray], Rows | None]
"""From a point (n,) to rows that it violates, or None."""


@dataclass(frozen=True, eq=False)
class Question:
    """Maximise objective @ x + constant over the model: what a backend is asked.

    Minimisation has been turned into maximisation of the negative before a backend sees it.

    Parameters
    ----------
    objective : (n,) array
    relaxation
        Leave out integrality, SOS sets and indicators.
    stop_above
        Stop at an incumbent whose objective is greater, provided that `confirm` says True of it.
    stop_below
        Stop as soon as the dual bound is less.
    confirm
        Asked about the point (n,) of each incumbent above `stop_above`.
    separate, lazy
        User cuts (the model stays right without them) and lazy rows (it does not).
    start : (n,) array or None
        A point to start from; NaN where unknown.
    time_limit, node_limit
        Seconds and nodes, or None.
    """

    objective: FloatArray
    constant: float = 0.0
    relaxation: bool = False
    stop_above: float | None = None
    stop_below: float | None = None
    confirm: Callable[[FloatArray], bool] | None = None
    separate: Separator | None = None
    lazy: Separator | None = None
    start: FloatArray | None = None
    time_limit: float | None = None
    node_limit: int | None = None

    def value(self, point: FloatArray) -> float:
        """objective @ point + constant."""
        return float(self.objective @ point) + self.constant

    @property
    def needs(self) -> frozenset[Feature]:
        """Features without which the question cannot be asked at all."""
        wanted = {
            Feature.USER_CUTS: self.separate,
            Feature.LAZY_CONSTRAINTS: self.lazy,
            Feature.NODE_LIMIT: self.node_limit,
        }
        return frozenset(feature for feature, value in wanted.items() if value is not None)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a solver says about one question. It may be wrong; see `leo_opt.decisions`.

    For a maximisation incumbent_objective <= maximum <= objective_bound, up to tolerances.

    Parameters
    ----------
    termination_condition
        Why the solve ended; compares equal to Pyomo's word for it.
    incumbent_objective
        Objective at `point`, evaluated in float64, or None.
    objective_bound
        Dual bound: no feasible point is better, up to the solver's tolerances; widened where
        these hide more than usual, see `leo_opt.solvers.doubts.blur_of`. None where there is none,
        where it is not finite, and for infeasible, unbounded and failed solves, which prove
        nothing.
    stopped_by
        "incumbent" or "bound" if that stop of the question ended the solve, "limit" for a time,
        iteration or node limit, else None.
    point : (n,) array or None
        The best point found; the one that `confirm` approved, if that stopped the solve.
    row_duals : (rows,) array or None
        Of a linear relaxation solved to optimality, for the rows of the form and then the added
        ones. With reduced costs r = objective - matrix.T @ row_duals, and for each y_i the side
        of its row that is greater than any other in y_i * side,

            maximum <= constant + sum_i max(y_i row_lower_i, y_i row_upper_i)
                                + sum_j max(r_j column_lower_j, r_j column_upper_j);

        for a minimisation the same with min and >=. This holds for every y whatsoever.
    ray : (rows,) array or None
        Of an infeasible linear relaxation: y for which the right-hand side above, with objective
        and constant zero, is negative. None where the solver gives none that passes this check.
    nodes
        Branch-and-bound nodes.
    iterations
        Simplex iterations, where the solver tells.
    seconds
        Wall-clock time of the whole question.
    tolerances
        Names and values of the tolerances in force.
    solver
        Name and version of the solver that answered.
    message
        The solver's own status, and what was found wrong with its answer.
    """

    termination_condition: Termination
    incumbent_objective: float | None = None
    objective_bound: float | None = None
    stopped_by: str | None = None
    point: FloatArray | None = None
    row_duals: FloatArray | None = None
    ray: FloatArray | None = None
    nodes: int = 0
    iterations: int = 0
    seconds: float = 0.0
    tolerances: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    solver: str = ""
    message: str = ""

    def negated(self) -> Answer:
        """The answer to the minimisation whose negative was maximised."""
        return replace(
            self,
            incumbent_objective=_negative(self.incumbent_objective),
            objective_bound=_negative(self.objective_bound),
            row_duals=None if self.row_duals is None else -self.row_duals,
        )


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def finite(value: float | None) -> float | None:
    """A bound or objective as a backend read it, or None where it says nothing.

    Solvers write infinity as inf, 1e20, 1e30 or 1e100.
    """
    if value is None or not math.isfinite(value) or abs(value) >= 1e20:
        return None
    return float(value)


def dual_bound(
    objective: FloatArray, row_duals: FloatArray, matrix: Any, rows: Sides, columns: Sides
) -> float:
    """The bound of weak duality, in plain float64: without certificate.

    Parameters
    ----------
    objective : (n,) array
    row_duals : (m,) array
        Any numbers at all.
    rows, columns : pairs of (m,) and (n,) arrays
        Lower and upper sides.
    """
    reduced = objective - matrix.T @ row_duals
    return _support(row_duals, rows) + _support(reduced, columns)


Sides = tuple[FloatArray, FloatArray]


def _support(multipliers: FloatArray, sides: Sides) -> float:
    """sum of max(y lower, y upper); zero multipliers ignore infinite sides."""
    lower, upper = sides
    used = multipliers != 0.0
    ends = np.where(multipliers > 0.0, upper, lower)
    return float(multipliers[used] @ ends[used])
