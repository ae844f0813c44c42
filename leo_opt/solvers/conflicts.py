"""Why a model has no point: a part of it that has none by itself, and cannot be made smaller.

Solvers differ in whether they look for such parts, of which models, and what they call them. Here
rows and bounds are left out and the rest is solved again, which any solver can do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt.arguments import positive, read_number
from leo_opt.errors import InvalidInputError
from leo_opt.solvers.base import Solver
from leo_opt.solvers.catalogue import find
from leo_opt.solvers.compilation import compile_model
from leo_opt.solvers.questions import SolverOptions, Termination
from leo_opt.solvers.standard_form import StandardForm

Member = tuple[str, int]
"""What can be left out: its kind and its place in the form."""


@dataclass(frozen=True)
class Conflict:
    """Rows and bounds that no point satisfies together, whatever else the model says.

    Parameters
    ----------
    rows
        Names of constraints, of disjuncts too, of disjunctions and of SOS sets.
    bounds
        Names of variables, each with "lower", "upper" or "fixed". That variables are integral
        or binary is always part of it.
    irreducible
        Whether a solver said of every smaller part that it is feasible; without a limit it does.
    """

    rows: tuple[str, ...]
    bounds: tuple[tuple[str, str], ...]
    irreducible: bool

    def __str__(self) -> str:
        lines = [f"{len(self.rows)} rows and {len(self.bounds)} bounds contradict each other:"]
        lines += [f"  {name}" for name in self.rows]
        lines += [f"  {side} of {name}" for name, side in self.bounds]
        return "\n".join(lines)


def find_conflict(
    model: Any,
    solver: str | Solver = "auto",
    *,
    options: SolverOptions | None = None,
    time_limit: float = 60.0,
) -> Conflict:
    """An infeasible subsystem of a model.

    Parameters
    ----------
    model
        What `compile_model` takes, or a `StandardForm`; infeasible.
    time_limit
        Seconds for the whole search, of which one solve takes at most a tenth: without their
        bounds, integral variables may keep a solver busy for ever. What is not decided stays in
        the conflict.

    Raises
    ------
    InvalidInputError
        If the solver does not say that the model is infeasible.
    SolverError
        If the solver is not installed, or the model needs what it lacks.
    """
    time_limit = positive(read_number)(time_limit, "time_limit")
    form = model if isinstance(model, StandardForm) else compile_model(model).form
    form = replace(form, objective=np.zeros(form.columns), constant=0.0)
    search = _Search(form, find(solver), options or SolverOptions(), time_limit)
    parts = _parts_of(form)
    ended = search.ended(parts, time_limit)
    if ended not in _EMPTY:
        raise InvalidInputError(
            f"the model is not infeasible to {search.solver.name}: the solve ended {ended.value}"
        )
    kept = _smallest(search.narrowed(parts), [], True, search.refutes)
    kept.sort(key=parts.index)
    return Conflict(
        rows=tuple(_name(form, part) for part in kept if part[0] in _ROWS),
        bounds=tuple((_name(form, part), part[0]) for part in kept if part[0] not in _ROWS),
        irreducible=not search.doubtful,
    )


_ROWS = ("row", "indicator", "set")

_EMPTY = frozenset({Termination.INFEASIBLE, Termination.INFEASIBLE_OR_UNBOUNDED})
"""With a zero objective nothing is unbounded."""


@dataclass
class _Search:
    """Solves of parts of a form."""

    form: StandardForm
    solver: Solver
    options: SolverOptions
    time_limit: float
    doubtful: bool = False

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.time_limit

    def ended(self, parts: Sequence[Member], limit: float) -> Termination:
        """How the solve of the form with some of its parts ends."""
        limit = min(limit, self._deadline - time.monotonic())
        if limit <= 0.0:
            return Termination.TIME_LIMIT
        with self.solver.open(_reduced(self.form, parts), self.options) as session:
            zero = np.zeros(self.form.columns)
            return session.minimize(zero, time_limit=limit).termination_condition

    def narrowed(self, parts: list[Member]) -> list[Member]:
        """The parts that a Farkas ray of the linear relaxation needs, where it has one.

        They alone are infeasible, or else all parts are given back.
        """
        form = self.form
        with self.solver.open(form, self.options) as session:
            limit = 0.1 * self.time_limit
            zero = np.zeros(form.columns)
            ray = session.minimize(zero, relaxation=True, time_limit=limit).ray
        if ray is None:
            return parts
        used = {"row": np.flatnonzero(ray)}
        reduced = np.flatnonzero(form.matrix.T @ ray)
        used |= dict.fromkeys(("lower", "upper", "fixed"), reduced)
        needed = {(kind, place) for kind, places in used.items() for place in places.tolist()}
        some = [part for part in parts if part in needed]
        return some if self.refutes(some) else parts

    def refutes(self, parts: Sequence[Member]) -> bool:
        """Whether the parts alone are infeasible; what is not decided counts as feasible."""
        ended = self.ended(parts, 0.1 * self.time_limit)
        self.doubtful |= ended not in _EMPTY | {Termination.OPTIMAL}
        return ended in _EMPTY


def _smallest(
    parts: list[Member],
    held: list[Member],
    added: bool,
    refutes: Callable[[Sequence[Member]], bool],
) -> list[Member]:
    """An irreducible choice of parts that is refuted together with what is held.

    Parameters
    ----------
    added
        Whether anything was added to what is held since it was seen not to be refuted.

    References
    ----------
    U. Junker, QuickXplain: preferred explanations and relaxations for over-constrained problems,
    AAAI 2004.
    """
    if added and refutes(held):
        return []
    if len(parts) <= 1:
        return parts
    middle = len(parts) // 2
    first, second = parts[:middle], parts[middle:]
    late = _smallest(second, [*held, *first], True, refutes)
    early = _smallest(first, [*held, *late], bool(late), refutes)
    return [*early, *late]


def _parts_of(form: StandardForm) -> list[Member]:
    """All that can be left out; but not that a binary variable is 0 or 1."""
    binary = form.integer & (form.column_lower == 0.0) & (form.column_upper == 1.0)
    return [
        *(("row", k) for k in range(form.rows)),
        *(("indicator", k) for k in range(len(form.indicators))),
        *(("set", k) for k in range(len(form.sos))),
        *(("fixed", k) for k in form.fixed_columns.tolist()),
        *(("lower", k) for k in np.flatnonzero(np.isfinite(form.column_lower) & ~binary).tolist()),
        *(("upper", k) for k in np.flatnonzero(np.isfinite(form.column_upper) & ~binary).tolist()),
    ]


def _reduced(form: StandardForm, parts: Sequence[Member]) -> StandardForm:
    """The form with some of its parts only."""
    kept: dict[str, list[int]] = {}
    for kind, place in sorted(parts):
        kept.setdefault(kind, []).append(place)
    rows = kept.get("row", [])
    binary = form.integer & (form.column_lower == 0.0) & (form.column_upper == 1.0)
    lower = np.where(binary, 0.0, -np.inf)
    upper = np.where(binary, 1.0, np.inf)
    lower[kept.get("lower", [])] = form.column_lower[kept.get("lower", [])]
    upper[kept.get("upper", [])] = form.column_upper[kept.get("upper", [])]
    fixed = np.isin(form.fixed_columns, kept.get("fixed", []))
    return replace(
        form,
        matrix=form.matrix[rows],
        row_lower=form.row_lower[rows],
        row_upper=form.row_upper[rows],
        row_names=tuple(form.row_names[k] for k in rows),
        column_lower=lower,
        column_upper=upper,
        fixed_columns=form.fixed_columns[fixed],
        fixed_values=form.fixed_values[fixed],
        indicators=tuple(form.indicators[k] for k in kept.get("indicator", [])),
        sos=tuple(form.sos[k] for k in kept.get("set", [])),
    )


def _name(form: StandardForm, part: Member) -> str:
    kind, place = part
    if kind == "row":
        return form.row_names[place]
    if kind == "indicator":
        return form.indicators[place].name
    if kind == "set":
        columns = ", ".join(form.column_names[k] for k in form.sos[place].columns)
        return f"special ordered set of {columns}"
    return form.column_names[place]
