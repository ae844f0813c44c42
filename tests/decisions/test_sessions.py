"""A warm session is lent to one job at a time, and ends with its run, wherever the jobs ran."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leo_opt.decisions.sessions import Sessions
from leo_opt.solvers import find, names


class Fake:
    """A session that knows whether two jobs have it at once."""

    def __init__(self) -> None:
        self.users = 0
        self.closed = False

    def close(self) -> None:
        assert self.users == 0
        self.closed = True


def test_no_two_jobs_have_one_session_at_once() -> None:
    made: list[Fake] = []
    gate = threading.Barrier(4, timeout=30.0)

    def make() -> Fake:
        made.append(Fake())
        return made[-1]

    def job(sessions: Sessions) -> None:
        with sessions.lend("a model", make) as session:
            session.users += 1
            gate.wait()
            assert session.users == 1
            session.users -= 1

    with Sessions() as sessions, ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            list(threads.map(job, [sessions] * 4))
        assert len(made) == 4
        assert not any(session.closed for session in made)
    assert all(session.closed for session in made)


def test_sessions_on_other_models_are_closed_and_after_an_error_all_are() -> None:
    first, second = Fake(), Fake()
    with Sessions() as sessions:
        with sessions.lend("one", lambda: first):
            pass
        with sessions.lend("two", lambda: second):
            assert first.closed
        with contextlib.suppress(ValueError), sessions.lend("two", Fake) as again:
            assert again is second
            raise ValueError("odd")
        assert second.closed


def test_what_comes_back_after_the_end_of_the_run_is_closed() -> None:
    session = Fake()
    with Sessions() as sessions:
        lent = sessions.lend("one", lambda: session)
        lent.__enter__()
    assert not session.closed
    lent.__exit__(None, None, None)
    assert session.closed


def test_a_process_keeps_the_sessions_of_the_run_that_it_served_last() -> None:
    travelled, other = Fake(), Fake()
    with Sessions() as run:
        here = pickle.loads(pickle.dumps(run))
        assert here is pickle.loads(pickle.dumps(run))
        assert here is not run
        with here.lend("one", lambda: travelled):
            pass
        assert not travelled.closed
        with Sessions() as later:
            with pickle.loads(pickle.dumps(later)).lend("one", lambda: other):
                assert travelled.closed
            assert not other.closed
        # Jobs may travel without leaving the process.
        assert other.closed


THREADS = """
import faulthandler, sys
faulthandler.enable()
sys.path.insert(0, {folder!r})
from thread_cases import contradictions
assert contradictions({solver!r}, range({first}, {last}), {places!r}) == 0
"""


def check_in_threads(solver: str, first: int, last: int, places: tuple[str, ...]) -> None:
    """Run it in a process of its own, which a crash in C code ends."""
    if not find(solver).available():
        pytest.skip(f"{solver} is not installed")
    folder = str(Path(__file__).parent.parent)
    code = THREADS.format(folder=folder, solver=solver, first=first, last=last, places=places)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


FORKS = ("fork",) if "fork" in multiprocessing.get_all_start_methods() else ()


@pytest.mark.parametrize(
    "solver",
    [name if name == "highs" else pytest.param(name, marks=pytest.mark.system) for name in names()],
)
def test_intervals_from_threads_are_true(solver: str) -> None:
    """Jobs in threads, callers in threads, callers in the very pool of their jobs, and a fork."""
    check_in_threads(solver, -3, 0, ("executor", "callers", "nested", *FORKS))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["executor", "callers", "nested", *FORKS])
@pytest.mark.parametrize("solver", names())
def test_intervals_of_a_thousand_networks_from_threads_are_true(solver: str, place: str) -> None:
    check_in_threads(solver, 0, 1000, (place,))
