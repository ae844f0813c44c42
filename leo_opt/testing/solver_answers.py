"""Checks of what a solver answers."""

from __future__ import annotations

import numpy as np

from leo_opt.errors import SolverError
from leo_opt.solvers import (
    Feature,
    IndicatorRow,
    Solver,
    SolverOptions,
    SosSet,
    StandardForm,
)
from leo_opt.testing.models import (
    close,
    enumerated_maximum,
    expect,
    knapsack,
    random_form,
    random_objective,
    small_form,
)

_MODELS = 6
"""Random models in each check that uses them."""


def check_optimal(solver: Solver) -> None:
    """Optima equal those of enumeration, each part of which weak duality proves."""
    for seed in range(_MODELS):
        form = random_form(seed)
        objective = random_objective(seed, form)
        with solver.open(form) as session:
            answer = session.maximize(objective)
            value = answer.incumbent_objective
            expect(answer.termination_condition == "optimal", f"seed {seed}: {answer}")
            expect(answer.stopped_by is None, f"seed {seed}: stopped by {answer.stopped_by}")
            assert answer.point is not None
            violation = form.violation(answer.point)
            expect(violation < 1e-5, f"seed {seed}: the point violates the model by {violation}")
            if Feature.DUAL_BOUND in solver.features:
                expect(
                    close(answer.objective_bound, value, 1e-5),
                    f"seed {seed}: bound {answer.objective_bound} and incumbent {value}",
                )
            if {Feature.DUALS, Feature.RAYS} <= solver.features:
                truth = enumerated_maximum(session, objective)
                expect(close(value, truth, 1e-5), f"seed {seed}: {value} instead of {truth}")
    form, objective, best = knapsack()
    with solver.open(form) as session:
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, best), f"knapsack: {answer}, best is {best}")


def check_infeasible(solver: Solver) -> None:
    """An infeasible model has no bound and no point; its relaxation has a Farkas ray."""
    for seed in range(_MODELS):
        form = random_form(seed)
        far = 10.0 + np.abs(form.matrix).sum(axis=1) @ np.ones(form.rows) * 20.0
        matrix = np.vstack([form.matrix.toarray(), form.matrix.toarray()[:1]])
        matrix[-1, 0] = 1.0
        broken = StandardForm(
            matrix=matrix,
            row_lower=np.append(form.row_lower, far),
            row_upper=np.append(form.row_upper, np.inf),
            column_lower=form.column_lower,
            column_upper=form.column_upper,
            integer=form.integer,
        )
        with solver.open(broken) as session:
            for relaxation in (False, True):
                answer = session.maximize(random_objective(seed, form), relaxation=relaxation)
                expect(answer.termination_condition == "infeasible", f"seed {seed}: {answer}")
                expect(
                    answer.objective_bound is None
                    and answer.incumbent_objective is None
                    and answer.point is None,
                    f"seed {seed}: an infeasible model has no bound and no point: {answer}",
                )
            # The base class lets a ray through only if it proves infeasibility.
            if Feature.RAYS in solver.features:
                expect(answer.ray is not None, f"seed {seed}: no ray that proves infeasibility")
    _check_infeasible_only_as_milp(solver)


def _check_infeasible_only_as_milp(solver: Solver) -> None:
    """2 x = 1 has a real solution and no whole one."""
    form = small_form([[2.0, 2.0]], ([1.0], [1.0]), ([0.0, 0.0], [5.0, 5.0]), [True, True])
    with solver.open(form) as session:
        answer = session.maximize([1.0, 0.0])
        expect(answer.termination_condition == "infeasible", f"2x + 2y = 1: {answer}")
        expect(answer.objective_bound is None, f"2x + 2y = 1: {answer}")
        relaxed = session.maximize([1.0, 0.0], relaxation=True)
        expect(close(relaxed.incumbent_objective, 0.5), f"2x + 2y = 1 relaxed: {relaxed}")


def check_unbounded(solver: Solver) -> None:
    """An unbounded model has no bound."""
    for integer in (False, True):
        form = small_form(
            [[1.0, -1.0]], ([0.0], [2.0]), ([0.0, 0.0], [np.inf, np.inf]), [integer, False]
        )
        with solver.open(form) as session:
            answer = session.maximize([1.0, 1.0])
            expect(
                answer.termination_condition in ("unbounded", "infeasibleOrUnbounded", "unknown"),
                f"an unbounded model ended {answer}",
            )
            expect(answer.objective_bound is None, f"an unbounded model has a bound: {answer}")
            bounded = session.minimize([1.0, 1.0])
            expect(close(bounded.incumbent_objective, 0.0), f"the other sense ended {bounded}")


def check_both_senses(solver: Solver) -> None:
    """min c x = -max -c x, and bounds lie on the right side."""
    for seed in range(_MODELS):
        form = random_form(seed)
        objective = random_objective(seed, form)
        with solver.open(form) as session:
            for relaxation in (False, True):
                least = session.minimize(objective, relaxation=relaxation)
                most = session.maximize(-objective, relaxation=relaxation)
                assert most.incumbent_objective is not None
                expect(
                    close(least.incumbent_objective, -most.incumbent_objective),
                    f"seed {seed}: {least} and {most}",
                )
                if least.objective_bound is not None and least.incumbent_objective is not None:
                    expect(
                        least.objective_bound <= least.incumbent_objective + 1e-6,
                        f"seed {seed}: a minimum above its incumbent: {least}",
                    )


def check_constant(solver: Solver) -> None:
    """A constant moves incumbent and bound, and stops are meant with it."""
    form, objective, best = knapsack()
    with solver.open(form) as session:
        for constant in (-7.25, 0.0, 1000.0):
            for relaxation in (False, True):
                answer = session.maximize(objective, constant=constant, relaxation=relaxation)
                plain = session.maximize(objective, relaxation=relaxation)
                assert plain.incumbent_objective is not None
                shifted = plain.incumbent_objective + constant
                expect(close(answer.incumbent_objective, shifted), f"{answer}, not {shifted}")
                if answer.objective_bound is not None:
                    expect(close(answer.objective_bound, shifted, 1e-5), f"{answer}")
            least = session.minimize(-objective, constant=-constant)
            expect(close(least.incumbent_objective, -best - constant), f"minimised: {least}")
            never = session.maximize(objective, constant=constant, stop_above=best + constant + 0.5)
            expect(never.termination_condition == "optimal", f"stopped too early: {never}")
            if Feature.STOP_ON_BOUND in solver.features:
                kept = session.maximize(
                    objective, constant=constant, stop_below=best + constant - 0.5
                )
                expect(kept.termination_condition == "optimal", f"stopped too early: {kept}")


def _chain(
    scale: float,
) -> tuple[StandardForm, np.ndarray[tuple[int], np.dtype[np.float64]], float]:
    """Big-M model of y = max(0, scale * (x1 - x2)), z = max(0, y / scale - 0.5) on [0, 1]^2.

    Columns x1, x2, y, a, z, b. The objective z - x2 has the maximum 0.5.
    """
    inf = np.inf
    matrix = np.array(
        [
            [-scale, scale, 1.0, 0.0, 0.0, 0.0],
            [-scale, scale, 1.0, scale, 0.0, 0.0],
            [0.0, 0.0, 1.0, -scale, 0.0, 0.0],
            [0.0, 0.0, -1.0 / scale, 0.0, 1.0, 0.0],
            [0.0, 0.0, -1.0 / scale, 0.0, 1.0, 0.5],
            [0.0, 0.0, 0.0, 0.0, 1.0, -0.5],
        ]
    )
    form = StandardForm(
        matrix=matrix,
        row_lower=np.array([0.0, -inf, -inf, -0.5, -inf, -inf]),
        row_upper=np.array([inf, scale, 0.0, inf, 0.0, 0.0]),
        column_lower=np.zeros(6),
        column_upper=np.array([1.0, 1.0, scale, 1.0, 0.5, 1.0]),
        integer=np.array([0, 0, 0, 1, 0, 1], dtype=bool),
    )
    return form, np.array([0.0, -1.0, 0.0, 0.0, 1.0, 0.0]), 0.5


def check_tiny_and_huge(solver: Solver) -> None:
    """Models of the range that formulations write are solved right.

    Of badly scaled ones solvers say that they are infeasible; that must come without bound.
    """
    for scale in (1.0, 2.0**-3, 2.0**4):
        form, objective, best = _chain(scale)
        with solver.open(form) as session:
            answer = session.maximize(objective)
            expect(close(answer.incumbent_objective, best, 1e-5), f"scale {scale}: {answer}")
    for scale in (2.0**-20, 2.0**-14, 2.0**14, 2.0**20):
        form, objective, _ = _chain(scale)
        point = np.array([1.0, 0.0, scale, 1.0, 0.5, 1.0])
        expect(form.violation(point) == 0.0, "the suite's own point violates its model")
        with solver.open(form) as session:
            answer = session.maximize(objective)
            if answer.termination_condition == "infeasible":
                expect(answer.objective_bound is None, f"scale {scale}: {answer}")


def check_small_entries(solver: Solver) -> None:
    """Entries that a solver would drop count: they widen their row, or the model is refused."""
    cases = ((1e-5, 1e4), (1e-10, 1e4), (1e-10, 1e10), (3e-13, 1e4), (3e-13, 1e13), (1e-20, 1e19))
    for entry, width in cases:
        form = small_form([[1.0, entry]], ([0.0], [0.0]), ([-9.0, -width], [9.0, 0.0]), [False] * 2)
        with solver.open(form) as session:
            answer = session.maximize([1.0, 0.0])
            bound, truth = answer.objective_bound, entry * width
            if bound is not None:
                expect(bound >= truth - 2e-6 * (1.0 + truth), f"entry {entry}: {answer}")
            added = session.add_rows([[1.0, -entry]], [0.0], [np.inf])
            session.remove(added)
    unbounded = small_form(
        [[1.0, 1e-30]], ([0.0], [0.0]), ([-1.0, 0.0], [1.0, np.inf]), [False] * 2
    )
    if solver.smallest_entry > 1e-30:
        try:
            solver.open(unbounded).close()
        except SolverError:
            return
        expect(False, "a small entry at an unbounded column was dropped silently")


def check_determinism(solver: Solver) -> None:
    """Two new sessions with one seed give one answer, whatever was asked before."""
    form = random_form(1, binaries=8, reals=12, rows=14)
    objectives = [random_objective(seed, form) for seed in range(3)]
    answers = []
    for order in ((0, 1, 2), (1, 2, 0)):
        with solver.open(form, SolverOptions(seed=5)) as session:
            asked = {k: session.maximize(objectives[k]) for k in order}
            answers.append([asked[k] for k in range(3)])
    for first, second in zip(*answers, strict=True):
        assert first.point is not None
        assert second.point is not None
        expect(
            np.array_equal(first.point, second.point)
            and first.objective_bound == second.objective_bound
            and first.nodes == second.nodes,
            f"{first} and {second}",
        )


def check_sos(solver: Solver) -> None:
    """At most one member of an SOS1 set is nonzero; or such a model is refused."""
    for kind, feature, best in ((1, Feature.SOS1, 4.0), (2, Feature.SOS2, 7.0)):
        group = SosSet(kind, np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0]))
        form = small_form(
            [[1.0, 1.0, 1.0]],
            ([-np.inf], [9.0]),
            ([0.0] * 3, [2.0, 3.0, 4.0]),
            [False] * 3,
            sos=(group,),
        )
        if feature not in solver.features:
            _expect_refusal(solver, form, feature)
            continue
        with solver.open(form) as session:
            answer = session.maximize([1.0, 1.0, 1.0])
            expect(close(answer.incumbent_objective, best), f"SOS{kind}: {answer}, not {best}")
            assert answer.point is not None
            expect(form.violation(answer.point) < 1e-6, f"SOS{kind}: {answer.point}")
            relaxed = session.maximize([1.0, 1.0, 1.0], relaxation=True)
            expect(close(relaxed.incumbent_objective, 9.0), f"SOS{kind} relaxed: {relaxed}")


def check_indicators(solver: Solver) -> None:
    """A row holds where its binary has the value, and only there; or the model is refused."""
    for value in (True, False):
        row = IndicatorRow(0, value, np.array([1, 2]), np.array([1.0, 1.0]), 1.0, 2.0)
        form = small_form(
            [[0.0, 1.0, -1.0]],
            ([-np.inf], [5.0]),
            ([0.0] * 3, [1.0, 5.0, 5.0]),
            [True, False, False],
            indicators=(row,),
        )
        if Feature.INDICATOR not in solver.features:
            _expect_refusal(solver, form, Feature.INDICATOR)
            continue
        with solver.open(form) as session:
            # Where the row holds, 2 is left of the 10 that x + y can be.
            answer = session.maximize([5.0 if value else -5.0, 1.0, 1.0])
            truth = 10.0 if value else 5.0
            expect(close(answer.incumbent_objective, truth), f"{value}: {answer}, not {truth}")
            session.fix([0], [float(value)])
            tight = session.maximize([0.0, 1.0, 1.0])
            expect(close(tight.incumbent_objective, 2.0), f"{value}: {tight}")
            least = session.minimize([0.0, 1.0, 1.0])
            expect(close(least.incumbent_objective, 1.0), f"{value}: {least}")


def _expect_refusal(solver: Solver, form: StandardForm, feature: Feature) -> None:
    try:
        solver.open(form).close()
    except SolverError as error:
        expect(feature in str(error), f"the refusal does not name {feature}: {error}")
        return
    expect(False, f"{solver.name} takes a model that needs {feature} without declaring it")
