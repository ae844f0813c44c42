"""Attributes that are computed once, and what a fork beside threads would make of a lock."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

import leo_opt
from leo_opt.lazily import lazy


class Slow:
    """Says how often it has computed."""

    def __init__(self) -> None:
        self.count = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    @lazy
    def quick(self) -> int:
        """The number of times."""
        self.count += 1
        return self.count

    @lazy
    def slow(self) -> int:
        self.begun.set()
        self.go_on.wait(20.0)
        return 1


def test_a_value_is_computed_once() -> None:
    value = Slow()
    assert (value.quick, value.quick, value.count) == (1, 1, 1)
    assert Slow.quick.__doc__ == "The number of times."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_a_thread_computes_leaves_no_lock() -> None:
    first, second = Slow(), Slow()
    thread = threading.Thread(target=lambda: first.slow)
    thread.start()
    first.begun.wait()
    second.go_on.set()
    child = os.fork()
    if child == 0:
        os._exit(second.slow)
    _, status = os.waitpid(child, 0)
    first.go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 1


def test_nothing_uses_the_one_with_a_lock() -> None:
    package = Path(leo_opt.__file__).parent
    for path in package.rglob("*.py"):
        if path.name != "lazily.py":
            assert not re.search(r"\bcached_property\b", path.read_text(encoding="utf-8")), path
