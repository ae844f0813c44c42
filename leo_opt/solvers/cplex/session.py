"""A model loaded in CPLEX."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers.cplex.callback import CplexCallback, rows_as_lists
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import (
    Answer,
    Question,
    Rows,
    SolverOptions,
    Termination,
)
from leo_opt.solvers.session import Session
from leo_opt.solvers.standard_form import StandardForm
from leo_opt.solvers.watch import Watch

TOO_LARGE = 1016
"""CPLEX's error code for a model beyond the community edition."""

_INFINITY = 1e20
"""What CPLEX takes for infinite."""
_NO_TIME_LIMIT, _NO_NODE_LIMIT = 1e75, 2**62

_TERMINATION = MappingProxyType(
    {
        1: Termination.OPTIMAL,
        2: Termination.UNBOUNDED,
        3: Termination.INFEASIBLE,
        4: Termination.INFEASIBLE_OR_UNBOUNDED,
        10: Termination.ITERATION_LIMIT,
        11: Termination.TIME_LIMIT,
        13: Termination.INTERRUPTED,
        101: Termination.OPTIMAL,
        102: Termination.OPTIMAL,
        103: Termination.INFEASIBLE,
        105: Termination.NODE_LIMIT,
        106: Termination.NODE_LIMIT,
        107: Termination.TIME_LIMIT,
        108: Termination.TIME_LIMIT,
        109: Termination.ERROR,
        110: Termination.ERROR,
        111: Termination.ERROR,
        112: Termination.ERROR,
        113: Termination.INTERRUPTED,
        114: Termination.INTERRUPTED,
        118: Termination.UNBOUNDED,
        119: Termination.INFEASIBLE_OR_UNBOUNDED,
    }
)
"""Words for CPLEX's status codes; what is missing is unknown."""

_TOLERANCES = MappingProxyType(
    {
        "simplex.tolerances.feasibility": "feasibility_tolerance",
        "simplex.tolerances.optimality": "feasibility_tolerance",
        "mip.tolerances.integrality": "integrality_tolerance",
        "mip.tolerances.mipgap": "relative_gap",
        "mip.tolerances.absmipgap": "absolute_gap",
    }
)
"""CPLEX's names of tolerances, and the fields of `SolverOptions` that set them."""


class CplexSession(Session):
    """One CPLEX model."""

    _cplex: Any = None
    _log: Any = None

    def _relaxed(self) -> Session:
        return CplexSession(self.solver, self.state, self.options, relaxation=True)

    def _load(self) -> None:
        """Make a model, and set options, columns and rows."""
        import cplex

        self._package: Any = cplex
        self._fresh = True
        self._close()
        try:
            self._cplex = model = cplex.Cplex()
        except cplex.exceptions.CplexError as error:
            raise SolverError(f"CPLEX does not start: {error}") from error
        self._set_streams(self.options.log_file)
        self._set_options(self.options)
        # A list of kinds, even of continuous ones alone, would make a MILP of a relaxation.
        kinds = {} if self.relaxation else {"types": _kinds(self.form)}
        lower, upper = _clipped(self.state.lower), _clipped(self.state.upper)
        model.variables.add(lb=lower, ub=upper, **kinds)
        model.objective.set_sense(model.objective.sense.maximize)
        self._add_rows(Rows(*self.state.rows()))
        if not self.relaxation:
            self._add_logic(self.form)

    def _set_streams(self, log_file: str | None) -> None:
        if log_file is not None:
            self._log = open(log_file, "a", encoding="utf-8")  # noqa: SIM115
        for stream in (self._cplex.set_log_stream, self._cplex.set_results_stream):
            stream(self._log)
        for stream in (self._cplex.set_warning_stream, self._cplex.set_error_stream):
            stream(self._log)

    def _set_options(self, options: SolverOptions) -> None:
        settings: dict[str, object] = {
            "threads": options.threads,
            "randomseed": options.seed,
            **{name: getattr(options, field) for name, field in _TOLERANCES.items()},
            **options.extra,
        }
        for name, value in settings.items():
            if value is None:
                continue
            try:
                self._parameter(name).set(value)
            except (AttributeError, TypeError, self._package.exceptions.CplexError) as error:
                raise InvalidInputError(
                    f"CPLEX refuses parameter {name} = {value!r}: {error}"
                ) from error

    def _parameter(self, name: str) -> Any:
        """A parameter by its path, such as mip.strategy.probe."""
        found = self._cplex.parameters
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def _add_logic(self, form: StandardForm) -> None:
        """SOS sets and indicators."""
        for group in form.sos:
            members = [group.columns.tolist(), group.weights.tolist()]
            self._cplex.SOS.add(type=str(group.kind), SOS=members)
        for row in form.indicators:
            for sense, side in (("L", row.upper), ("G", row.lower)):
                if np.isfinite(side):
                    self._cplex.indicator_constraints.add(
                        indvar=row.binary,
                        complemented=int(not row.active_value),
                        lin_expr=[row.columns.tolist(), row.coefficients.tolist()],
                        sense=sense,
                        rhs=float(side),
                    )

    @property
    def tolerances(self) -> Mapping[str, float]:
        """CPLEX's own names."""
        return {name: float(self._parameter(name).get()) for name in _TOLERANCES}

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds."""
        names, variables = columns.tolist(), self._cplex.variables
        variables.set_lower_bounds(list(zip(names, _clipped(lower), strict=True)))
        variables.set_upper_bounds(list(zip(names, _clipped(upper), strict=True)))

    def _add_rows(self, rows: Rows) -> None:
        """Append rows."""
        count = rows.lower.size
        if count == 0:
            return
        lower, upper = rows.lower, rows.upper
        ranged = np.isfinite(lower) & np.isfinite(upper)
        senses = np.where(ranged, np.where(lower == upper, "E", "R"), "L")
        senses = np.where(np.isfinite(lower) & ~ranged, "G", senses)
        self._cplex.linear_constraints.add(
            lin_expr=rows_as_lists(rows.matrix),
            senses="".join(senses.tolist()),
            rhs=_clipped(np.where(senses == "L", upper, lower)),
            range_values=np.where(senses == "R", _width(lower, upper), 0.0).tolist(),
        )

    def _remove_rows(self, first: int, count: int) -> None:
        """Delete rows."""
        self._cplex.linear_constraints.delete(first, first + count - 1)

    def _forget(self) -> None:
        """Drop the basis with the next question."""
        self._fresh = True

    def _close(self) -> None:
        """Free the model, and give back the licence."""
        if self._cplex is not None:
            self._cplex.end()
        if self._log is not None:
            self._log.close()
        self._cplex = self._log = None

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        """Answer one question."""
        model, parameters = self._cplex, self._cplex.parameters
        model.objective.set_linear(list(enumerate(question.objective.tolist())))
        model.objective.set_offset(question.constant)
        limit = _NO_TIME_LIMIT if question.time_limit is None else question.time_limit
        parameters.timelimit.set(min(float(limit), _NO_TIME_LIMIT))
        watch = Watch(question, guard)
        if self.relaxation:
            parameters.advance.set(int(not self._fresh))
            self._fresh = False
        else:
            self._prepare_search(question, watch)
        try:
            model.solve()
            if self._condition(watch) == Termination.INFEASIBLE_OR_UNBOUNDED and not guard.hit:
                with self._without_presolve():
                    model.solve()
            return self._read_relaxation(watch) if self.relaxation else self._read(watch)
        except self._package.exceptions.CplexSolverError as error:
            if error.args[2] == TOO_LARGE:
                raise SolverError(
                    f"the model has {model.linear_constraints.get_num()} rows and "
                    f"{self.form.columns} columns, more than the licence of cplex takes; install a "
                    "full licence or take another solver"
                ) from error
            raise

    def _prepare_search(self, question: Question, watch: Watch) -> None:
        """Starting point, node limit, presolve and callback of a branch and bound."""
        model, parameters = self._cplex, self._cplex.parameters
        # CPLEX keeps its last solution as a start, which would make answers depend on questions.
        model.MIP_starts.delete()
        parameters.advance.set(int(question.start is not None))
        if question.start is not None:
            known = np.flatnonzero(~np.isnan(question.start))
            model.MIP_starts.add(
                [known.tolist(), question.start[known].tolist()],
                model.MIP_starts.effort_level.auto,
            )
        nodes = question.node_limit
        parameters.mip.limits.nodes.set(_NO_NODE_LIMIT if nodes is None else nodes)
        # Rows that presolve does not know of forbid reductions by the objective alone.
        has_rows = question.lazy is not None or question.separate is not None
        parameters.preprocessing.reduce.set(1 if question.lazy is not None else 3)
        parameters.preprocessing.reformulations.set(0 if has_rows else 3)
        contexts = self._package.callbacks.Context.id
        mask = contexts.global_progress | contexts.local_progress
        # With a callback for candidates, even one that does nothing, CPLEX 22.2 was seen to end as
        # optimal with a bound on the wrong side of its incumbent.
        if question.lazy is not None:
            mask |= contexts.candidate
        if question.separate is not None:
            mask |= contexts.relaxation
        model.set_callback(CplexCallback(watch, question), mask)

    def _without_presolve(self) -> _Setting:
        presolve = self._cplex.parameters.preprocessing.presolve
        return _Setting({presolve: presolve.values.off})

    def _condition(self, watch: Watch) -> Termination:
        """The status in Pyomo's words; an interrupt has the reason that the watch gave."""
        status = int(self._cplex.solution.get_status())
        condition = _TERMINATION.get(status, Termination.UNKNOWN)
        return watch.interrupted() if condition == Termination.INTERRUPTED else condition

    def _read_relaxation(self, watch: Watch) -> Answer:
        """The answer of a linear program, with duals or a ray."""
        solution = self._cplex.solution
        condition = self._condition(watch)
        solved = condition == Termination.OPTIMAL
        return Answer(
            termination_condition=condition,
            objective_bound=solution.get_objective_value() if solved else None,
            point=np.array(solution.get_values()) if solved else None,
            row_duals=np.array(solution.get_dual_values()) if solved else None,
            ray=self._ray() if condition == Termination.INFEASIBLE else None,
            iterations=int(solution.progress.get_num_iterations()),
            message=solution.get_status_string(),
        )

    def _ray(self) -> FloatArray | None:
        """A Farkas ray, for which CPLEX has to solve once more by the dual simplex method."""
        parameters = self._cplex.parameters
        methods, presolve = parameters.lpmethod, parameters.preprocessing.presolve
        with _Setting({methods: methods.values.dual, presolve: presolve.values.off}):
            try:
                self._cplex.solve()
                ray, _ = self._cplex.solution.advanced.dual_farkas()
            except self._package.exceptions.CplexSolverError:
                return None
        return np.array(ray)

    def _read(self, watch: Watch) -> Answer:
        """The answer of branch and bound."""
        solution = self._cplex.solution
        condition = self._condition(watch)
        point = watch.confirmed
        if point is None and solution.is_primal_feasible():
            point = np.array(solution.get_values())
        stopped = condition == Termination.OBJECTIVE_LIMIT
        try:
            bound = float(solution.MIP.get_best_objective())
        except self._package.exceptions.CplexSolverError:
            bound = None
        return Answer(
            termination_condition=condition,
            objective_bound=bound,
            stopped_by=watch.stopped_by if stopped else None,
            point=point,
            nodes=int(solution.progress.get_num_nodes_processed()),
            iterations=int(solution.progress.get_num_iterations()),
            message=solution.get_status_string(),
        )


class _Setting:
    """Parameters with other values for a while."""

    def __init__(self, values: Mapping[Any, Any]) -> None:
        self._values = values
        self._before: dict[Any, Any] = {}

    def __enter__(self) -> None:
        self._before = {parameter: parameter.get() for parameter in self._values}
        for parameter, value in self._values.items():
            parameter.set(value)

    def __exit__(self, *_error: object) -> None:
        for parameter, value in self._before.items():
            parameter.set(value)


def _kinds(form: StandardForm) -> str:
    """CPLEX's letters for continuous and integer columns."""
    return "".join(np.where(form.integer, "I", "C").tolist())


def _clipped(values: FloatArray) -> list[float]:
    clipped: list[float] = np.clip(values, -_INFINITY, _INFINITY).tolist()
    return clipped


def _width(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """upper - lower where both are finite, else 0."""
    both = np.isfinite(lower) & np.isfinite(upper)
    return np.where(both, np.where(both, upper, 0.0) - np.where(both, lower, 0.0), 0.0)
