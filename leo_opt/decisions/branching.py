"""ReLU branch and bound whose leaves carry certificates.

Each node fixes the phases of some units and solves the linear relaxation; its duals are turned
into a bound that is true in floating point (`Relaxation.certify`), so the solver only guides.
With one linear program this is the triangle relaxation alone.

References
----------
R. Bunel, I. Turkaslan, P. Torr, P. Kohli, M. P. Kumar, A Unified View of Piecewise Linear Neural
Network Verification, NeurIPS 2018.
A. Neumaier, O. Shcherbina, Safe bounds in linear and mixed-integer linear programming, Math.
Program. 99, 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leo_opt.deadline import Deadline
from leo_opt.decisions.facets import Facets
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.relaxation import Relaxation, Split
from leo_opt.enclosure import evaluate
from leo_opt.network import FloatArray
from leo_opt.separation import in_rounds
from leo_opt.solvers import Answer, Session, find

_NODE_ROUNDS = 1
"""Rounds of facets at each node but the root."""
_MOST_FACETS = 150
"""Above this those without a dual are dropped: dense rows cost more time than they save nodes."""
_TRIAL = 1 / 8
"""Share of the effort after which a search has to show that it can come to an end."""
_HOPELESS = 2.0
"""Times the effort: what a search may seem to need, as the estimate is a rough one."""
_NO_GAP = 1e-12
"""Below this a linear program's point is one of the network, as far as the solver can tell."""


@dataclass(frozen=True)
class Effort:
    """What may be spent on one direction.

    Parameters
    ----------
    lps
        Most linear programs to solve.
    rounds
        Rounds of facets at the root.
    least_gain
        Share of the bound that a round has to take off for another one.
    settles
        Whether a witness ends the search; otherwise the best bound is wanted.

    Notes
    -----
    A search that settles ends early once it cannot be expected to close its tree, whose size is
    estimated from the depths of the leaves closed so far (D. E. Knuth, Estimating the efficiency
    of backtrack programs, Math. Comp. 29, 1975).
    """

    lps: int
    rounds: int = 20
    least_gain: float = 0.25
    settles: bool = True


RELAXATION = Effort(lps=1, rounds=0)
"""The triangle relaxation alone."""


class _Solved(NamedTuple):
    """A linear program's answer, the bound it proves, and a witness."""

    answer: Answer
    bound: float
    witness: FloatArray | None


@dataclass(frozen=True)
class _Node:
    """A split still to be explored and the bound that its parent proved."""

    split: Split
    bound: float


def search(
    session: Session,
    relaxation: Relaxation,
    direction: Direction,
    effort: Effort,
    deadline: Deadline,
) -> Finding:
    """Prove that sign * pre is nowhere positive, or find an input where it is.

    Parameters
    ----------
    session
        Open on `relaxation.form`.
    effort
        What it may spend.

    Returns
    -------
    Finding
        With a certified bound, the largest over all leaves, also where the budget ran out.
    """
    return _Searcher(session, relaxation, direction, effort, deadline).run()


class _Searcher:
    """One branch and bound; `closed` is the largest bound of the leaves so far."""

    def __init__(
        self,
        session: Session,
        relaxation: Relaxation,
        direction: Direction,
        effort: Effort,
        deadline: Deadline,
    ) -> None:
        self._session = session
        self._relaxation = relaxation
        self._direction = direction
        self._effort = effort
        self._deadline = deadline
        self._cost, self._constant = relaxation.objective(direction)
        self._facets = Facets(relaxation, session)
        self._closed = -np.inf
        self._explored = 0.0  # Share of the tree, halves at each branching.
        self._lps = 0

    def run(self) -> Finding:
        """Explore nodes, the likeliest to hold a witness first."""
        start = self._deadline.elapsed
        stack = [_Node({}, np.inf)]
        witness = None
        while stack and self._goes_on and witness is None:
            node = stack.pop()
            children, bound, witness = self._explore(node)
            self._closed = max(self._closed, bound)
            self._explored += 0.0 if children else 0.5 ** len(node.split)
            stack += children
            if self._effort.settles and children and self._closed > 0.0:
                break  # One leaf cannot be closed, so no search can prove the sign.
            if not self._effort.settles:
                # The bound of all is that of the worst, which is explored next.
                stack.sort(key=lambda node: node.bound)
                if stack and stack[-1].bound <= self._closed:
                    break
        self._facets.remove()
        proved = max(self._closed, max((node.bound for node in stack), default=-np.inf))
        return Finding(
            self._direction,
            "branch-and-bound",
            bound=proved,
            witness=witness,
            effort=self._effort.lps,
            lps=self._lps,
            seconds=self._deadline.elapsed - start,
        )

    @property
    def _goes_on(self) -> bool:
        return self._lps < self._effort.lps and not self._deadline.passed and not self._hopeless

    @property
    def _hopeless(self) -> bool:
        """Whether the tree seems to be far too large for the effort."""
        if not self._effort.settles or self._lps < max(1.0, _TRIAL * self._effort.lps):
            return False
        return self._lps > _HOPELESS * self._effort.lps * self._explored

    def _enough(self, bound: float) -> bool:
        """Whether a node with this bound needs no further work."""
        return bound == -np.inf or (self._effort.settles and bound <= 0.0)

    def _explore(self, node: _Node) -> tuple[list[_Node], float, FloatArray | None]:
        """Children of a node, or else what it is closed with; or a witness."""
        columns, values = self._relaxation.fixings(node.split)
        self._session.fix(columns, values)
        answer, bound, witness = self._bound(node)
        self._session.free(columns)
        if self._enough(bound) or witness is not None:
            return [], bound, witness
        branch = _choose(self._relaxation, node.split, answer)
        if branch is None:
            return [], bound, None
        # The phase that the point suggests is explored first, as witnesses are near it.
        column = self._relaxation.columns[branch[0]].pre[branch[1]]
        likely = answer.point is not None and bool(answer.point[column] > 0.0)
        children = [_Node({**node.split, branch: phase}, bound) for phase in (not likely, likely)]
        return children, -np.inf, None

    def _bound(self, node: _Node) -> _Solved:
        """Solve the relaxation of a node, with facets as long as they pay."""
        found, last = self._solve(node, node.bound), np.inf
        stuck = found.answer.point is None and not self._enough(found.bound)
        if stuck and len(self._facets) and self._goes_on:
            # Neither solved nor refuted: dense rows are hard on a simplex method.
            self._facets.remove()
            found = self._solve(node, found.bound)

        def solve(before: _Solved) -> _Solved:
            return self._solve(node, before.bound)

        most = _NODE_ROUNDS if node.split else self._effort.rounds
        for found in in_rounds(found, self._add_violated, solve, most):  # noqa: B020
            little = found.bound > (1.0 - self._effort.least_gain) * last
            if little or self._enough(found.bound) or found.witness is not None:
                break
            if not self._goes_on:
                break
            last = found.bound
        duals = found.answer.row_duals
        if duals is not None and len(self._facets) > _MOST_FACETS:
            self._facets.purge(duals)
        return found

    def _add_violated(self, found: _Solved) -> bool:
        """Add facets that a point violates, where there is a point."""
        solved = found.answer.point is not None and found.answer.row_duals is not None
        return solved and self._facets.add_violated(found.answer) > 0

    def _solve(self, node: _Node, known: float) -> _Solved:
        """One linear program."""
        relaxation, direction = self._relaxation, self._direction
        answer = self._session.maximize(
            self._cost,
            constant=self._constant,
            relaxation=True,
            time_limit=self._deadline.remaining,
        )
        self._lps += 1
        if answer.point is None:
            # A ray counts whatever the solver calls the model, as it is checked.
            refuted = answer.ray is not None and relaxation.refute(
                direction, node.split, answer.ray, self._facets
            )
            if refuted or answer.termination_condition == "infeasible":
                return _Solved(answer, -np.inf if refuted else known, None)
        proved = relaxation.certify(direction, node.split, answer.row_duals, self._facets)
        if relaxation.is_tie(direction, proved):
            proved = min(proved, self._without_ends(node))
        witness = None
        if answer.point is not None:
            inputs = relaxation.inputs_of(answer.point)
            seeks = self._effort.settles
            witness = inputs if seeks and shows_sign(relaxation, direction, inputs) else None
        return _Solved(answer, min(known, proved), witness)

    def _without_ends(self, node: _Node) -> float:
        """What the linear program proves where it must not rest on ends of intervals."""
        relaxation = self._relaxation
        with find(self._session.solver.name).open(relaxation.without_ends()) as session:
            session.fix(*relaxation.fixings(node.split))
            limit = self._deadline.remaining
            answer = session.maximize(self._cost, relaxation=True, time_limit=limit)
        self._lps += 1
        return relaxation.certify(self._direction, node.split, answer.row_duals)


def shows_sign(relaxation: Relaxation, direction: Direction, inputs: FloatArray) -> bool:
    """Whether the network itself has sign * pre > 0 at an input, rounding accounted for."""
    pre, radius = evaluate(relaxation.network, inputs[None, :])[relaxation.layer]
    value = direction.sign * pre[0, direction.unit]
    return bool(value > radius[0, direction.unit])


def _choose(relaxation: Relaxation, split: Split, answer: Answer) -> tuple[int, int] | None:
    """The unit whose relaxation adds most to the objective of a linear program, or None.

    Without a solution, the unit whose phase is most open: its parts may be easier to solve.
    """
    if answer.point is None or answer.row_duals is None:
        return _widest(relaxation.openness(), split)
    for priced in (True, False):
        best = _widest(relaxation.gaps(answer.point, answer.row_duals, priced), split)
        if best is not None:
            return best
    return None


def _widest(gaps: list[FloatArray], split: Split) -> tuple[int, int] | None:
    """The unit outside a split with the largest gap, if any has one."""
    best, widest = None, _NO_GAP
    for layer, gap in enumerate(gaps):
        for unit in np.argsort(-gap)[: len(split) + 1]:
            if gap[unit] > widest and (layer, int(unit)) not in split:
                best, widest = (layer, int(unit)), float(gap[unit])
    return best
