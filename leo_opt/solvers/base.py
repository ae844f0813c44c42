"""The contract between this package and any MILP solver.

A `Solver` opens a `Session` on a compiled model; a session answers many questions about it. An
answer is a value: infeasible, a limit, an error are answers, and prove nothing.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from leo_opt.solvers.standard_form import StandardForm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Feature(enum.StrEnum):
    """What a solver offers and a formulation or a question may need."""

    SOS1 = "sos1"
    INDICATOR = "indicator"
    USER_CUTS = "user-cuts"
    LAZY_CONSTRAINTS = "lazy-constraints"
    STOP_ON_BOUND = "stop-on-bound"
    STOP_ON_INCUMBENT = "stop-on-incumbent"
    CONFIRM_INCUMBENT = "confirm-incumbent"
    WARM_START = "warm-start"
    RAYS = "rays"


@dataclass(frozen=True)
class SolverOptions:
    """Options that all solvers understand; `extra` passes through by the solver's own names.

    Parameters
    ----------
    time_limit
        Seconds for each question.
    node_limit
        Branch-and-bound nodes for each question.
    relative_gap, absolute_gap
        Where branch and bound may stop; zero by default, since bounds are what is asked for.
    """

    time_limit: float | None = None
    node_limit: int | None = None
    threads: int = 1
    relative_gap: float = 0.0
    absolute_gap: float = 1e-9
    feasibility_tolerance: float = 1e-7
    integrality_tolerance: float = 1e-6
    seed: int = 0
    log_file: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a solver says about one question.

    Parameters
    ----------
    incumbent_objective
        Value of the best point found, or None.
    objective_bound
        Dual bound: no feasible point is better. None if there is none or it is not finite.
    termination_condition
        One of Pyomo's words: "optimal", "infeasible", "unbounded", "infeasibleOrUnbounded",
        "maxTimeLimit", "nodeLimit", "iterationLimit", "objectiveLimit", "interrupted", "error",
        "unknown".
    stopped_by
        "incumbent", "bound", "limit", or None where the solve ran to its end.
    point : (columns,) array or None
        The best point found.
    row_duals : (rows,) array or None
        For a linear relaxation: y such that c - A^T y are the reduced costs.
    ray : (rows,) array or None
        For an infeasible linear relaxation: a Farkas certificate.
    """

    incumbent_objective: float | None
    objective_bound: float | None
    termination_condition: str
    stopped_by: str | None
    point: FloatArray | None
    row_duals: FloatArray | None
    ray: FloatArray | None
    nodes: int
    seconds: float
    message: str = ""


class Session(ABC):
    """One compiled model loaded in one solver; belongs to one process."""

    @property
    @abstractmethod
    def tolerances(self) -> Mapping[str, float]:
        """Names and values of the tolerances in force."""

    @abstractmethod
    def maximize(
        self,
        objective: FloatArray,
        *,
        constant: float = 0.0,
        relaxation: bool = False,
        stop_above: float | None = None,
        stop_below: float | None = None,
        confirm: Callable[[FloatArray], bool] | None = None,
        start: FloatArray | None = None,
        time_limit: float | None = None,
        node_limit: int | None = None,
    ) -> Answer:
        """Maximise objective @ x + constant.

        Parameters
        ----------
        objective : (columns,) array
        relaxation
            Leave out integrality.
        stop_above
            Stop at an incumbent better than this, if `confirm` (given its point) agrees.
        stop_below
            Stop as soon as the objective bound is below this.
        start : (columns,) array or None
            A point to start from.
        """

    def minimize(
        self,
        objective: FloatArray,
        *,
        constant: float = 0.0,
        relaxation: bool = False,
        stop_above: float | None = None,
        stop_below: float | None = None,
        confirm: Callable[[FloatArray], bool] | None = None,
        start: FloatArray | None = None,
        time_limit: float | None = None,
        node_limit: int | None = None,
    ) -> Answer:
        """Minimise: incumbents stop it below `stop_below`, the bound above `stop_above`."""
        raise NotImplementedError

    @abstractmethod
    def set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds for the questions to come."""

    @abstractmethod
    def reset_bounds(self, columns: IntArray) -> None:
        """Give columns the bounds of the compiled model again."""

    @abstractmethod
    def add_rows(self, matrix: sparse.csr_matrix, lower: FloatArray, upper: FloatArray) -> None:
        """Append rows lower <= matrix @ x <= upper for the questions to come."""

    @abstractmethod
    def close(self) -> None:
        """Give the solver's memory and licence back."""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Solver(ABC):
    """A solver by name; `open` loads a compiled model."""

    name: str
    features: frozenset[Feature]

    @abstractmethod
    def version(self) -> str:
        """The solver's own version."""

    @abstractmethod
    def available(self) -> bool:
        """Whether its package is installed; takes no licence."""

    @abstractmethod
    def open(self, form: StandardForm, options: SolverOptions = SolverOptions()) -> Session:
        """Load a compiled model.

        Raises
        ------
        SolverNotAvailableError
            If the solver's package is missing.
        SolverError
            If the model needs a feature that the solver lacks, or is too large for its licence.
        """
