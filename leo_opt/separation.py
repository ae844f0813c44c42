"""Rows that a formulation leaves out until a point violates them.

`Separation` knows where the units of a block stand in a compiled model and turns a point into
the rows that it violates: a function that `Session.maximize` takes as `separate`, for user cuts
in the tree. `strengthen` adds such rows in rounds at the root, for solvers without user cuts; the
rows then stay in the session for every question about the same model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from leo_opt.arrays import IntArray
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import Cut, Formulation, UnitRow
from leo_opt.network import FloatArray
from leo_opt.solvers import Answer, Compiled, RowHandle, Rows, Session

Solved = TypeVar("Solved")


@dataclass(frozen=True, eq=False)
class Place:
    """One unstable unit and the columns of what it reads, its pre, its post and its binary."""

    row: UnitRow
    inputs: IntArray
    pre: int
    post: int
    active: int


@dataclass(frozen=True, eq=False)
class Separation:
    """From points of a compiled model to the rows of its formulations that they violate.

    Picklable: it holds arrays, no Pyomo objects.

    Parameters
    ----------
    columns
        Number of columns of the model.
    places
        For each formulation the units that it writes.
    """

    columns: int
    places: tuple[tuple[Formulation, tuple[Place, ...]], ...]

    @classmethod
    def of(cls, compiled: Compiled, *blocks: Any) -> Separation:
        """Separation for blocks that `formulate` returned and that stand in a compiled model.

        Raises
        ------
        InvalidInputError
            If a block stands in another model, or is of a relaxation.
        """
        places = []
        for block in blocks:
            if not block.formulation.exact:
                raise InvalidInputError(
                    f"{block.formulation.name} is a relaxation without binary variables, and has "
                    "no rows to separate; take an exact formulation such as ideal"
                )
            places.append((block.formulation, _places(compiled, block)))
        return cls(compiled.form.columns, tuple(places))

    def __call__(self, point: FloatArray) -> Rows | None:
        """Rows that a point (columns,) violates, or None.

        Raises
        ------
        InvalidInputError
            If the point has another size.
        """
        if np.shape(point) != (self.columns,):
            raise InvalidInputError(
                f"the point has shape {np.shape(point)}; the model has {self.columns} columns"
            )
        found = list(self._violated(point))
        if not found:
            return None
        matrix = sparse.vstack([_entries(place, cut, self.columns) for place, cut in found])
        upper = np.array([cut.upper for _, cut in found])
        return Rows(sparse.csr_array(matrix), np.full(upper.size, -np.inf), upper)

    def _violated(self, point: FloatArray) -> Iterator[tuple[Place, Cut]]:
        for formulation, places in self.places:
            for place in places:
                cuts = formulation.violated_rows(
                    place.row,
                    point[place.inputs],
                    float(point[place.post]),
                    float(point[place.active]),
                )
                for cut in cuts:
                    yield place, cut


def _places(compiled: Compiled, block: Any) -> tuple[Place, ...]:
    """All unstable units of a block; those of a layer read the same columns."""
    reads = {unit.row.layer: unit.inputs for unit in block.units}
    inputs = {layer: compiled.columns_of(variables) for layer, variables in reads.items()}
    return tuple(
        Place(
            row=unit.row,
            inputs=inputs[unit.row.layer],
            pre=compiled.column_of(unit.pre),
            post=compiled.column_of(unit.post),
            active=compiled.column_of(unit.active),
        )
        for unit in block.units
    )


def _entries(place: Place, cut: Cut, columns: int) -> Any:
    """A cut as one sparse row over all columns."""
    used = np.flatnonzero(cut.inputs)
    values = np.concatenate([cut.inputs[used], [cut.pre, cut.post, cut.active]])
    where = np.concatenate([place.inputs[used], [place.pre, place.post, place.active]])
    return sparse.coo_array((values, (np.zeros(where.size, dtype=np.int64), where)), (1, columns))


def in_rounds(
    first: Solved, add: Callable[[Solved], bool], solve: Callable[[Solved], Solved], most: int
) -> Iterator[Solved]:
    """Answers of a linear program that rows are added to, until its point violates none.

    Parameters
    ----------
    first
        The answer without further rows.
    add
        Adds rows that the point of an answer violates; whether there were any.
    solve
        Asks again, given the answer before.
    most
        Rounds.
    """
    yield first
    for _ in range(most):
        if not add(first):
            return
        first = solve(first)
        yield first


@dataclass(frozen=True, eq=False)
class Strengthening:
    """What rounds of separation at the root did.

    Parameters
    ----------
    bounds
        Bound of the linear relaxation before the first round and after each.
    rows
        Number of rows added.
    handles
        What `Session.remove` takes, one a round.
    complete
        Whether a round found no violated row; otherwise a limit ended them, or the solver did.
    """

    bounds: tuple[float, ...]
    rows: int
    handles: tuple[RowHandle, ...] = field(default_factory=tuple)
    complete: bool = False


def strengthen(
    session: Session,
    separation: Separation,
    objective: FloatArray,
    *,
    constant: float = 0.0,
    maximize: bool = True,
    rounds: int = 50,
    time_limit: float | None = None,
) -> Strengthening:
    """Add violated rows at optima of the linear relaxation until there are none.

    Parameters
    ----------
    objective : (columns,) array
        The question; the rows hold for every other question, too.
    rounds
        At most.
    time_limit
        Seconds for all rounds.

    Returns
    -------
    Strengthening
        The session keeps the rows.
    """
    begin = time.monotonic()
    ask = session.maximize if maximize else session.minimize
    bounds: list[float] = []
    handles: list[RowHandle] = []
    count, complete = 0, False

    def solve(_before: Answer | None = None) -> Answer | None:
        left = None if time_limit is None else time_limit - (time.monotonic() - begin)
        if left is not None and left <= 0.0:
            return None
        return ask(objective, constant=constant, relaxation=True, time_limit=left)

    def add(answer: Answer | None) -> bool:
        nonlocal count, complete
        assert answer is not None
        assert answer.point is not None
        rows = separation(answer.point)
        complete = rows is None
        if rows is not None:
            handles.append(session.add_rows(rows.matrix, rows.lower, rows.upper))
            count += rows.upper.size
        return not complete

    for answer in in_rounds(solve(), add, solve, rounds):
        if answer is None or not _solved(answer):
            break
        assert answer.objective_bound is not None
        bounds.append(answer.objective_bound)
    return Strengthening(tuple(bounds), count, tuple(handles), complete)


def _solved(answer: Answer) -> bool:
    """Whether a relaxation was solved to its end; anything else ends the rounds."""
    return (
        answer.termination_condition == "optimal"
        and answer.point is not None
        and answer.objective_bound is not None
    )
