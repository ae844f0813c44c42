"""Ways to replace a layer by one that costs less, by name: ours in a table, others as plug-ins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from leo_opt.approximation.parts import Parts
from leo_opt.approximation.targets import LayerTarget
from leo_opt.registry import Registry


@dataclass(frozen=True)
class Room:
    """What the weight of a layer may cost.

    Parameters
    ----------
    numbers
        How many numbers it may take, or multiplications.
    entry
        What an entry of a sparse part takes of them: 2 with its index, 1 where only multiplications
        count.
    """

    numbers: float
    entry: int = 2

    def rank(self, target: LayerTarget) -> int:
        """The largest rank for which there is room, at most that of the layer."""
        height, width = map(int, target.weight.shape)
        return max(0, min(int(self.numbers // (height + width)), height, width))

    @property
    def entries(self) -> int:
        """The most entries of a sparse part for which there is room."""
        return max(0, int(self.numbers // self.entry))


class Method(ABC):
    """A way to fit the parts of one layer to what it shall do on data.

    Attributes
    ----------
    name
        The word under which `METHODS.find` knows it.
    """

    name: ClassVar[str]

    @abstractmethod
    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """Parts that are near the target and for which there is room, or the smallest there are."""

    def quick(self) -> Method:
        """A cheaper way to much the same, by which room is shared among layers."""
        return self


MethodLike = str | Method | type[Method]
"""What chooses a method: a name, a method, or a class of them for its default options."""

METHODS: Registry[Method] = Registry(
    "method",
    "leo_opt.methods",
    Method,
    {
        "hard": "leo_opt.approximation.hard:Hard",
        "low-rank-sparse": "leo_opt.approximation.low_rank_sparse:LowRankSparse",
        "filter-groups": "leo_opt.approximation.filter_groups:FilterGroups",
        "whitened": "leo_opt.approximation.whitened:Whitened",
        "svd": "leo_opt.approximation.svd:Svd",
        "magnitude": "leo_opt.approximation.magnitude:Magnitude",
    },
)
"""The methods of this package, and the way to those of others."""
