"""A model loaded in HiGHS."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import SolverError
from leo_opt.solvers.highs.callback import HighsCallback
from leo_opt.solvers.highs.options import quiet_highs, read_tolerances, set_options, use_threads
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import Answer, Question, Rows, Termination
from leo_opt.solvers.session import Session
from leo_opt.solvers.watch import Watch

_ROWWISE, _MAXIMIZE = 2, -1
_FEASIBLE = 2
"""HiGHS's code for a solution that is feasible."""

_TERMINATION = MappingProxyType(
    {
        "kOptimal": Termination.OPTIMAL,
        "kModelEmpty": Termination.OPTIMAL,
        "kInfeasible": Termination.INFEASIBLE,
        "kUnbounded": Termination.UNBOUNDED,
        "kUnboundedOrInfeasible": Termination.INFEASIBLE_OR_UNBOUNDED,
        "kTimeLimit": Termination.TIME_LIMIT,
        "kIterationLimit": Termination.ITERATION_LIMIT,
        "kSolutionLimit": Termination.NODE_LIMIT,
        "kObjectiveBound": Termination.OBJECTIVE_LIMIT,
        "kObjectiveTarget": Termination.OBJECTIVE_LIMIT,
        "kInterrupt": Termination.INTERRUPTED,
        "kHighsInterrupt": Termination.INTERRUPTED,
        "kMemoryLimit": Termination.ERROR,
        "kLoadError": Termination.ERROR,
        "kModelError": Termination.ERROR,
        "kPresolveError": Termination.ERROR,
        "kSolveError": Termination.ERROR,
        "kPostsolveError": Termination.ERROR,
    }
)
"""Words for HiGHS's model status; what is missing is unknown."""

_A_WHILE = 1.0
"""Seconds for which Ctrl-C may have to wait until a linear program ends."""

_WORTH_ANOTHER_TRY = frozenset({"kUnknown", "kSolveError"})
"""Ends of a linear program, perhaps of a bad basis, after which it is solved from scratch."""


class HighsSession(Session):
    """One HiGHS object with the model as it is now."""

    _highs: Any = None

    def _relaxed(self) -> Session:
        return HighsSession(self.solver, self.state, self.options, relaxation=True)

    def _guards(self, question: Question) -> bool:
        """Linear programs call no Python before they have taken a while."""
        return not question.relaxation

    def _load(self) -> None:
        import highspy

        self._highspy = highspy
        self._highs = quiet_highs()
        # The callback must not refer to the HiGHS object that holds it: such a cycle is never
        # collected.
        self._callback = HighsCallback()
        set_options(self._highs, self.options)
        self._pass_model()
        self._checked(self._highs.setCallback(self._callback, None), "a callback")
        kinds = highspy.cb.HighsCallbackType
        self._kinds = (
            (kinds.kCallbackSimplexInterrupt, kinds.kCallbackIpmInterrupt)
            if self.relaxation
            else (kinds.kCallbackMipInterrupt, kinds.kCallbackMipImprovingSolution)
        )
        self._calls_back = False
        if not self.relaxation:
            self._start_callbacks()

    def _start_callbacks(self) -> None:
        for kind in self._kinds:
            self._checked(self._highs.startCallback(kind), "a callback")
        self._calls_back = True

    def _checked(self, status: Any, what: str) -> None:
        if status == self._highspy.HighsStatus.kError:
            raise SolverError(f"HiGHS refuses {what}; check the model for extreme numbers")

    def _pass_model(self) -> None:
        state, form = self.state, self.form
        matrix, row_lower, row_upper = state.rows()
        integer = np.zeros(form.columns) if self.relaxation else form.integer
        status = self._highs.passModel(
            form.columns,
            matrix.shape[0],
            matrix.nnz,
            _ROWWISE,
            _MAXIMIZE,
            0.0,
            np.zeros(form.columns),
            state.lower,
            state.upper,
            row_lower,
            row_upper,
            matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
            integer.astype(np.int32),
        )
        self._checked(status, "the model")
        self._columns = np.arange(form.columns, dtype=np.int32)

    @property
    def tolerances(self) -> Mapping[str, float]:
        """HiGHS's own names.

        Branch and bound drops nodes that would improve the incumbent by no more than
        mip_feasibility_tolerance, so an objective bound may be short by that much.
        """
        return read_tolerances(self._highs)

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        where = columns.astype(np.int32)
        status = self._highs.changeColsBounds(where.size, where, lower, upper)
        self._checked(status, "column bounds")

    def _add_rows(self, rows: Rows) -> None:
        """Append rows."""
        matrix = rows.matrix
        status = self._highs.addRows(
            matrix.shape[0],
            rows.lower,
            rows.upper,
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )
        self._checked(status, "added rows")

    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        where = np.arange(first, first + count, dtype=np.int32)
        self._checked(self._highs.deleteRows(count, where), "the removal of rows")

    def _forget(self) -> None:
        """Drop basis and solution."""
        self._highs.clearSolver()

    def _close(self) -> None:
        """Free the model; HiGHS frees the rest with the object."""
        if self._highs is not None:
            self._highs.setCallback(None, None)
            self._highs.clear()

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question."""
        highs = self._highs
        status = highs.changeColsCost(self._columns.size, self._columns, question.objective)
        self._checked(status, "the objective")
        highs.changeObjectiveOffset(question.constant)
        nodes = question.node_limit
        most = self._highspy.kHighsIInf if nodes is None else int(nodes)
        highs.setOptionValue("mip_max_nodes", most)
        watch = Watch(question, guard)
        limit = math.inf if question.time_limit is None else max(0.0, float(question.time_limit))
        if self.relaxation:
            self._run_relaxation(watch, limit)
            return self._read_relaxation(watch)
        highs.clearSolver()
        if question.start is not None:
            known = np.flatnonzero(~np.isnan(question.start)).astype(np.int32)
            highs.setSolution(known.size, known, question.start[known])
        self._run(watch, limit)
        return self._read(watch)

    def _run_relaxation(self, watch: Watch, limit: float) -> None:
        """Solve a linear program, with callbacks only if it takes a while: they cost 5 %."""
        begin = time.monotonic()
        if self._calls_back:
            watch.guard.arm()
            self._run(watch, limit)
        else:
            self._run(watch, min(limit, _A_WHILE))
            left = limit - (time.monotonic() - begin)
            if self._status() == "kTimeLimit" and left > 0.0:
                self._start_callbacks()
                watch.guard.arm()
                self._run(watch, left)
        if self._status() in _WORTH_ANOTHER_TRY and not watch.guard.hit:
            self._highs.clearSolver()
            self._run(watch, max(0.0, limit - (time.monotonic() - begin)))
        if self._status() == "kInfeasible" and not self._highs.getDualRay()[1]:
            # Presolve has no ray for what it finds infeasible.
            before = self._highs.getOptionValue("presolve")[1]
            self._highs.clearSolver()
            self._highs.setOptionValue("presolve", "off")
            self._run(watch, max(0.0, limit - (time.monotonic() - begin)))
            self._highs.setOptionValue("presolve", before)

    def _run(self, watch: Watch, limit: float) -> None:
        # The limit of a linear program counts from when the object was made, that of branch and
        # bound from when it is run.
        spent = self._highs.getRunTime() if self.relaxation else 0.0
        self._highs.setOptionValue("time_limit", spent + limit)
        use_threads(self.options.threads)
        self._callback.watch = watch
        try:
            self._highs.run()
        finally:
            self._callback.watch = None

    def _status(self) -> str:
        return str(self._highs.getModelStatus().name)

    def _read_relaxation(self, watch: Watch) -> Answer:
        """The answer of a linear program, with duals or a ray."""
        highs, info, name = self._highs, self._highs.getInfo(), self._status()
        condition = _condition(name, watch)
        solution = highs.getSolution()
        solved = condition == Termination.OPTIMAL
        ray = None
        # Where HiGHS gives up it may hold a ray all the same.
        if condition in (Termination.INFEASIBLE, Termination.UNKNOWN):
            _, known, values = highs.getDualRay()
            ray = np.array(values) if known else None
        point, message = self._point(solved, name)
        return Answer(
            termination_condition=condition,
            objective_bound=info.objective_function_value if solved else None,
            point=point,
            row_duals=np.array(solution.row_dual) if solved else None,
            ray=ray,
            iterations=max(0, int(info.simplex_iteration_count)),
            message=message,
        )

    def _point(self, solved: bool, name: str) -> tuple[FloatArray | None, str]:
        """The point that HiGHS has found, and its status with what is to be said about it."""
        info, solution = self._highs.getInfo(), self._highs.getSolution()
        if info.primal_solution_status == _FEASIBLE:
            return np.array(solution.col_value), name
        if not (solved and solution.value_valid):
            return None, name
        # Found optimal in units of its own; here rows are violated by more than the tolerance.
        violation = f"the point violates rows by {info.max_primal_infeasibility:.2g}"
        return np.array(solution.col_value), f"{name}; {violation}"

    def _read(self, watch: Watch) -> Answer:
        """The answer of branch and bound."""
        info, name = self._highs.getInfo(), self._status()
        condition = _condition(name, watch)
        found, message = self._point(condition == Termination.OPTIMAL, name)
        point = found if watch.confirmed is None else watch.confirmed
        stopped = condition == Termination.OBJECTIVE_LIMIT
        return Answer(
            termination_condition=condition,
            objective_bound=info.mip_dual_bound,
            stopped_by=watch.stopped_by if stopped else None,
            point=point,
            nodes=max(0, int(info.mip_node_count)),
            iterations=max(0, int(info.simplex_iteration_count)),
            message=message,
        )


def _condition(name: str, watch: Watch) -> Termination:
    """A model status in Pyomo's words; an interrupt has the reason that the watch gave."""
    condition = _TERMINATION.get(name, Termination.UNKNOWN)
    return watch.interrupted() if condition == Termination.INTERRUPTED else condition
