"""Sizes of layers for a budget: weigh the layers, choose sizes for the budget, fit, and measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from leo_opt.approximation.allocation import Point, Price, between, rooms, walk
from leo_opt.approximation.budgets import Budget
from leo_opt.approximation.costs import Cost
from leo_opt.approximation.methods import Method
from leo_opt.approximation.pursuit import Built, Calibration, Imitation
from leo_opt.arguments import read_array
from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError
from leo_opt.network import Network

_TRIES = 6
"""Sizes that are tried for a budget."""
_FULL = 0.93
"""Of a budget: as much is enough."""

Distance = Callable[[Built], float]
"""How far a candidate's outputs can be from the original's: the proved bound."""


@dataclass(frozen=True, eq=False)
class SizeSearch(Generic[Built]):
    """A calibration, how to do it, and what for.

    Parameters
    ----------
    calibration
        The network to imitate and the data.
    whole
        The cost of the network that was given, of which budgets are shares.
    price
        What decides on sizes; if None, errors on the data.
    """

    calibration: Calibration[Built]
    method: Method
    budget: Budget
    whole: Cost
    price: Price | None = None

    def frontier(self) -> list[Point]:
        """Choices of sizes, from the network to the smallest.

        Raises
        ------
        InvalidInputError
            If no layer can be replaced.
        """
        data = self.calibration
        if not data.matrices:
            raise InvalidInputError(
                "the network has no layer that can be approximated: each has few inputs, or is a "
                "convolution in a chain; it stays as it is"
            )
        return walk(data, self.method, self.budget, self.price or data.error_alone)

    def towards(self, budget: Budget) -> SizeSearch[Built]:
        """The same for another limit."""
        return replace(self, budget=budget)

    def share(self, built: Built) -> float:
        """The cost of what was built as a share, in what the budget counts."""
        return self.budget.cost(self.calibration.cost(built)) / self.budget.cost(self.whole)

    def carry_out(
        self, points: Sequence[Point], distance: Distance[Built] | None
    ) -> tuple[Imitation, Built]:
        """The imitation that the budget asks for.

        Raises
        ------
        InvalidInputError
            If no size that the method has keeps within the budget.
        """
        if self.budget.limits_cost:
            return self._within_cost(points)
        return self._within_error(points, distance)

    def _within_cost(self, points: Sequence[Point]) -> tuple[Imitation, Built]:
        """As large as the cost allows."""
        limit = self.budget.limit
        own = self.budget.cost(self.calibration.own_cost)
        goal = limit * self.budget.cost(self.whole) / own
        best, least, below, above = None, np.inf, 0.0, points[0].cost
        for _ in range(_TRIES):
            made, built = self._made(points, between(points, goal))
            share = self.share(built)
            if share <= limit and made.error < least:
                best, least = (made, built), made.error
            # What a pass leaves unread goes, too: it may take less than was planned.
            if _FULL * limit <= share <= limit or (share < limit and goal >= points[0].cost):
                break
            if share > limit and goal < points[-1].cost:
                break
            below, above = (below, goal) if share > limit else (goal, above)
            goal *= 0.98 * limit / share
            if not below < goal < above:
                # Costs jump; a size between what was too large and too small is tried.
                goal = above if above == points[0].cost else 0.5 * (below + above)
        if best is not None:
            return best
        raise InvalidInputError(
            f"the budget {self.budget} is {100 * limit:.3g} % of the network, and the least that "
            f"the method {self.method.name} reaches is {100 * share:.3g} %; give a larger share"
        )

    def _within_error(
        self, points: Sequence[Point], distance: Distance[Built] | None
    ) -> tuple[Imitation, Built]:
        """As small as can be found within the error, by bisection along the walk."""
        low, high = points[-1].cost, points[0].cost
        best, goal = self._made(points, points[0]), low
        for _ in range(_TRIES + 1):
            made, built = self._made(points, between(points, goal))
            error = made.error if distance is None else distance(built)
            if error <= self.budget.limit:
                best, high = (made, built), goal
            else:
                low = goal
            # The smallest is tried first; where it will do, there is nothing to look for.
            if high == low:
                break
            goal = float(np.sqrt(low * high))
        return best

    def _made(self, points: Sequence[Point], point: Point) -> tuple[Imitation, Built]:
        data = self.calibration
        made = data.imitate(self.method, rooms(data, points, point, self.budget))
        return made, data.build(made)


def read_data(network: Network, data: object) -> FloatArray:
    """Calibration data, a row a sample.

    Raises
    ------
    InvalidInputError
        If they are not finite numbers, of another shape, or fewer than two.
    """
    array = read_array(data, "data")
    array = network.batch(array.reshape(len(array), -1) if array.ndim > 2 else array)
    if len(array) < 2:
        raise InvalidInputError("data hold one sample; give some hundred")
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        raise InvalidInputError(
            f"data hold {array[row, column]} in sample {row}, input {column}; give finite numbers"
        )
    return array


def remarks(data: FloatArray, imitation: Imitation) -> tuple[str, ...]:
    """What a user should know of data and iterations."""
    told = []
    if len(data) < data.shape[1]:
        told.append(
            f"{len(data)} samples are fewer than {data.shape[1]} inputs: the data leave numbers "
            "open, which stay near the original ones; more samples help"
        )
    constant = int((data == data[0]).all(axis=0).sum())
    if constant:
        told.append(
            f"{constant} of {data.shape[1]} inputs are the same in all samples: what the network "
            "makes of other values of them is not looked at"
        )
    if not any(one.parts for one in imitation.substitutes):
        told.append("no smaller size keeps within the budget: the network stays as it is")
    for one in imitation.substitutes:
        if one.parts is not None and one.parts.residuals.converged is False:
            told.append(
                f"layer {one.index}: not converged within the cap on steps; kept is the best"
            )
    return tuple(told)
