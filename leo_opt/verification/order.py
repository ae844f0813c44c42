"""Outcomes of jobs in the order of the jobs, so that nothing depends on which is ready first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from leo_opt.parallel import JobFailure, Workers

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_in_order(
    workers: Workers, function: Callable[[Job], Result], jobs: Sequence[Job]
) -> Iterator[Result | JobFailure]:
    """Outcomes of function(job), each as soon as it and all before it are there.

    Whoever has seen enough stops asking: with one worker the jobs behind are then never begun.
    """
    if len(jobs) == 1:
        # Alone it is as quick here, and many verifications never need another process.
        yield function(jobs[0])
        return
    ready: dict[int, Result | JobFailure] = {}
    position = 0
    for done in workers.run(function, jobs):
        ready[done.index] = done.outcome
        while position in ready:
            yield ready.pop(position)
            position += 1
