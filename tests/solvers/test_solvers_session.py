"""What the session does for every backend: doubts, stops, changes, processes, Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest
from solver_jobs import ask_knapsack, ask_session

from leo_opt.arrays import FloatArray, IntArray
from leo_opt.errors import InvalidInputError, SolverError
from leo_opt.solvers import (
    Answer,
    Feature,
    Licence,
    Question,
    Rows,
    Session,
    Solver,
    SolverOptions,
    StandardForm,
    Termination,
    find,
)
from leo_opt.solvers.doubts import checked_ray
from leo_opt.solvers.interrupts import InterruptGuard
from leo_opt.solvers.questions import dual_bound, finite
from leo_opt.solvers.state import ModelState
from leo_opt.solvers.watch import Watch
from leo_opt.testing.models import knapsack, random_form, random_objective, small_form

FORM = small_form([[1.0, 1.0]], ([-np.inf], [3.0]), ([0.0] * 2, [2.0] * 2), [True, True])


class Scripted(Solver):
    """A solver that says what a test wants it to say."""

    name = "scripted"
    package = "numpy"
    install = ""
    features = frozenset({Feature.DUAL_BOUND, Feature.STOP_ON_INCUMBENT})

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.questions: list[Question] = []

    def _version(self) -> str:
        return "1"

    def _licence(self, probe: bool) -> Licence:
        return Licence("full")

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        return ScriptedSession(self, state, options)


class ScriptedSession(Session):
    """Gives the next answer and notes the question."""

    @property
    def tolerances(self) -> Mapping[str, float]:
        return {"t": 1.0}

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        assert isinstance(self.solver, Scripted)
        self.solver.questions.append(question)
        return self.solver.answers.pop(0)

    def _set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None: ...

    def _add_rows(self, rows: Rows) -> None: ...

    def _remove_rows(self, first: int, count: int) -> None: ...

    def _close(self) -> None: ...


def ask(answer: Answer, form: StandardForm = FORM) -> Answer:
    with Scripted(answer).open(form) as session:
        return session.maximize([1.0, 2.0], constant=10.0)


POINT = np.array([1.0, 2.0])


def test_the_objective_is_evaluated_here() -> None:
    answer = ask(Answer(Termination.OPTIMAL, incumbent_objective=99.0, point=POINT))
    assert answer.incumbent_objective == 15.0
    assert answer.solver == "scripted 1"
    assert answer.tolerances == {"t": 1.0}


@pytest.mark.parametrize("bound", [None, np.inf, -np.inf, np.nan, 1e20, -1e30, 1e100])
def test_a_bound_that_is_not_finite_is_none(bound: float | None) -> None:
    assert ask(Answer(Termination.TIME_LIMIT, objective_bound=bound)).objective_bound is None
    assert finite(bound) is None


@pytest.mark.parametrize("word", ["infeasible", "unbounded", "infeasibleOrUnbounded", "error"])
def test_some_ends_have_no_bound(word: str) -> None:
    assert ask(Answer(Termination(word), objective_bound=-5.0)).objective_bound is None


def test_a_bound_below_its_own_incumbent_is_withdrawn() -> None:
    good = ask(Answer(Termination.OPTIMAL, objective_bound=15.0 - 1e-7, point=POINT))
    assert good.objective_bound == 15.0 - 1e-7
    bad = ask(Answer(Termination.OPTIMAL, objective_bound=14.9, point=POINT))
    assert bad.objective_bound is None
    assert bad.termination_condition == "error"
    assert "beyond the bound" in bad.message


def test_a_point_that_is_not_finite_is_no_point() -> None:
    answer = ask(Answer(Termination.OPTIMAL, objective_bound=1.0, point=np.array([np.nan, 1.0])))
    assert answer.point is None
    assert answer.incumbent_objective is None


def test_without_dual_bounds_there_are_none() -> None:
    solver = Scripted(*[Answer(Termination.OPTIMAL, objective_bound=15.0, point=POINT)] * 2)
    solver.features = frozenset()
    with solver.open(FORM) as session:
        assert session.maximize([1.0, 2.0]).objective_bound is None
        assert session.maximize([1.0, 2.0], relaxation=True).objective_bound == 15.0


def test_a_stop_that_nobody_confirms_is_asked_again_without_the_stop() -> None:
    early = Answer(Termination.OBJECTIVE_LIMIT, stopped_by="incumbent", point=POINT, nodes=3)
    late = Answer(Termination.OPTIMAL, objective_bound=15.0, nodes=4)
    solver = Scripted(early, late)
    with solver.open(FORM) as session:
        answer = session.maximize([1.0, 2.0], stop_above=0.0, confirm=lambda point: False)
    assert [question.stop_above for question in solver.questions] == [0.0, None]
    assert answer.termination_condition == "optimal"
    assert answer.nodes == 7
    solver = Scripted(early)
    with solver.open(FORM) as session:
        answer = session.maximize([1.0, 2.0], stop_above=0.0, confirm=lambda point: True)
    assert answer.stopped_by == "incumbent"


def test_minimising_is_maximising_the_negative() -> None:
    duals = np.array([2.0])
    solver = Scripted(
        Answer(Termination.OPTIMAL, objective_bound=4.0, point=POINT, row_duals=duals)
    )
    with solver.open(FORM) as session:
        answer = session.minimize(
            [1.0, -2.0], constant=-1.0, stop_above=7.0, stop_below=-8.0, relaxation=True
        )
    (question,) = solver.questions
    assert question.objective.tolist() == [-1.0, 2.0]
    assert (question.constant, question.stop_above, question.stop_below) == (1.0, 8.0, -7.0)
    assert (answer.incumbent_objective, answer.objective_bound) == (-4.0, -4.0)
    assert answer.row_duals is not None
    assert answer.row_duals.tolist() == [-2.0]


def test_missing_features_are_refused_by_name() -> None:
    with Scripted().open(FORM) as session:
        with pytest.raises(SolverError, match="user-cuts, which scripted lacks"):
            session.maximize([1.0, 2.0], separate=lambda point: None)
        with pytest.raises(SolverError, match="node-limit"):
            session.maximize([1.0, 2.0], node_limit=4)


@pytest.mark.parametrize(
    "options",
    [{"time_limit": -1.0}, {"threads": 0}, {"relative_gap": float("nan")}, {"seed": -1}],
)
def test_options_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        SolverOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_weak_duality_holds_for_any_multipliers(seed: int) -> None:
    generator = np.random.default_rng(seed)
    form = random_form(seed)
    objective = random_objective(seed, form)
    with find("highs").open(form) as session:
        best = session.maximize(objective, relaxation=True)
        least = session.minimize(objective, relaxation=True)
    rows, columns = (form.row_lower, form.row_upper), (form.column_lower, form.column_upper)
    assert best.incumbent_objective is not None
    assert least.incumbent_objective is not None
    for _ in range(20):
        y = generator.normal(size=form.rows)
        y[np.isinf(form.row_lower) & (y < 0.0)] = 0.0
        bound = dual_bound(objective, y, form.matrix, rows, columns)
        assert bound >= best.incumbent_objective - 1e-9
    assert best.row_duals is not None
    assert least.row_duals is not None
    tight = dual_bound(objective, best.row_duals, form.matrix, rows, columns)
    assert tight == pytest.approx(best.incumbent_objective)
    lowest = -dual_bound(-objective, -least.row_duals, form.matrix, rows, columns)
    assert lowest == pytest.approx(least.incumbent_objective)


def test_only_rays_that_prove_something_pass() -> None:
    form = small_form([[1.0, 1.0]], ([5.0], [np.inf]), ([0.0] * 2, [2.0] * 2), [False] * 2)
    state = ModelState(form, 0.0, np.zeros(2, dtype=bool))
    for ray in (np.array([-1.0]), np.array([1.0])):
        checked = checked_ray(ray, state)
        assert checked is not None
        assert checked.tolist() == [-1.0]
    state.set_bounds([0], 0.0, 3.0)
    assert checked_ray(np.array([-1.0]), state) is None
    assert checked_ray(np.array([np.nan]), state) is None


@pytest.mark.parametrize("stop", ["incumbent", "bound", "limit", "error", "ctrl-c"])
def test_the_watch_says_why_it_stops(stop: str) -> None:
    def fail(point: FloatArray) -> bool:
        raise ZeroDivisionError

    question = Question(
        np.ones(2),
        stop_above=2.0,
        stop_below=-1.0,
        time_limit=0.0 if stop == "limit" else 60.0,
        confirm=fail if stop == "error" else (lambda point: point[0] > 5.0),
    )
    guard = InterruptGuard(active=False)
    watch = Watch(question, guard)
    watch.see_incumbent(np.array([0.5, 0.5]))
    watch.see_bound(-np.inf)
    watch.see_bound(0.0)
    if stop != "error":
        watch.see_incumbent(np.array([4.0, 4.0]))
    assert watch.stopped_by is None
    if stop in ("incumbent", "error"):
        watch.see_incumbent(np.array([6.0, 0.0]))
    elif stop == "bound":
        watch.see_bound(-1.5)
    elif stop == "ctrl-c":
        guard.hit = True
    else:
        time.sleep(0.001)
    assert watch.should_stop()
    reasons = {"incumbent": "objectiveLimit", "bound": "objectiveLimit", "limit": "maxTimeLimit"}
    assert watch.interrupted() == reasons.get(stop, "interrupted")
    assert (watch.confirmed is not None) == (stop == "incumbent")
    if stop == "error":
        with pytest.raises(ZeroDivisionError):
            guard.__exit__(None, None, None)


def test_ctrl_c_in_another_thread_is_left_to_the_main_one() -> None:
    handlers = []

    def work() -> None:
        with InterruptGuard():
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptGuard() as guard:
            signal.raise_signal(signal.SIGINT)
            assert not guard.hit
    finally:
        signal.signal(signal.SIGINT, before)


def test_forms_travel_and_sessions_do_not() -> None:
    form, objective, best = knapsack()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(ask_knapsack, (form, objective)) == pytest.approx(best)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_session_refuses_to_answer() -> None:
    form, objective, best = knapsack()
    with find("highs").open(form) as session:
        session.maximize(objective, relaxation=True)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("fork")
        child = context.Process(target=ask_session, args=(session, objective, sender))
        child.start()
        assert receiver.poll(60.0)
        assert "belongs to another process" in receiver.recv()
        child.join()
        assert session.maximize(objective).incumbent_objective == pytest.approx(best)


def test_bounds_of_touched_columns_only_shrink() -> None:
    form = small_form([[1.0, 1e-30]], ([0.0], [0.0]), ([-1.0] * 2, [1.0] * 2), [False] * 2)
    with find("highs").open(form) as session:
        session.set_bounds([0], -5.0, 5.0)
        session.fix([1], 0.5)
        session.free([1])
        with pytest.raises(InvalidInputError, match="x1 cannot be widened"):
            session.set_bounds([1], -2.0, 1.0)
