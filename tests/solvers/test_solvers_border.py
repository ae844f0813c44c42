"""Whatever a solver or its binding throws is a result or a `SolverError`, for every backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from leo_opt import Box, Network, classify, registry
from leo_opt.decisions import Cascade, Joint, PerUnit, Strategy
from leo_opt.decisions.layer_model import premise_of
from leo_opt.errors import InvalidInputError, SolverError, SolverNotAvailableError
from leo_opt.solvers import (
    SOLVERS,
    Answer,
    Feature,
    InterruptGuard,
    Licence,
    ModelState,
    Question,
    Rows,
    Session,
    Solver,
    SolverOptions,
    Termination,
    find,
    names,
    survey,
)
from leo_opt.solvers.border import ForeignError, border
from leo_opt.testing.models import knapsack, small_form


class Fragile(Solver):
    """A third party's solver that throws at some acts, and answers nothing at the others."""

    name = "fragile"
    package = "numpy"
    install = ""
    features = frozenset({Feature.DUAL_BOUND})

    def __init__(self, *broken: str) -> None:
        self.broken = broken

    def act(self, name: str) -> None:
        if name in self.broken:
            raise Exception(f"error in input data of {name}")  # as PySCIPOpt does

    def _available(self) -> bool:
        self.act("available")
        return True

    def _version(self) -> str:
        self.act("version")
        return "1"

    def _licence(self, probe: bool) -> Licence:
        self.act("licence")
        return Licence("full")

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        self.act("open")
        return FragileSession(self, state, options)


class FragileSession(Session):
    @property
    def tolerances(self) -> Mapping[str, float]:
        self.act("tolerances")
        return {}

    def act(self, name: str) -> None:
        assert isinstance(self.solver, Fragile)
        self.solver.act(name)

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        self.act("solve")
        return Answer(Termination.TIME_LIMIT)

    def _set_bounds(self, columns, lower, upper) -> None:
        self.act("bounds")

    def _add_rows(self, rows: Rows) -> None:
        self.act("rows")

    def _remove_rows(self, first: int, count: int) -> None:
        self.act("removal")

    def _forget(self) -> None:
        self.act("memory")

    def _close(self) -> None:
        self.act("close")


def deep_network(seed: int) -> Network:
    generator = np.random.default_rng(seed)
    sizes = ((6, 3), (5, 6), (2, 5))
    return Network.from_arrays(
        [generator.normal(size=size) for size in sizes],
        [0.1 * generator.normal(size=size[0]) for size in sizes],
    )


@pytest.mark.parametrize("act", ["available", "version", "licence", "open"])
def test_a_solver_that_throws_before_a_session(act: str) -> None:
    with pytest.raises(SolverError, match=f"fragile could not .*Exception: error in .* {act}"):
        Fragile(act).open(knapsack()[0])


def test_a_solve_that_throws_is_an_answer() -> None:
    form, objective, _ = knapsack()
    with Fragile("solve").open(form) as session:
        answer = session.maximize(objective)
        assert answer.termination_condition == "error"
        assert answer.objective_bound is None
        assert answer.point is None
        assert "error in input data of solve" in answer.message
        session.fix([0], [1.0])  # the model is what it was


class ListSession(FragileSession):
    """Keeps the model in lists of its own, as solvers do, and loses them when a solve throws."""

    lists: dict[str, list[float]]

    def _load(self) -> None:
        self.act("load")
        _, rows, _ = self.state.rows()
        self.lists = {"lower": self.state.lower.tolist(), "rows": rows.tolist()}

    def _relaxed(self) -> Session:
        return ListSession(self.solver, self.state, self.options, relaxation=True)

    def _solve(self, question: Question, guard: InterruptGuard) -> Answer:
        if self.broken:
            self.lists.clear()
            raise ArithmeticError
        _, rows, _ = self.state.rows()
        assert self.lists == {"lower": self.state.lower.tolist(), "rows": rows.tolist()}
        return Answer(Termination.TIME_LIMIT, message=f"relaxation: {self.relaxation}")

    @property
    def broken(self) -> bool:
        assert isinstance(self.solver, Fragile)
        return ("relaxed" if self.relaxation else "whole") in self.solver.broken

    def _set_bounds(self, columns, lower, upper) -> None:
        for column, value in zip(columns, lower, strict=True):
            self.lists["lower"][column] = value

    def _add_rows(self, rows: Rows) -> None:
        self.lists["rows"] += rows.lower.tolist()

    def _remove_rows(self, first: int, count: int) -> None:
        del self.lists["rows"][first : first + count]


class ListSolver(Fragile):
    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        return ListSession(self, state, options)


@pytest.mark.parametrize("kind", ["whole", "relaxed"])
def test_what_a_solve_has_lost_is_loaded_again_before_anything_else(kind: str) -> None:
    """Each change reaches each object once, whether it was made before the loss or after."""
    form, objective, _ = knapsack()
    row = np.ones((1, form.columns))
    solver = ListSolver()
    with solver.open(form) as session:
        for relaxation in (False, True):
            answer = session.maximize(objective, relaxation=relaxation)
            assert answer.message == f"relaxation: {relaxation}"
        first = session.add_rows(row, [-3.0], [9.0])
        second = session.add_rows(row, [-4.0], [9.0])
        for change in (
            lambda: session.fix([1], [1.0]),
            lambda: session.remove(first),
            lambda: session.add_rows(row, [-5.0], [9.0]),
            lambda: session.remove(second),
            session.forget,
        ):
            solver.broken = (kind,)
            assert session.maximize(objective, relaxation=kind == "relaxed").message
            solver.broken = ()
            change()
            for relaxation in (False, True):
                answer = session.maximize(objective, relaxation=relaxation)
                assert answer.termination_condition == "maxTimeLimit"


def test_a_model_that_cannot_be_loaded_again_answers_nothing() -> None:
    form, objective, _ = knapsack()
    solver = ListSolver()
    with solver.open(form) as session:
        solver.broken = ("whole",)
        assert session.maximize(objective).termination_condition == "error"
        solver.broken = ("load",)
        with pytest.raises(SolverError, match="fragile could not load the model again"):
            session.maximize(objective)
    with pytest.raises(SolverError, match="fragile could not open a session"):
        solver.open(form)


CHANGES: dict[str, Callable[[Session], object]] = {
    "bounds": lambda session: session.fix([0], [1.0]),
    "memory": lambda session: session.forget(),
    "rows": lambda session: session.add_rows(np.ones((1, session.form.columns)), [0.0], [1.0]),
}


@pytest.mark.parametrize("act", CHANGES)
def test_a_session_whose_model_is_not_known_answers_nothing(act: str) -> None:
    """A row that is half added would make bounds of all later questions wrong."""
    form, objective, _ = knapsack()
    with Fragile(act).open(form) as session:
        with pytest.raises(SolverError, match="error in input data"):
            CHANGES[act](session)
        with pytest.raises(SolverError, match="not known any more"):
            session.maximize(objective)
        with pytest.raises(SolverError, match="not known any more"):
            CHANGES[act](session)


def test_what_is_refused_before_leaves_a_session_as_it_was() -> None:
    form, objective, _ = knapsack()
    with Fragile().open(form) as session:
        with pytest.raises(InvalidInputError):
            session.fix([0], [np.nan])
        assert session.maximize(objective).termination_condition == "maxTimeLimit"


def test_the_rest_of_a_session() -> None:
    form, objective, _ = knapsack()
    session = Fragile("tolerances", "close").open(form)
    with pytest.raises(SolverError, match="error in input data of tolerances"):
        session.maximize(objective)
    session.close()  # what fails at the end hides nothing that was answered before


@pytest.mark.parametrize("thrown", [StopIteration(), MemoryError(), RecursionError("deep")])
def test_whatever_is_thrown_stops_at_the_border(thrown: Exception) -> None:
    with pytest.raises(ForeignError, match=type(thrown).__name__), border("any", "do"):
        raise thrown


def test_vectors_of_another_size_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    form, objective, _ = knapsack()
    vector = np.ones(form.columns + form.rows + 1)
    told = Answer(
        Termination.OPTIMAL, objective_bound=9.0, point=vector, row_duals=vector, ray=vector
    )
    monkeypatch.setattr(FragileSession, "_solve", lambda *_: told)
    with Fragile().open(form) as session:
        answer = session.maximize(objective)
    assert (answer.point, answer.row_duals, answer.ray) == (None, None, None)
    assert answer.message.count("has shape") == 3


def test_what_a_bound_rests_on_is_asked_of_a_solver_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that has failed since may not even start again to tell its tolerances."""
    told = [{"tolerance": 0.5}]
    monkeypatch.setattr(FragileSession, "tolerances", property(lambda _: told.pop()))
    form, objective, _ = knapsack()
    with Fragile().open(form) as session:
        session.maximize(objective)
        assert premise_of(session, 1.0).tolerances == (("tolerance", 0.5),)


def test_ctrl_c_and_our_own_errors_pass_the_border() -> None:
    for error in (KeyboardInterrupt(), InvalidInputError("x")):
        with pytest.raises(type(error)) as caught, border("any", "do"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    "strategy", [Cascade(stages=["milp"], random_points=0), PerUnit(), Joint(random_points=0)]
)
@pytest.mark.parametrize("act", ["version", "open", "solve", "bounds", "tolerances", "close"])
def test_classify_goes_on_with_a_solver_that_throws(
    act: str, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, domain = deep_network(1), Box(-0.2, 0.2)
    for module in ("leo_opt.decisions.jobs.find", "leo_opt.decisions.joint.find"):
        monkeypatch.setattr(module, lambda _name: Fragile(act))
    stability = classify(network, domain, strategy=strategy)
    truth = classify(network, domain, solver="gurobi")
    for phases, true in zip(stability.phases, truth.phases, strict=True):
        assert all(p in (t, "undecided") for p, t in zip(phases, true, strict=True))


def test_a_plugin_that_cannot_be_loaded_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = EntryPoint("lost", "no_such_module:Solver", SOLVERS.group)
    monkeypatch.setattr(registry, "entry_points", lambda group: [lost])
    with pytest.raises(SolverNotAvailableError, match=r"'lost' cannot be loaded.*no_such_module"):
        find("lost")
    records = {record.name: record for record in survey()}
    assert records["highs"].installed
    assert "no_such_module" in records["lost"].problem


@pytest.mark.parametrize("name", ["gurobi_direct", "gurobi_persistent", "cplex_direct"])
def test_pyomo_interfaces_beyond_their_licence(name: str) -> None:
    solver = find(f"pyomo:{name}")
    behind = find(name.partition("_")[0])
    if not (behind.available() and solver.available()):
        pytest.skip(f"{name} is not installed")
    if behind.licence().max_columns is None:
        pytest.skip(f"{name} has no limit")
    size = 2 * behind.licence().max_columns
    ends = (np.zeros(size), np.ones(size))
    form = small_form(np.ones((1, size)), ([0.0], [1.0]), ends, [True] * size)
    with solver.open(form) as session:
        answer = session.maximize(np.ones(size))
    assert answer.termination_condition == "error"
    assert answer.objective_bound is None


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("reach", [1e18, 1e30, 1e60, 1e200])
def test_boxes_beyond_all_reason(name: str, reach: float) -> None:
    """An answer or a refusal; what is decided is what smaller boxes of a cone have."""
    if not find(name).available():
        pytest.skip(f"{name} is not installed")
    network = Network.from_arrays(
        [layer.weight for layer in deep_network(2).layers], [[0.0] * 6, [0.0] * 5, [0.0] * 2]
    )
    domain = Box(np.zeros(3), np.full(3, reach))
    stability = classify(network, domain, strategy="per-unit", solver=name, unit_time_limit=2.0)
    truth = classify(network, Box(np.zeros(3), np.ones(3)))
    for phases, true in zip(stability.phases, truth.phases, strict=True):
        assert all(p in (t, "undecided") for p, t in zip(phases, true, strict=True))
