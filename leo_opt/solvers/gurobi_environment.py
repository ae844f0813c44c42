"""Gurobi's environment, which holds the licence.

All sessions of a process share one, so that a process takes one token of a floating licence; it
is given back with the last session.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar


class Environment:
    """The environment of this process, started with the first user and freed with the last."""

    _shared: ClassVar[Any] = None
    _process: ClassVar[int] = 0
    _users: ClassVar[int] = 0

    @classmethod
    def acquire(cls) -> Any:
        """Become a user of it."""
        import gurobipy

        if cls._process != os.getpid():
            cls._shared, cls._users, cls._process = None, 0, os.getpid()
        if cls._shared is None:
            environment = gurobipy.Env(empty=True)
            environment.setParam("OutputFlag", 0)
            environment.start()
            cls._shared = environment
        cls._users += 1
        return cls._shared

    @classmethod
    def release(cls) -> None:
        """Be no user of it any more."""
        cls._users -= 1
        if cls._users == 0:
            cls._shared.dispose()
            cls._shared = None
