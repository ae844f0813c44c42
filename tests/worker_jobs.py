"""Jobs that worker processes of the tests can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np  # noqa: F401  (a worker that has loaded no BLAS has no threads to show)
from threadpoolctl import ThreadpoolController

from leo_opt.errors import InvalidInputError


def blas_threads(_: int) -> set[int]:
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return {library.num_threads for library in libraries}


def square(x: int) -> int:
    return x * x


def sleep_for(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def refuse(x: int) -> int:
    raise InvalidInputError(f"value {x}")


def die_for(job: tuple[str, int]) -> int:
    """Kill this process for the job that the folder has no mark of yet, or always for -1."""
    folder, x = job
    mark = Path(folder) / str(x)
    if x < 0 or (x % 5 == 3 and not mark.exists()):
        mark.touch()
        os._exit(1)
    return x


def break_down(x: int) -> int:
    """A bug, and not the worker's death."""
    raise OSError(f"no file {x}")


def idle(_: int) -> None:
    time.sleep(60.0)
