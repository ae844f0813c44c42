"""What an approximation may cost, or how far it may be from the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leo_opt.approximation.costs import Cost
from leo_opt.approximation.methods import Room
from leo_opt.arguments import Options, at_most, option, positive, read_number


@dataclass(frozen=True)
class Budget(Options):
    """What ends the search for a smaller network; each of its kinds is a class below.

    Parameters
    ----------
    limit
        The number that must not be exceeded.

    Attributes
    ----------
    entry
        What an entry of a sparse matrix takes of the cost: 2 with its index.
    limits_cost
        Whether the cost is limited, and not how far the outputs move.
    """

    limit: float
    entry: ClassVar[int] = 2
    limits_cost: ClassVar[bool] = True

    def cost(self, cost: Cost) -> int:
        """What counts of a cost."""
        return cost.parameters

    def room(self, share: float, positions: int) -> Room:
        """For a matrix that is multiplied by so many rows of a sample."""
        return Room(share / self.cost(Cost(1, 1, positions)), self.entry)


@dataclass(frozen=True)
class Parameters(Budget):
    """At most a share of the original's numbers; an index counts as a number."""

    limit: float = option(0.25, at_most(1, positive(read_number)))


@dataclass(frozen=True)
class MultiplyAdds(Budget):
    """At most a share of the original's multiplications."""

    limit: float = option(0.25, at_most(1, positive(read_number)))
    entry: ClassVar[int] = 1

    def cost(self, cost: Cost) -> int:
        """See `Budget.cost`."""
        return cost.multiply_adds


@dataclass(frozen=True)
class Response(Budget):
    """Outputs on the data at most so far from the original's, relatively, in the Frobenius norm."""

    limit: float = option(0.1, positive(read_number))
    limits_cost: ClassVar[bool] = False


@dataclass(frozen=True)
class Deviation(Budget):
    """No output moves by more than this on the domain, proved."""

    limit: float = option(0.1, positive(read_number))
    limits_cost: ClassVar[bool] = False
