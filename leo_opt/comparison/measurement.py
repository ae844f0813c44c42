"""One cell measured: build, root relaxation, separation, branch and bound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt.comparison.cell_models import CellModel, build, prepare
from leo_opt.comparison.cells import Cell
from leo_opt.decisions.scope import Scope
from leo_opt.errors import LeoOptError, SolverError, SolverNotAvailableError
from leo_opt.formulations import Formulation
from leo_opt.formulations.sizes import size_of
from leo_opt.network import FloatArray
from leo_opt.separation import strengthen
from leo_opt.solvers import Answer, Session, find
from leo_opt.solvers.questions import dual_bound

IMPOSSIBLE = frozenset({"infeasible", "unbounded", "infeasibleOrUnbounded"})
"""Ends of a solve that are wrong whenever they come: every model is feasible and bounded."""


@dataclass(frozen=True)
class Measurement:
    """What one cell gave. Objectives are values of sign * pre-activation in natural units.

    Parameters
    ----------
    outcome
        "answered"; "refused" where the solver does not take the model, such as for its size or a
        feature; "failed" where something broke. `withdraw` adds "wrong".
    reason
        Why it was refused or failed, or what the solver said.
    exact
        Whether the formulation is, so that its optimum is the network's.
    rows, columns, binaries, nonzeros, indicators, sos_sets
        Of the model before separation; indicator rows and SOS sets are no part of `rows`.
    build_seconds
        Formulation and compilation.
    open_seconds
        Handing the model to the solver.
    root_bound
        Of the linear relaxation as written, by weak duality.
    separated_bound
        The same after the rounds of separation; that of `root_bound` where there are none.
    root_seconds
        Of the relaxation and the rounds; part of `seconds` only where there are rounds.
    cut_rows, separation_seconds
        Rows added in rounds, and the time of these rounds, which is part of `seconds`.
    final_bound, incumbent
        Of branch and bound, as the solver says.
    confirmed
        What the network itself surely reaches at the solver's point, or None.
    seen
        What it surely reaches at one of a thousand random inputs.
    margin
        Bounds are believed up to this.
    nodes, seconds
        Of branch and bound; wall-clock seconds, with separation.
    cpu_seconds
        The same in time of the processor, over all threads.
    termination_condition
        Pyomo's word.
    verdict
        "witness" where the network shows the sign, "proved" where the bound excludes it, "open".
    solver
        Name and version of the one that answered.
    """

    outcome: str
    reason: str = ""
    exact: bool = True
    rows: int | None = None
    columns: int | None = None
    binaries: int | None = None
    nonzeros: int | None = None
    indicators: int | None = None
    sos_sets: int | None = None
    build_seconds: float | None = None
    open_seconds: float | None = None
    root_bound: float | None = None
    separated_bound: float | None = None
    root_seconds: float | None = None
    cut_rows: int | None = None
    separation_seconds: float | None = None
    final_bound: float | None = None
    incumbent: float | None = None
    confirmed: float | None = None
    seen: float | None = None
    margin: float | None = None
    nodes: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    termination_condition: str = ""
    verdict: str = ""
    solver: str = ""


def measure(cell: Cell) -> Measurement:
    """Build the model of a cell, bound its relaxation, solve it; a refusal is a result."""
    begun = Measurement("failed")
    try:
        formulation = cell.formulation.make()
        begun = replace(begun, exact=formulation.exact)
        scope = prepare(cell)
        begin = time.monotonic()
        _check_size(scope, cell, formulation)
        model = build(scope, cell.direction, formulation)
        begun = replace(begun, **_size(model), build_seconds=time.monotonic() - begin)
        begin = time.monotonic()
        options = cell.solver.make_options(cell.seed)
        with find(cell.solver.name).open(model.encoding.form, options) as session:
            begun = replace(begun, open_seconds=time.monotonic() - begin)
            return _ask(session, cell, model, begun)
    except (SolverError, SolverNotAvailableError) as error:
        return replace(begun, outcome="refused", reason=str(error))
    except (LeoOptError, MemoryError) as error:
        return replace(begun, outcome="failed", reason=f"{type(error).__name__}: {error}")


def _check_size(scope: Scope, cell: Cell, formulation: Formulation) -> None:
    """Refuse a model that will be beyond the solver's licence, before it is made."""
    size = size_of(formulation, scope.network.layers[:-1], scope.bounds)
    solver = find(cell.solver.name)
    solver.licence().check(solver.name, size.rows, size.columns, "at least ")


def _size(model: CellModel) -> dict[str, Any]:
    """What a model consists of, and what random inputs reach."""
    form = model.encoding.form
    return {
        "rows": form.rows,
        "columns": form.columns,
        "binaries": int(np.count_nonzero(form.integer)),
        "nonzeros": int(form.matrix.nnz),
        "indicators": len(form.indicators),
        "sos_sets": len(form.sos),
        "seen": model.reached_by_chance() / model.scale,
        "margin": model.margin / model.scale,
    }


@dataclass(frozen=True)
class _Root:
    """What the linear relaxation gave, scaled, and the seconds that count as solving."""

    bound: float | None
    separated: float | None
    seconds: float
    rows: int = 0
    counted: float = 0.0
    counted_cpu: float = 0.0


def _ask(session: Session, cell: Cell, model: CellModel, begun: Measurement) -> Measurement:
    """Relaxation, separation, branch and bound on an open session."""
    root = _root(session, cell, model)
    session.forget()
    cpu = time.process_time()
    answer = _solve(session, cell, model, max(0.0, cell.time_limit - root.counted))
    cpu = time.process_time() - cpu + root.counted_cpu
    natural = 1.0 / model.scale
    confirmed = None
    if answer.point is not None:
        confirmed = model.reached(model.encoding.inputs_of(answer.point)[None, :])
    return replace(
        begun,
        outcome="answered",
        reason=answer.message,
        root_bound=_times(root.bound, natural),
        separated_bound=_times(root.separated, natural),
        root_seconds=root.seconds,
        cut_rows=root.rows,
        separation_seconds=root.counted,
        final_bound=_times(answer.objective_bound, natural),
        incumbent=_times(answer.incumbent_objective, natural),
        confirmed=_times(confirmed, natural),
        nodes=answer.nodes,
        seconds=answer.seconds + root.counted,
        cpu_seconds=cpu,
        termination_condition=str(answer.termination_condition),
        verdict=judge(answer, confirmed, model.margin),
        solver=answer.solver,
    )


def _root(session: Session, cell: Cell, model: CellModel) -> _Root:
    """The bound of the linear relaxation, and after rounds of separation where asked for."""
    begin, cpu = time.monotonic(), time.process_time()
    first = _relax(session, model, cell.time_limit)
    separation = model.encoding.separation
    if cell.formulation.separation not in ("rounds", "both") or separation is None:
        return _Root(first, first, time.monotonic() - begin)
    found = strengthen(
        session,
        separation,
        model.cost,
        constant=model.constant,
        rounds=cell.formulation.rounds,
        time_limit=max(0.0, cell.time_limit - (time.monotonic() - begin)),
    )
    spent, cpu = time.monotonic() - begin, time.process_time() - cpu
    last = _relax(session, model, cell.time_limit)
    return _Root(first, last, spent, found.rows, spent, cpu)


def _relax(session: Session, model: CellModel, time_limit: float) -> float | None:
    """The bound of the linear relaxation as it is now, by weak duality where there are duals.

    The objective of a solver's optimum is off by its tolerance at each row: on models with tens of
    thousands of rows one was 8e-5 below what the network reaches. Duals give a true bound.
    """
    answer = session.maximize(
        model.cost, constant=model.constant, relaxation=True, time_limit=time_limit
    )
    if answer.row_duals is None:
        return answer.objective_bound
    now = session.current()
    lower, upper = now.row_lower, now.row_upper
    # Any multipliers give a bound; one that asks for a side that its row lacks is rounding.
    side = np.where(answer.row_duals > 0.0, upper, lower)
    duals = np.where(np.isfinite(side), answer.row_duals, 0.0)
    columns = (now.column_lower, now.column_upper)
    return model.constant + dual_bound(model.cost, duals, now.matrix, (lower, upper), columns)


def _solve(session: Session, cell: Cell, model: CellModel, time_limit: float) -> Answer:
    """Branch and bound, to the optimum or until the sign is known."""

    def confirm(point: FloatArray) -> bool:
        return model.reached(model.encoding.inputs_of(point)[None, :]) > 0.0

    by_sign = cell.stop == "sign"
    in_tree = cell.formulation.separation in ("tree", "both")
    return session.maximize(
        model.cost,
        constant=model.constant,
        stop_above=0.0 if by_sign else None,
        stop_below=-model.margin if by_sign else None,
        confirm=confirm if by_sign else None,
        separate=model.encoding.separation if in_tree else None,
        time_limit=time_limit,
        node_limit=cell.node_limit,
    )


def judge(answer: Answer, confirmed: float | None, margin: float) -> str:
    """What is known of the sign."""
    if confirmed is not None and confirmed > 0.0:
        return "witness"
    impossible = answer.termination_condition in IMPOSSIBLE
    bound = answer.objective_bound
    if bound is not None and bound <= -margin and not impossible:
        return "proved"
    return "open"


def _times(value: float | None, factor: float) -> float | None:
    """A bound or objective in natural units, or None where there is no finite one."""
    return None if value is None or not np.isfinite(value) else float(value * factor)
