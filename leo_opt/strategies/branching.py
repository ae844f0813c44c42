"""ReLU branch and bound whose leaves carry certificates.

Each node fixes the phases of some units and solves the linear relaxation; its duals are turned
into a bound that is true in floating point (`Relaxation.certify`), so the solver only guides.
With one node this is the triangle relaxation alone.

References
----------
R. Bunel, I. Turkaslan, P. Torr, P. Kohli, M. P. Kumar, A Unified View of Piecewise Linear Neural
Network Verification, NeurIPS 2018.
A. Neumaier, O. Shcherbina, Safe bounds in linear and mixed-integer linear programming, Math.
Program. 99, 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.enclosure import evaluate
from leo_opt.network import FloatArray
from leo_opt.solvers import Answer, Session
from leo_opt.strategies.ledger import Direction
from leo_opt.strategies.relaxation import Relaxation, Split
from leo_opt.strategies.settings import Deadline

_NO_GAP = 1e-12
"""Below this a linear program's point is one of the network, as far as the solver can tell."""


@dataclass(frozen=True)
class Search:
    """What a branch and bound found about one direction.

    Parameters
    ----------
    bound
        Proved upper end of sign * pre: the largest over all leaves; certified.
    witness : (n_in,) array or None
        An input at which the network shows the sign.
    lps
        Linear programs solved.
    """

    bound: float
    witness: FloatArray | None
    lps: int
    seconds: float


@dataclass(frozen=True)
class _Node:
    """A split still to be explored and the bound that its parent proved."""

    split: Split
    bound: float


def search(
    session: Session,
    relaxation: Relaxation,
    direction: Direction,
    node_limit: int,
    deadline: Deadline,
) -> Search:
    """Prove that sign * pre is nowhere positive, or find an input where it is.

    Parameters
    ----------
    session
        Open on `relaxation.form`.
    node_limit
        Most linear programs to solve.

    Returns
    -------
    Search
        With a bound that is valid also where the budget ran out.
    """
    start = deadline.elapsed
    cost, constant = relaxation.objective(direction)
    stack = [_Node({}, np.inf)]
    closed, lps = -np.inf, 0
    while stack and lps < node_limit and not deadline.passed:
        node = stack.pop()
        columns, values = relaxation.fixings(node.split)
        session.fix(columns, values)
        answer = session.maximize(
            cost, constant=constant, relaxation=True, time_limit=deadline.remaining
        )
        session.free(columns)
        lps += 1
        if answer.termination_condition == "infeasible":
            refuted = answer.ray is not None and relaxation.refute(
                direction, node.split, answer.ray
            )
            closed = max(closed, -np.inf if refuted else node.bound)
            continue
        bound = min(node.bound, relaxation.certify(direction, node.split, answer.row_duals))
        if answer.point is not None:
            inputs = relaxation.inputs_of(answer.point)
            if shows_sign(relaxation, direction, inputs):
                open_bounds = max((left.bound for left in stack), default=-np.inf)
                proved = max(closed, bound, open_bounds)
                return Search(proved, inputs, lps, deadline.elapsed - start)
        branch = _choose(relaxation, node.split, answer)
        if bound <= 0.0 or branch is None:
            closed = max(closed, bound)
            continue
        # The phase that the point suggests is explored first, as witnesses are near it.
        assert answer.point is not None
        likely = bool(answer.point[relaxation.columns[branch[0]].pre[branch[1]]] > 0.0)
        stack += [_Node({**node.split, branch: phase}, bound) for phase in (not likely, likely)]
        if closed > 0.0:
            break  # One leaf cannot be closed, so no search can prove the sign.
    proved = max(closed, max((node.bound for node in stack), default=-np.inf))
    return Search(proved, None, lps, deadline.elapsed - start)


def shows_sign(relaxation: Relaxation, direction: Direction, inputs: FloatArray) -> bool:
    """Whether the network itself has sign * pre > 0 at an input, rounding accounted for."""
    pre, radius = evaluate(relaxation.network, inputs[None, :])[relaxation.layer]
    value = direction.sign * pre[0, direction.unit]
    return bool(value > radius[0, direction.unit])


def _choose(relaxation: Relaxation, split: Split, answer: Answer) -> tuple[int, int] | None:
    """The unit whose relaxation adds most to the objective of a linear program, or None."""
    if answer.point is None or answer.row_duals is None:
        return None
    for priced in (True, False):
        best, widest = None, _NO_GAP
        for layer, gap in enumerate(relaxation.gaps(answer.point, answer.row_duals, priced)):
            for unit in np.argsort(-gap)[: len(split) + 1]:
                if gap[unit] > widest and (layer, int(unit)) not in split:
                    best, widest = (layer, int(unit)), float(gap[unit])
        if best is not None:
            return best
    return None
