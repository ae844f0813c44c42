"""One map over jobs, wherever they run, and what a dying worker costs."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import _ExecutorManagerThread
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from process_table import children_of, left_after
from worker_jobs import break_down, die_for, refuse, square

from leo_opt.errors import InvalidInputError, WorkerError
from leo_opt.parallel import JobFailure, Workers


def outcomes(workers: Workers, function, jobs) -> list:
    with workers:
        done = {result.index: result.outcome for result in workers.run(function, jobs)}
    assert sorted(done) == list(range(len(jobs)))
    return [done[index] for index in range(len(jobs))]


def test_every_place_gives_the_same_results() -> None:
    jobs = list(range(20))
    expected = [x * x for x in jobs]
    assert outcomes(Workers(), square, jobs) == expected
    assert outcomes(Workers(2), square, jobs) == expected
    with ThreadPoolExecutor(3) as threads:
        assert outcomes(Workers(executor=threads), square, jobs) == expected
        assert threads.submit(square, 3).result() == 9  # A given executor is left open.
    assert outcomes(Workers(2), square, []) == []


@pytest.mark.system
def test_a_worker_that_dies_costs_a_retry(tmp_path) -> None:
    jobs = [(str(tmp_path), x) for x in range(12)]
    assert outcomes(Workers(2), die_for, jobs) == list(range(12))


@pytest.mark.system
def test_a_job_that_always_kills_its_worker_fails_alone(tmp_path) -> None:
    jobs = [(str(tmp_path), x) for x in (0, 1, -1, 2, 4)]
    results = outcomes(Workers(2), die_for, jobs)
    assert isinstance(results[2], JobFailure)
    assert "worker lost" in results[2].reason
    assert results[:2] + results[3:] == [0, 1, 2, 4]


def test_callers_in_all_threads_of_the_pool_of_their_jobs_are_answered() -> None:
    """No thread is left for the jobs, so that the callers have to do them."""
    with ThreadPoolExecutor(2) as threads:

        def ask(x: int) -> list:
            return outcomes(Workers(executor=threads), square, [x, x + 1])

        assert list(threads.map(ask, [1, 2, 3], timeout=30.0)) == [[1, 4], [4, 9], [9, 16]]


def test_who_has_seen_enough_leaves_no_job_behind() -> None:
    with ThreadPoolExecutor(1) as threads:
        gate = threads.submit(time.sleep, 0.3)
        results = Workers(executor=threads).run(square, list(range(50)))
        assert next(results).outcome >= 0
        results.close()
        gate.result()
        before = time.monotonic()
        threads.submit(square, 1).result()
        assert threads._work_queue.empty()
    assert time.monotonic() - before < 5.0


def test_an_executor_that_is_broken_or_closed_is_an_error_at_once(tmp_path: Path) -> None:
    jobs = [(str(tmp_path), -1), *((str(tmp_path), x) for x in (0, 1, 2))]
    with ProcessPoolExecutor(1) as processes, pytest.raises(WorkerError, match="give one that"):
        outcomes(Workers(executor=processes), die_for, jobs)
    with pytest.raises(WorkerError, match="takes no jobs"):
        outcomes(Workers(executor=processes), square, [1])


UNGUARDED = """
import sys
sys.path.insert(0, {folder!r})
from worker_jobs import square
from leo_opt.parallel import Workers

{alone}
with Workers(2) as workers:
    print([done.outcome for done in workers.run(square, list(range(50)))])
"""


SLOW_TO_HEAR = """
import os, time
waitpid = os.waitpid
os.waitpid = lambda *which: (waitpid(*which), time.sleep(0.2))[0]
"""
"""Whoever else waits for a process meanwhile finds that there is none."""

SLOW_TO_START = """
import os, time
from multiprocessing.popen_spawn_posix import Popen
launch, started = Popen._launch, []
def launch_late(self, process):
    started.append(self)
    if len(started) == 2:
        os.waitid(os.P_PID, started[0].pid, os.WEXITED | os.WNOWAIT)
        time.sleep(0.5)
    launch(self, process)
Popen._launch = launch_late
"""
"""The pool breaks with its first process while the second is started."""


@pytest.mark.system
@pytest.mark.parametrize(
    ("alone", "cure"),
    [
        ("", 'if __name__ == "__main__":'),
        ("if __name__ != '__main__': sys.exit(7)", "exit codes [7]"),
        (SLOW_TO_HEAR + "if __name__ != '__main__': sys.exit(7)", "exit codes [7]"),
        (SLOW_TO_START + "if __name__ != '__main__': sys.exit(7)", "exit codes [7]"),
    ],
)
def test_workers_that_cannot_start_are_one_error_that_names_the_cure(
    tmp_path: Path, alone: str, cure: str
) -> None:
    script = tmp_path / "main.py"
    script.write_text(UNGUARDED.format(folder=str(Path(__file__).parent), alone=alone))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("leo_opt.errors.WorkerError: worker processes")
    assert cure in done.stderr.splitlines()[-1]
    assert "bootstrapping" not in done.stderr


@pytest.mark.parametrize("first", [1, 2])
def test_a_system_that_starts_no_more_processes(monkeypatch, first: int) -> None:
    """One process is enough; without any the error names the cure."""
    started = []
    start = SpawnProcess.start

    def refuse_to_start(process: SpawnProcess) -> None:
        started.append(process)
        if len(started) == 2 or first == 1:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", refuse_to_start)
    if first == 1:
        with pytest.raises(WorkerError, match=r"Resource temporarily.*take fewer workers"):
            outcomes(Workers(2), square, [1, 2, 3])
    else:
        assert outcomes(Workers(2), square, [1, 2, 3]) == [1, 4, 9]


@pytest.mark.parametrize("kind", [SpawnProcess, _ExecutorManagerThread])
def test_a_system_that_starts_no_more_threads(monkeypatch, kind: type) -> None:
    def refuse_to_start(_started: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(kind, "start", refuse_to_start)
    with pytest.raises(WorkerError, match=r"can't start new thread; take fewer workers"):
        outcomes(Workers(2), square, [1, 2, 3])


def test_errors_raised_on_purpose_are_passed_on() -> None:
    for workers in (Workers(), Workers(2)):
        with pytest.raises(InvalidInputError, match="value 7"):
            outcomes(workers, refuse, [7])
    with pytest.raises(InvalidInputError, match="workers is 0"):
        Workers(0)


def test_bugs_are_raised_wherever_the_job_ran() -> None:
    """With the worker's traceback as the cause; only the death of a worker is tried again."""
    with ThreadPoolExecutor(1) as threads:
        for workers in (Workers(), Workers(2), Workers(executor=threads)):
            with pytest.raises(OSError, match="no file 7") as raised:
                outcomes(workers, break_down, [7])
            text = "".join(traceback.format_exception(raised.value))
            assert "in break_down" in text


INTERRUPTED = """
import signal, sys
# Whoever is started in the background may have been told to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {folder!r})
from worker_jobs import idle
from leo_opt.parallel import Workers

if __name__ == "__main__":
    with Workers(2) as workers:
        print("ready", flush=True)
        list(workers.run(idle, [1, 2, 3]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system lists no children")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path, end: signal.Signals) -> None:
    script = tmp_path / "main.py"
    script.write_text(INTERRUPTED.format(folder=str(Path(__file__).parent)))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        # The tracker of semaphores and two workers.
        while process.poll() is None and len(children_of(process.pid)) < 3:
            time.sleep(0.01)
        time.sleep(1.5)
        children = children_of(process.pid)
        process.send_signal(end)
        assert process.wait(timeout=10) == -end
    assert len(children) == 3
    assert not left_after(children, 10.0)


@pytest.mark.system
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system lists no children")
def test_an_interrupt_leaves_no_semaphore_and_no_process(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(INTERRUPTED.format(folder=str(Path(__file__).parent)))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(children_of(process.pid)) < 3:
            time.sleep(0.01)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert "leaked" not in errors


def test_outcomes_come_in_the_order_of_the_jobs_and_are_told_when_ready() -> None:
    with ThreadPoolExecutor(3) as pool, Workers(executor=pool) as workers:
        told: list[object] = []
        found = list(workers.in_order(_sleep, [0.2, 0.1, 0.0], told.append))
    assert found == [0.2, 0.1, 0.0]
    assert told == [0.0, 0.1, 0.2]


def test_whoever_stops_asking_begins_no_further_job() -> None:
    begun: list[int] = []

    def note(job: int) -> int:
        begun.append(job)
        return job

    assert next(iter(Workers().in_order(note, [1, 2, 3]))) == 1
    assert begun == [1]


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
