"""The ways to a verdict on every unit, by name: ours in a table, others through entry points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from leo_opt.decisions.run import Classification
from leo_opt.domain import Domain
from leo_opt.errors import InvalidInputError
from leo_opt.registry import Registry


class Strategy(ABC):
    """A way to decide, for every unit, whether it can be active and whether it can be inactive.

    Attributes
    ----------
    name
        The word under which `STRATEGIES.find` knows it; verdicts name it.
    takes_rows
        Whether it looks at the rows of a `Polytope`; others are asked about boxes only.
    """

    name: ClassVar[str]
    takes_rows: ClassVar[bool] = False

    @abstractmethod
    def settle(self, run: Classification) -> None:
        """Enter into the ledger of a run what can be proved or shown; the rest is undecided.

        It asks in the order of layers, looks at the deadline of the run, and leaves it to the
        ledger to refuse what contradicts other proofs.
        """


StrategyLike = str | Strategy | type[Strategy]
"""What chooses a strategy: a name, a strategy, or a class of them for its default options."""

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "leo_opt.strategies",
    Strategy,
    {
        "cascade": "leo_opt.decisions.cascade:Cascade",
        "per-unit": "leo_opt.decisions.per_unit:PerUnit",
        "joint": "leo_opt.decisions.joint:Joint",
        "bounds": "leo_opt.decisions.bounds_alone:BoundsAlone",
        "by-property": "leo_opt.verification.units:ByProperty",
    },
)
"""The strategies of this package, and the way to those of others."""


def strategy_for(domain: Domain, choice: StrategyLike) -> Strategy:
    """What a choice stands for on a domain: of a `Polytope`, the cascade is that by properties.

    Raises
    ------
    InvalidInputError
        If there is no such strategy, or it knows boxes only and the domain is none, or no input
        belongs to it.
    """
    way = STRATEGIES.find(choice)
    if domain.empty:
        raise InvalidInputError(f"no input satisfies the rows of {domain!r}; correct them")
    if way.takes_rows or not len(domain.rows[1]):
        return way
    if way == STRATEGIES.find("cascade"):
        return STRATEGIES.find("by-property")
    raise InvalidInputError(
        f"the strategy {way.name} with these options knows boxes only, and the domain is a "
        "Polytope; take by-property, or give the domain's `box`, which holds it"
    )
