"""Traps of HiGHS."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import leo_opt
from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError, SolverNotAvailableError
from leo_opt.solvers import SolverOptions, StandardForm, find
from leo_opt.solvers.highs import callback
from leo_opt.solvers.highs import session as module
from leo_opt.testing.models import hard_form, knapsack, small_form


@pytest.mark.parametrize("name", ["objective_bound", "small_matrix_value", "objective_target"])
def test_options_that_break_the_contract_are_refused(name: str) -> None:
    form, _, _ = knapsack()
    with pytest.raises(InvalidInputError, match=f"{name} is not taken"):
        find("highs").open(form, SolverOptions(extra={name: 0.0}))


def test_the_package_never_sets_a_cutoff() -> None:
    folder = Path(leo_opt.__file__).parent
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert 'setOptionValue("objective_bound"' not in text, path


def test_callback_codes_are_highspys() -> None:
    import highspy

    kinds = highspy.cb.HighsCallbackType
    assert int(kinds.kCallbackMipInterrupt) == callback.MIP_INTERRUPT
    assert int(kinds.kCallbackMipImprovingSolution) == callback.IMPROVING_SOLUTION
    known = {name for name in dir(highspy.HighsModelStatus) if name.startswith("k")}
    assert set(module._TERMINATION) <= known
    assert known - set(module._TERMINATION) <= {"kNotset", "kUnknown"}


@pytest.mark.system
def test_an_interrupt_is_not_remembered() -> None:
    """The callback's flag is sticky: a solve after a stopped one would prove nothing."""
    form, objective = hard_form(16, 2)
    with find("highs").open(form) as session:
        truth = session.maximize(objective)
        assert truth.termination_condition == "optimal"
        for _ in range(2):
            stopped = session.maximize(objective, stop_above=-1000.0)
            assert stopped.stopped_by == "incumbent"
            whole = session.maximize(objective)
            assert whole.termination_condition == "optimal"
            assert whole.objective_bound == truth.objective_bound


def tiny_units(eps: float, scaled: bool) -> tuple[StandardForm, FloatArray, FloatArray]:
    """z = sum_k v_k y_k / eps with y_k = eps w_k x, x in [-1, 1]; a feasible point; its objective.

    Scaled, the units are y_k / eps, as the formulations of this package write them.
    """
    generator = np.random.default_rng(1)
    weights, last = generator.normal(size=(12, 30)), generator.normal(size=12)
    unit = 1.0 if scaled else eps
    reach = np.abs(weights).sum(axis=1) * unit
    matrix = np.zeros((13, 43))
    matrix[:12, :30], matrix[:12, 30:42] = unit * weights, -np.eye(12)
    matrix[12, 30:42], matrix[12, 42] = last / unit, -1.0
    form = small_form(
        matrix.tolist(),
        ([0.0] * 13, [0.0] * 13),
        ([-1.0] * 30 + (-reach).tolist() + [-1e4], [1.0] * 30 + reach.tolist() + [1e4]),
        [True] * 10 + [False] * 33,
    )
    x = np.sign(last @ weights)
    point = np.concatenate([x, unit * (weights @ x), [last @ weights @ x]])
    return form, point, np.append(np.zeros(42), 1.0)


@pytest.mark.parametrize("exponent", [-20, -26, -30])
def test_a_tiny_unit_in_front_of_a_wide_layer(exponent: int) -> None:
    """Scaled, the maximum is right. Unscaled, a forward pass is feasible and convicts the solver.

    HiGHS 1.15.1 calls -80.69 the maximum of the unscaled model at 2**-30, where 85.45 is reached;
    nothing in its answer shows that, so callers compare bounds with what they know is reached.
    """
    form, point, objective = tiny_units(2.0**exponent, scaled=True)
    best = float(objective @ point)
    with find("highs").open(form) as session:
        answer = session.maximize(objective)
    assert answer.objective_bound == pytest.approx(best, abs=1e-4)
    form, point, objective = tiny_units(2.0**exponent, scaled=False)
    assert form.violation(point) < 1e-9
    with find("highs").open(form) as session:
        answer = session.maximize(objective, time_limit=10.0)
    if answer.termination_condition == "infeasible":
        assert answer.objective_bound is None


def test_other_numbers_of_threads_in_one_process() -> None:
    form, objective, best = knapsack()
    for threads in (1, 2, 1):
        with find("highs").open(form, SolverOptions(threads=threads)) as session:
            assert session.maximize(objective).incumbent_objective == pytest.approx(best)
            assert session.maximize(objective, relaxation=True).termination_condition == "optimal"


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    form, _, _ = knapsack()
    solver = find("highs")
    monkeypatch.setattr(type(solver), "package", "no_such_package")
    with pytest.raises(SolverNotAvailableError, match="pip install highspy"):
        solver.open(form)


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_answers(threads: int) -> None:
    """A fork copies HiGHS's scheduler without its threads, for which it then waited for ever."""
    code = (
        "import os, signal\n"
        "from leo_opt.solvers import SolverOptions, find\n"
        "from leo_opt.testing.models import knapsack\n"
        "form, objective, best = knapsack()\n"
        "def ask():\n"
        f"    with find('highs').open(form, SolverOptions(threads={threads})) as session:\n"
        "        return abs(session.maximize(objective).objective_bound - best) < 1e-6\n"
        "assert ask()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(20)\n"
        "    os._exit(0 if ask() else 3)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("relaxation", [False, True])
def test_an_optimum_has_its_point_even_if_it_violates_rows_a_little(
    monkeypatch: pytest.MonkeyPatch, relaxation: bool
) -> None:
    """HiGHS solves in units of its own; what is optimal there it may call infeasible in ours."""
    form, _, _ = knapsack()

    def told(highs: object) -> object:
        info = read(highs)
        info.primal_solution_status, info.max_primal_infeasibility = 1, 5.7e-6
        return info

    with find("highs").open(form) as session:
        ask = partial(session.maximize, form.objective, relaxation=relaxation)
        whole = ask()
        highs = type(module.quiet_highs())
        read = highs.getInfo
        monkeypatch.setattr(highs, "getInfo", told)
        answer = ask()
    assert answer.termination_condition == "optimal"
    assert answer.incumbent_objective == whole.incumbent_objective
    assert "violates rows by 5.7e-06" in answer.message
