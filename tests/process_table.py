"""Processes as the system knows them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path


def children_of(process: int) -> list[int]:
    """Processes that a process has started, where the system tells."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def is_alive(process: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def left_after(processes: Iterable[int], seconds: float) -> list[int]:
    """Those of some processes that are still alive after so many seconds."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if is_alive(process)]
    return left
