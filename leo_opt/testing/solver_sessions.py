"""Checks of sessions: many questions, changes of the model, several at once."""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from leo_opt.errors import InvalidInputError, LeoOptError, SolverError
from leo_opt.solvers import Feature, Solver, SolverOptions
from leo_opt.testing.models import (
    close,
    expect,
    hard_form,
    knapsack,
    random_form,
    random_objective,
    small_form,
)

_QUESTIONS = 1000
_GROWTH = 24 * 2**20
"""Bytes by which the process may grow over the later half of many questions."""


def check_thousand_objectives(solver: Solver) -> None:
    """Answers do not depend on how many came before, and memory does not grow with them."""
    form = random_form(2)
    objectives = [random_objective(seed, form) for seed in range(20)]
    questions = _QUESTIONS if Feature.WARM_START in solver.features else 20
    with solver.open(form) as session:
        truth = [session.maximize(objective).incumbent_objective for objective in objectives]
        relaxed = [session.maximize(c, relaxation=True).incumbent_objective for c in objectives]
        half = 0
        for k in range(questions):
            if k == questions // 2:
                half = _resident_bytes()
            # Whole questions cost more than relaxations; both have to be forgotten.
            relaxation = k % 4 != 0
            answer = session.maximize(objectives[k % 20], relaxation=relaxation)
            wanted = (relaxed if relaxation else truth)[k % 20]
            expect(close(answer.incumbent_objective, wanted), f"question {k}: {answer}")
        grown = _resident_bytes() - half
        expect(grown < _GROWTH, f"{questions // 2} questions took {grown / 2**20:.0f} MiB")


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check_bounds(solver: Solver) -> None:
    """Bounds can be changed, fixed and given back, in MILPs and relaxations."""
    form = random_form(3)
    objective = random_objective(3, form)
    with solver.open(form) as session:
        whole = session.maximize(objective)
        relaxed = session.maximize(objective, relaxation=True)
        assert whole.point is not None
        point = np.where(form.integer, np.round(whole.point), whole.point)
        session.fix(np.flatnonzero(form.integer), point[form.integer])
        for relaxation in (False, True):
            fixed = session.maximize(objective, relaxation=relaxation)
            expect(close(fixed.incumbent_objective, whole.incumbent_objective), f"fixed: {fixed}")
        session.free()
        for relaxation, before in ((False, whole), (True, relaxed)):
            after = session.maximize(objective, relaxation=relaxation)
            expect(close(after.incumbent_objective, before.incumbent_objective), f"freed: {after}")
        for wrong in ((2.0, 1.0), (np.nan, 1.0)):
            try:
                session.set_bounds([0], *wrong)
            except InvalidInputError:
                continue
            expect(False, f"bounds {wrong} were taken")


def check_rows(solver: Solver) -> None:
    """Added rows count and removed ones do not, in any order; duals have an entry for each."""
    form, objective, best = knapsack()
    ones = np.ones((1, form.columns))
    top = np.sort(objective)[::-1]
    with solver.open(form) as session:
        session.maximize(objective, relaxation=True)
        two = session.add_rows(ones, [-np.inf], [2.0])
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, float(top[:2].sum())), f"two: {answer}")
        one = session.add_rows(np.vstack([ones, 2.0 * ones]), [-np.inf] * 2, [1.0, 6.0])
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, float(top[0])), f"one: {answer}")
        relaxed = session.maximize(objective, relaxation=True)
        if relaxed.row_duals is not None:
            expect(relaxed.row_duals.shape == (form.rows + 3,), f"{relaxed.row_duals.shape}")
        session.remove(two)
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, float(top[0])), f"only one: {answer}")
        session.remove(one)
        answer = session.maximize(objective)
        expect(close(answer.incumbent_objective, best), f"none: {answer}, best is {best}")
        try:
            session.remove(one)
        except InvalidInputError:
            return
        expect(False, "rows were removed twice")


def check_side_by_side(solver: Solver) -> None:
    """Two sessions in one process do not disturb each other, also with other options."""
    forms = [random_form(seed) for seed in (4, 5)]
    objectives = [random_objective(seed, form) for seed, form in zip((4, 5), forms, strict=True)]
    alone = []
    for form, objective in zip(forms, objectives, strict=True):
        with solver.open(form) as session:
            alone.append(session.maximize(objective).incumbent_objective)
    options = SolverOptions(threads=2, seed=9)
    with solver.open(forms[0]) as first, solver.open(forms[1], options) as second:
        for _ in range(3):
            for session, objective, value in zip((first, second), objectives, alone, strict=True):
                answer = session.maximize(objective)
                expect(close(answer.incumbent_objective, value), f"{answer}, alone {value}")


def check_warm_start(solver: Solver) -> None:
    """A relaxation asked again starts from its basis; forgotten, it starts afresh."""
    if Feature.WARM_START not in solver.features:
        return
    form, _ = hard_form()
    objective = random_objective(6, form)
    with solver.open(form) as session:
        first = session.maximize(objective, relaxation=True)
        second = session.maximize(objective, relaxation=True)
        expect(close(second.incumbent_objective, first.incumbent_objective), f"{second}")
        expect(second.iterations == 0, f"{second.iterations} iterations from the optimal basis")
        session.forget()
        third = session.maximize(objective, relaxation=True)
        expect(close(third.incumbent_objective, first.incumbent_objective), f"{third}")


def check_mip_start(solver: Solver) -> None:
    """A starting point is not lost, whole or in part, and a wrong one does no harm."""
    form, objective, best = knapsack()
    with solver.open(form) as session:
        good = session.maximize(objective)
        assert good.point is not None
        partial = np.where(np.arange(form.columns) < 4, np.round(good.point), np.nan)
        for start in (good.point, partial, np.ones(form.columns)):
            answer = session.maximize(objective, start=start)
            expect(close(answer.incumbent_objective, best), f"{answer}, best is {best}")
    if Feature.MIP_START not in solver.features:
        return
    hard, cost = hard_form()
    with solver.open(hard) as session:
        found = session.maximize(cost, time_limit=0.5)
        expect(found.point is not None, f"no point in half a second: {found}")
        assert found.point is not None
        assert found.incumbent_objective is not None
        whole = np.where(hard.integer, np.round(found.point), found.point)
        again = session.maximize(cost, start=whole, node_limit=1, time_limit=10.0)
        expect(
            again.incumbent_objective is not None
            and again.incumbent_objective >= found.incumbent_objective - 1e-4,
            f"started from {found.incumbent_objective}, ended {again}",
        )


def check_fixed_columns(solver: Solver) -> None:
    """Columns that the form fixes are fixed, and free once freed; forms travel by pickle."""
    plain = small_form([[1.0, 1.0]], ([-np.inf], [10.0]), ([0.0, 0.0], [9.0, 3.0]), [True, False])
    form = replace(plain, fixed_columns=np.array([0]), fixed_values=np.array([4.0]))
    with solver.open(pickle.loads(pickle.dumps(form))) as session:
        fixed = session.maximize([1.0, 1.0])
        expect(close(fixed.incumbent_objective, 7.0), f"fixed at 4: {fixed}")
        session.free([0])
        freed = session.maximize([1.0, 1.0])
        expect(close(freed.incumbent_objective, 10.0), f"freed: {freed}")


def check_silence(solver: Solver) -> None:
    """Nothing is printed, and a log goes to its file or is refused."""
    form, objective, _ = knapsack()
    broken = small_form([[1.0]], ([3.0], [np.inf]), ([0.0], [1.0]), [True])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "solver.log"
        refused = ""
        with _captured(Path(folder) / "out.txt") as captured:
            for options in (SolverOptions(), SolverOptions(log_file=str(log))):
                try:
                    session = solver.open(form, options)
                except InvalidInputError as error:
                    refused = str(error)
                    continue
                with session:
                    session.maximize(objective)
                    session.maximize(objective, relaxation=True)
                with solver.open(broken) as session:
                    session.maximize([1.0])
                    session.maximize([1.0], relaxation=True)
            with suppress(LeoOptError):
                solver.open(form, SolverOptions(extra={"no_such_option": 1})).close()
        printed = captured.read_text(errors="replace")
        expect(not printed, f"printed: {printed[:300]!r}")
        written = log.exists() and log.stat().st_size > 0
        expect(written or "log_file" in refused, f"the log file is empty; refused: {refused!r}")


@contextmanager
def _captured(path: Path) -> Iterator[Path]:
    """Everything that Python and C code write to stdout and stderr, in a file."""
    _flush()
    saved = [(stream, os.dup(stream)) for stream in (1, 2)]
    with path.open("wb") as sink:
        for stream, _ in saved:
            os.dup2(sink.fileno(), stream)
        try:
            yield path
        finally:
            _flush()
            for stream, copy in saved:
                os.dup2(copy, stream)
                os.close(copy)


def _flush() -> None:
    """Empty the buffers of Python and of the C library."""
    sys.stdout.flush()
    sys.stderr.flush()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)


def check_closing(solver: Solver) -> None:
    """A closed session answers nothing, and closing twice is harmless."""
    form, objective, _ = knapsack()
    session = solver.open(form)
    session.maximize(objective)
    session.close()
    session.close()
    try:
        session.maximize(objective)
    except SolverError:
        pass
    else:
        expect(False, "a closed session answered")
    with solver.open(form) as session:
        for wrong in (objective[:-1], np.append(objective[:-1], np.nan)):
            try:
                session.maximize(wrong)
            except InvalidInputError:
                continue
            expect(False, "an objective of the wrong size or with NaN was taken")


def check_arguments(solver: Solver) -> None:
    """What makes no sense is refused before the solver sees it; no time left is no time."""
    form, objective, best = knapsack()
    with solver.open(form) as session:
        nonsense: dict[str, Callable[[], object]] = {
            "column -1": lambda: session.fix([-1], [0.0]),
            "column 12": lambda: session.free([form.columns]),
            "twice": lambda: session.set_bounds([3, 3], 0.0, 1.0),
            "mask": lambda: session.fix(np.ones(form.columns, dtype=bool), 0.0),
            "sizes": lambda: session.fix([0, 1], [0.0, 0.0, 0.0]),
            "constant": lambda: session.maximize(objective, constant=np.nan),
            "infinite": lambda: session.minimize(objective, constant=np.inf),
            "stop": lambda: session.maximize(objective, stop_above=np.nan),
            "time": lambda: session.maximize(objective, time_limit=np.nan),
        }
        for name, ask in nonsense.items():
            try:
                ask()
            except InvalidInputError:
                continue
            expect(False, f"{name} was taken")
        late = session.maximize(objective, time_limit=-1.0)
        expect(late.termination_condition in ("maxTimeLimit", "optimal"), f"no time left: {late}")
        answer = session.maximize(objective, time_limit=np.inf)
        expect(close(answer.incumbent_objective, best), f"{answer}, best is {best}")


def check_unknown_option(solver: Solver) -> None:
    """An option that the solver does not know is refused by name when the session is opened."""
    form, _, _ = knapsack()
    for model in (form, replace(form, integer=np.zeros(form.columns, dtype=np.bool_))):
        try:
            solver.open(model, SolverOptions(extra={"no_such_option": 1})).close()
        except InvalidInputError as error:
            expect("no_such_option" in str(error), f"the option is not named: {error}")
            continue
        expect(not solver.checks_options, "an unknown option was taken")


def check_tolerances(solver: Solver) -> None:
    """A tolerance is in force as it is told, or refused by name."""
    form, objective, best = knapsack()
    for model in (form, replace(form, integer=np.zeros(form.columns, dtype=np.bool_))):
        for tolerance in (1e-5, 1e-8, 1e-9, 1e-11, 1e-13, 0.0):
            try:
                session = solver.open(model, SolverOptions(feasibility_tolerance=tolerance))
            except InvalidInputError as error:
                expect("tol" in str(error).lower(), f"the tolerance is not named: {error}")
                continue
            with session:
                answer = session.maximize(objective)
                told = answer.tolerances.values()
                expect(tolerance in told, f"{tolerance} is not in force: {answer.tolerances}")
                expect(model is not form or close(answer.incumbent_objective, best), f"{answer}")


def check_description(solver: Solver) -> None:
    """Name, package, version and licence are told without starting anything."""
    expect(bool(solver.name) and solver.name == solver.name.lower(), f"name {solver.name!r}")
    expect(bool(solver.package) and bool(solver.install), "package or install line is missing")
    expect(solver.available(), f"{solver.name} is not available")
    expect(bool(solver.version()), "no version")
    expect(bool(solver.licence().kind), "no licence")
    form, objective, _ = knapsack()
    with solver.open(form) as session:
        answer = session.maximize(objective)
        expect(solver.name in answer.solver and solver.version() in answer.solver, answer.solver)
        expect(bool(answer.tolerances), "no tolerances")
        expect(answer.seconds > 0.0, "no seconds")
