"""Checks of how a solve ends early, and of functions that run inside it."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.errors import SolverError
from leo_opt.solvers import Feature, Rows, Solver, SolverOptions
from leo_opt.testing.models import close, expect, hard_form, knapsack, random_form, random_objective

_PATIENCE = 5.0
"""Seconds after which a solve that was to stop has failed to."""


def check_time_limit(solver: Solver) -> None:
    """A time limit ends the solve in time, each time, with what is known by then."""
    form, objective = hard_form()
    with solver.open(form, SolverOptions(time_limit=0.3)) as session:
        for limit in (0.15, None, 0.15):
            answer = session.maximize(objective, time_limit=limit)
            expect(answer.termination_condition == "maxTimeLimit", f"{answer}")
            expect(answer.stopped_by == "limit", f"stopped by {answer.stopped_by}")
            wanted = limit or 0.3
            expect(wanted / 2 < answer.seconds < wanted + _PATIENCE, f"took {answer.seconds} s")
            if answer.incumbent_objective is not None and answer.objective_bound is not None:
                expect(answer.incumbent_objective <= answer.objective_bound + 1e-6, f"{answer}")
        nothing = session.maximize(objective, time_limit=0.0)
        expect(nothing.termination_condition == "maxTimeLimit", f"limit 0: {nothing}")
        quick = session.maximize(np.zeros(form.columns), relaxation=True, time_limit=60.0)
        expect(quick.termination_condition == "optimal", f"after time limits: {quick}")


def check_relaxation_time(solver: Solver) -> None:
    """A time limit is for one linear relaxation, not for all that a session has solved."""
    form = random_form(8, binaries=0, reals=150, rows=70)
    with solver.open(form) as session:
        spent, limit = 0.0, 0.0
        for k in range(60):
            session.forget()
            objective = random_objective(k, form)
            answer = session.maximize(
                objective, relaxation=True, time_limit=limit if limit > 0.0 else None
            )
            expect(answer.termination_condition == "optimal", f"after {spent:.3f} s: {answer}")
            # Generous for one of them, and less than all of them take.
            limit = limit or 12.0 * answer.seconds
            spent += answer.seconds


def check_node_limit(solver: Solver) -> None:
    """A node limit ends the solve and is gone with the next question; or it is not declared."""
    if Feature.NODE_LIMIT not in solver.features:
        return
    form, objective = hard_form(30)
    with solver.open(form) as session:
        first = session.maximize(objective, node_limit=20, time_limit=60.0)
        expect(first.termination_condition == "nodeLimit", f"{first}")
        expect(first.stopped_by == "limit", f"{first}")
        again = session.maximize(objective, node_limit=20, time_limit=60.0)
        expect(first.objective_bound == again.objective_bound, f"{first} and {again}")
    form, objective, best = knapsack()
    with solver.open(form, SolverOptions(node_limit=0)) as session:
        answer = session.maximize(objective, node_limit=10**6)
        expect(close(answer.incumbent_objective, best), f"{answer}, best is {best}")


def check_stop_on_incumbent(solver: Solver) -> None:
    """The solve stops at an incumbent above the value; without such a point it does not stop."""
    form, objective = hard_form()
    with solver.open(form) as session:
        limit = 60.0 if Feature.STOP_ON_INCUMBENT in solver.features else 1.0
        target = -1000.0
        answer = session.maximize(objective, stop_above=target, time_limit=limit)
        if Feature.STOP_ON_INCUMBENT in solver.features:
            expect(answer.termination_condition == "objectiveLimit", f"{answer}")
            expect(answer.stopped_by == "incumbent", f"{answer}")
            assert answer.point is not None
            assert answer.incumbent_objective is not None
            expect(answer.incumbent_objective > target, f"{answer} is not above {target}")
            expect(form.violation(answer.point) < 1e-5, "the point violates the model")
            mirrored = session.minimize(-objective, stop_below=-target, time_limit=limit)
            expect(mirrored.stopped_by == "incumbent", f"minimised: {mirrored}")
            assert mirrored.incumbent_objective is not None
            expect(mirrored.incumbent_objective < -target, f"minimised: {mirrored}")
    form, objective, best = knapsack()
    with solver.open(form) as session:
        never = session.maximize(objective, stop_above=best)
        expect(never.termination_condition == "optimal", f"{never}, best is {best}")
        expect(close(never.incumbent_objective, best), f"{never}, best is {best}")


def check_confirm(solver: Solver) -> None:
    """`confirm` decides over the stop: False goes on to the optimum, True ends with its point."""
    form, objective, best = knapsack()
    seen: list[FloatArray] = []

    def never(point: FloatArray) -> bool:
        seen.append(point.copy())
        return False

    with solver.open(form) as session:
        answer = session.maximize(objective, stop_above=0.0, confirm=never)
        expect(answer.termination_condition == "optimal", f"{answer}")
        expect(close(answer.incumbent_objective, best), f"{answer}, best is {best}")
        for point in seen:
            expect(point.shape == (form.columns,), f"confirm was given {point.shape}")
            expect(form.violation(point) < 1e-5, "confirm was given an infeasible point")
            expect(float(objective @ point) > 0.0, "confirm was asked of a point below the value")
        chosen: list[FloatArray] = []

        def first(point: FloatArray) -> bool:
            chosen.append(point.copy())
            return True

        answer = session.maximize(objective, stop_above=0.0, confirm=first)
        if answer.stopped_by == "incumbent":
            assert answer.point is not None
            expect(
                any(np.array_equal(answer.point, point) for point in chosen),
                "the answer's point is not the one that was confirmed",
            )


def check_stop_on_bound(solver: Solver) -> None:
    """The solve stops as soon as the bound is below the value, and only then."""
    form, objective = hard_form()
    form_bound = 1.0
    with solver.open(form) as session:
        if Feature.STOP_ON_BOUND in solver.features:
            answer = session.maximize(objective, stop_below=form_bound, time_limit=60.0)
            expect(answer.termination_condition == "objectiveLimit", f"{answer}")
            expect(answer.stopped_by == "bound", f"{answer}")
            assert answer.objective_bound is not None
            expect(answer.objective_bound < form_bound, f"{answer} is not below {form_bound}")
            mirrored = session.minimize(-objective, stop_above=-form_bound, time_limit=60.0)
            expect(mirrored.stopped_by == "bound", f"minimised: {mirrored}")
            assert mirrored.objective_bound is not None
            expect(mirrored.objective_bound > -form_bound, f"minimised: {mirrored}")
    for seed in range(4):
        model = random_form(seed)
        cost = random_objective(seed, model)
        with solver.open(model) as session:
            best = session.maximize(cost).incumbent_objective
            assert best is not None
            for below in (best - 1.0, best + 0.1, best + 1000.0):
                answer = session.maximize(cost, stop_below=below)
                bound = answer.objective_bound
                if bound is not None:
                    expect(bound >= best - 1e-6, f"bound {bound} below the optimum {best}")
                if below < best:
                    expect(answer.termination_condition == "optimal", f"{answer}")
                if answer.stopped_by == "bound":
                    assert bound is not None
                    expect(bound < below, f"stopped at {bound}, asked for {below}")
            infeasible = session.add_rows(np.ones((1, model.columns)), [1e4], [np.inf])
            # A finite bound below the value is an honest stop even here; infinite ones are none.
            answer = session.maximize(cost, stop_below=best + 1000.0)
            if answer.stopped_by != "bound":
                expect(answer.termination_condition == "infeasible", f"{answer}")
                expect(answer.objective_bound is None, f"{answer}")
            session.remove(infeasible)


def check_interrupt(solver: Solver) -> None:
    """Ctrl-C ends the solve with KeyboardInterrupt, and the session can be used on."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    form, objective = hard_form()
    try:
        with solver.open(form) as session:
            timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
            timer.start()
            try:
                answer = session.maximize(objective, time_limit=5.0)
            except KeyboardInterrupt:
                pass
            else:
                expect(False, f"Ctrl-C was ignored: {answer}")
            finally:
                timer.join()
            handler = signal.getsignal(signal.SIGINT)
            expect(handler is signal.default_int_handler, "the signal handler was not put back")
            answer = session.maximize(np.zeros(form.columns), relaxation=True)
            expect(answer.termination_condition == "optimal", f"after Ctrl-C: {answer}")
            answer = session.maximize(objective, time_limit=0.2)
            expect(answer.termination_condition == "maxTimeLimit", f"after Ctrl-C: {answer}")
    finally:
        signal.signal(signal.SIGINT, before)


class _CallerError(Exception):
    """What the caller's own function raises."""


def check_user_error(solver: Solver) -> None:
    """An exception of the caller's `confirm` reaches the caller."""

    def fail(_point: FloatArray) -> bool:
        raise _CallerError

    form, objective, best = knapsack()
    with solver.open(form) as session:
        try:
            answer = session.maximize(objective, stop_above=0.0, confirm=fail)
        except _CallerError:
            pass
        else:
            expect(Feature.CONFIRM_INCUMBENT not in solver.features, f"an error was lost: {answer}")
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, best), f"after an error: {answer}")


def check_user_cuts(solver: Solver) -> None:
    """Valid cuts change no optimum and are asked for; or the question is refused."""
    form, objective, best = knapsack()
    weights = form.matrix.toarray()[0]
    cover = np.argsort(-weights)
    count = int(np.searchsorted(np.cumsum(weights[cover]), form.row_upper[0], side="right")) + 1
    members = np.zeros(form.columns)
    members[cover[:count]] = 1.0
    asked: list[FloatArray] = []

    def separate(point: FloatArray) -> Rows | None:
        asked.append(point)
        if members @ point <= count - 1 + 1e-6:
            return None
        return Rows(members[None, :], np.array([-np.inf]), np.array([count - 1.0]))

    with solver.open(form) as session:
        if Feature.USER_CUTS not in solver.features:
            _expect_refusal(lambda: session.maximize(objective, separate=separate), "user-cuts")
            return
        answer = session.maximize(objective, separate=separate)
        expect(close(answer.incumbent_objective, best), f"with cuts: {answer}, best is {best}")
        expect(close(answer.objective_bound, best, 1e-5), f"with cuts: {answer}, best is {best}")
    hard, hard_objective = hard_form()
    with solver.open(hard) as session:
        session.maximize(hard_objective, separate=asked.append, time_limit=0.5)
        expect(bool(asked), "the separator was never asked")


def check_lazy_rows(solver: Solver) -> None:
    """Every incumbent satisfies the lazy rows; or the question is refused."""
    form, objective, best = knapsack()

    def no_pairs(point: FloatArray) -> Rows | None:
        chosen = np.flatnonzero(point > 0.5)
        if chosen.size <= 2:
            return None
        row = np.zeros((1, form.columns))
        row[0, chosen] = 1.0
        return Rows(row, np.array([-np.inf]), np.array([2.0]))

    with solver.open(form) as session:
        if Feature.LAZY_CONSTRAINTS not in solver.features:
            _expect_refusal(lambda: session.maximize(objective, lazy=no_pairs), "lazy-constraints")
            return
        answer = session.maximize(objective, lazy=no_pairs)
        truth = float(np.sort(objective)[-2:].sum())
        expect(close(answer.incumbent_objective, truth), f"lazy: {answer}, not {truth}")
        expect(close(answer.objective_bound, truth, 1e-5), f"lazy: {answer}, not {truth}")
        free = session.maximize(objective)
        expect(close(free.incumbent_objective, best), f"lazy rows stayed: {free}")
    # Here presolve could set every column to its better bound, did it not know of lazy rows.
    loose = replace(form, row_upper=form.row_upper * 100.0)
    with solver.open(loose) as session:
        answer = session.maximize(objective, lazy=no_pairs)
        expect(close(answer.incumbent_objective, truth), f"lazy: {answer}, not {truth}")


def _expect_refusal(ask: object, feature: str) -> None:
    assert callable(ask)
    try:
        ask()
    except SolverError as error:
        expect(feature in str(error), f"the refusal does not name {feature}: {error}")
        return
    expect(False, f"a question that needs {feature} was taken without declaring it")
