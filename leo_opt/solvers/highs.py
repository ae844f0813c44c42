"""HiGHS through highspy: the built-in solver."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from leo_opt.errors import SolverError, SolverNotAvailableError
from leo_opt.solvers.base import Answer, Feature, FloatArray, Session, Solver, SolverOptions
from leo_opt.solvers.standard_form import StandardForm

_SMALLEST_ENTRY = 1e-12
"""The least matrix entry that HiGHS keeps; below, the formulation has to speak for it."""


def _import_highspy() -> Any:
    try:
        import highspy
    except ImportError as error:
        raise SolverNotAvailableError("HiGHS needs highspy: pip install highspy") from error
    return highspy


class Highs(Solver):
    """The HiGHS backend."""

    name = "highs"
    features = frozenset(
        {
            Feature.STOP_ON_BOUND,
            Feature.STOP_ON_INCUMBENT,
            Feature.CONFIRM_INCUMBENT,
            Feature.WARM_START,
            Feature.RAYS,
        }
    )

    def version(self) -> str:
        """Version of the HiGHS library."""
        return str(_import_highspy().Highs().version())

    def available(self) -> bool:
        """HiGHS is a required dependency; still it is looked for."""
        from importlib.util import find_spec

        return find_spec("highspy") is not None

    def open(self, form: StandardForm, options: SolverOptions = SolverOptions()) -> Session:  # noqa: B008
        """Load a compiled model with one call."""
        return HighsSession(form, options)


@dataclass
class _Watch:
    """What the callbacks of one solve look for and what they found."""

    stop_above: float | None
    stop_below: float | None
    confirm: Callable[[FloatArray], bool] | None
    sign: float
    confirmed: bool = False
    stopped_by: str | None = None


class HighsSession(Session):
    """A model in one HiGHS instance."""

    def __init__(self, form: StandardForm, options: SolverOptions) -> None:
        highspy = _import_highspy()
        self._highspy = highspy
        self._form = form
        self._options = options
        self._highs = highspy.Highs()
        self._watch: _Watch | None = None
        self._relaxed = False
        self._set_options()
        self._pass_model()
        self._highs.cbMipInterrupt += self._on_interrupt
        self._highs.cbMipImprovingSolution += self._on_solution

    def _set_options(self) -> None:
        options = self._options
        settings: dict[str, object] = {
            "output_flag": options.log_file is not None,
            "log_to_console": False,
            "log_file": options.log_file or "",
            "threads": options.threads,
            "random_seed": options.seed,
            "mip_rel_gap": options.relative_gap,
            "mip_abs_gap": options.absolute_gap,
            "primal_feasibility_tolerance": options.feasibility_tolerance,
            "dual_feasibility_tolerance": options.feasibility_tolerance,
            "mip_feasibility_tolerance": options.integrality_tolerance,
            "small_matrix_value": _SMALLEST_ENTRY,
            **options.extra,
        }
        for name, value in settings.items():
            if self._highs.setOptionValue(name, value) != self._highspy.HighsStatus.kOk:
                raise SolverError(f"HiGHS refuses option {name} = {value!r}; see its manual")

    def _pass_model(self) -> None:
        form, highspy = self._form, self._highspy
        entries = np.abs(form.matrix.data)
        small = entries[(entries > 0.0) & (entries <= _SMALLEST_ENTRY)]
        if small.size:
            raise SolverError(
                f"the model has an entry of {small[0]:g}, which HiGHS would drop silently; "
                "scale the model, or leave the entry out and widen its row"
            )
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(form.column_lower), len(form.row_lower)
        lp.col_cost_ = np.zeros(lp.num_col_)
        lp.col_lower_, lp.col_upper_ = form.column_lower, form.column_upper
        lp.row_lower_, lp.row_upper_ = form.row_lower, form.row_upper
        lp.sense_ = highspy.ObjSense.kMaximize
        matrix = sparse.csr_matrix(form.matrix)
        matrix.eliminate_zeros()
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = matrix.indptr
        lp.a_matrix_.index_ = matrix.indices
        lp.a_matrix_.value_ = matrix.data
        lp.integrality_ = self._integrality(relaxed=False)
        if self._highs.passModel(lp) == highspy.HighsStatus.kError:
            raise SolverError("HiGHS refuses the model; check it for infinite or NaN entries")

    def _integrality(self, relaxed: bool) -> list[Any]:
        kinds = self._highspy.HighsVarType
        return [
            kinds.kInteger if integer and not relaxed else kinds.kContinuous
            for integer in self._form.integer
        ]

    @property
    def tolerances(self) -> Mapping[str, float]:
        """HiGHS's own names."""
        names = (
            "mip_feasibility_tolerance",
            "primal_feasibility_tolerance",
            "dual_feasibility_tolerance",
        )
        return {name: float(self._highs.getOptionValue(name)[1]) for name in names}

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
        """See `Session.maximize`."""
        self._watch = _Watch(stop_above, stop_below, confirm, 1.0)
        return self._solve(objective, constant, relaxation, True, time_limit, node_limit)

    def _solve(
        self,
        objective: FloatArray,
        constant: float,
        relaxation: bool,
        maximize: bool,
        time_limit: float | None,
        node_limit: int | None,
    ) -> Answer:
        highs = self._highs
        columns = np.arange(len(objective), dtype=np.int32)
        highs.changeColsCost(len(objective), columns, np.asarray(objective, dtype=np.float64))
        highs.changeObjectiveOffset(constant)
        self._relax(relaxation)
        if not relaxation:
            highs.clearSolver()
        limit = time_limit if time_limit is not None else self._options.time_limit
        highs.setOptionValue("time_limit", float("inf") if limit is None else float(limit))
        nodes = node_limit if node_limit is not None else self._options.node_limit
        most = self._highspy.kHighsIInf if nodes is None else int(nodes)
        highs.setOptionValue("mip_max_nodes", most)
        begin = time.monotonic()
        highs.run()
        return self._read(relaxation, time.monotonic() - begin)

    def _relax(self, relaxed: bool) -> None:
        if relaxed != self._relaxed and self._form.integer.any():
            columns = np.arange(len(self._form.integer), dtype=np.int32)
            kinds = np.array([int(kind) for kind in self._integrality(relaxed)], dtype=np.uint8)
            self._highs.changeColsIntegrality(len(columns), columns, kinds)
        self._relaxed = relaxed

    def _read(self, relaxation: bool, seconds: float) -> Answer:
        highs, info, watch = self._highs, self._highs.getInfo(), self._watch
        assert watch is not None
        status = str(highs.getModelStatus()).rpartition(".")[2]
        word, stopped_by = _STATUS.get(status, ("unknown", None))
        if watch.stopped_by is not None and status in ("kInterrupt", "kObjectiveTarget"):
            word, stopped_by = "objectiveLimit", watch.stopped_by
        has_point = info.primal_solution_status == 2
        mip = bool(self._form.integer.any()) and not relaxation
        point = np.array(highs.getSolution().col_value) if has_point else None
        value = float(info.objective_function_value) if has_point else None
        bound: float | None
        if mip:
            bound = float(info.mip_dual_bound)
        else:
            bound = value if word == "optimal" else None
        if word in ("infeasible", "unbounded", "infeasibleOrUnbounded", "error"):
            bound = None
        if bound is not None and not np.isfinite(bound):
            bound = None
        duals = np.array(highs.getSolution().row_dual) if not mip and has_point else None
        return Answer(
            incumbent_objective=value,
            objective_bound=bound,
            termination_condition=word,
            stopped_by=stopped_by,
            point=point,
            row_duals=duals,
            ray=None,
            nodes=max(0, int(info.mip_node_count)) if mip else 0,
            seconds=seconds,
            message=status,
        )

    def _on_solution(self, event: Any) -> None:
        """Ask whether an improving point is the one that was looked for."""
        watch = self._watch
        if watch is None or watch.stop_above is None or watch.confirmed:
            return
        if float(event.data_out.objective_function_value) > watch.stop_above:
            point = np.array(event.data_out.mip_solution, dtype=np.float64)
            watch.confirmed = watch.confirm is None or watch.confirm(point)

    def _on_interrupt(self, event: Any) -> None:
        """Say at every limit check whether to stop; the flag is sticky, so it is always set."""
        watch = self._watch
        stop = False
        if watch is not None:
            bound = float(event.data_out.mip_dual_bound)
            if watch.confirmed:
                stop, watch.stopped_by = True, "incumbent"
            elif watch.stop_below is not None and bound < watch.stop_below:
                # -inf is what HiGHS reports for "infeasible", which is no bound.
                if np.isfinite(bound):
                    stop, watch.stopped_by = True, "bound"
        event.interrupt(stop)

    def set_bounds(self, columns: NDArray[np.int64], lower: FloatArray, upper: FloatArray) -> None:
        """Change column bounds for the questions to come."""
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), lower, upper)

    def reset_bounds(self, columns: NDArray[np.int64]) -> None:
        """Give columns the bounds of the compiled model again."""
        form = self._form
        self.set_bounds(columns, form.column_lower[columns], form.column_upper[columns])

    def add_rows(self, matrix: sparse.csr_matrix, lower: FloatArray, upper: FloatArray) -> None:
        """Append rows."""
        rows = sparse.csr_matrix(matrix)
        self._highs.addRows(
            rows.shape[0],
            lower,
            upper,
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data,
        )

    def close(self) -> None:
        """Free the instance."""
        self._highs.clear()


_STATUS: dict[str, tuple[str, str | None]] = {
    "kOptimal": ("optimal", None),
    "kInfeasible": ("infeasible", None),
    "kUnbounded": ("unbounded", None),
    "kUnboundedOrInfeasible": ("infeasibleOrUnbounded", None),
    "kTimeLimit": ("maxTimeLimit", "limit"),
    "kIterationLimit": ("iterationLimit", "limit"),
    "kSolutionLimit": ("nodeLimit", "limit"),
    "kObjectiveBound": ("objectiveLimit", "bound"),
    "kObjectiveTarget": ("objectiveLimit", "incumbent"),
    "kInterrupt": ("interrupted", "limit"),
    "kModelEmpty": ("optimal", None),
    "kSolveError": ("error", None),
    "kLoadError": ("error", None),
    "kModelError": ("error", None),
    "kPresolveError": ("error", None),
    "kPostsolveError": ("error", None),
    "kMemoryLimit": ("error", None),
}
