"""The ways to a verdict on every unit, by name: ours in a table, others through entry points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from leo_opt.decisions.run import Classification
from leo_opt.registry import Registry


class Strategy(ABC):
    """A way to decide, for every unit, whether it can be active and whether it can be inactive.

    Attributes
    ----------
    name
        The word under which `STRATEGIES.find` knows it; verdicts name it.
    """

    name: ClassVar[str]

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
    },
)
"""The strategies of this package, and the way to those of others."""
