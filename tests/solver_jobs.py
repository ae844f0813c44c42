"""Jobs of the solver tests that run in other processes."""

from __future__ import annotations

from multiprocessing.connection import Connection

from leo_opt.arrays import FloatArray
from leo_opt.errors import SolverError
from leo_opt.solvers import Session, StandardForm, find


def ask_knapsack(form: StandardForm, objective: FloatArray) -> float | None:
    """The optimum, by a session of this process."""
    with find("highs").open(form) as session:
        return session.maximize(objective).incumbent_objective


def ask_session(session: Session, objective: FloatArray, sender: Connection) -> None:
    """Send what an inherited session says."""
    try:
        sender.send(str(session.maximize(objective)))
    except SolverError as error:
        sender.send(str(error))
    session.close()
