"""What a formulation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from leo_opt.formulations.columns import Columns
from leo_opt.network import FloatArray


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit that the bounds leave unstable, in scaled variables of range about 1.

    Parameters
    ----------
    layer, unit
        Its address.
    pre, post
        Pyomo variables of its scaled pre-activation, in [lower, upper], and of its scaled
        post-activation, in [0, upper]; lower < 0 < upper.
    active
        Its binary variable; None in a formulation that is not exact.
    columns
        What the unit reads: pre = coefficients @ columns.variables + constant, to within `slack`.
    coefficients : (k,) array
        One for each of `columns.variables`.
    """

    layer: int
    unit: int
    pre: Any
    post: Any
    active: Any
    lower: float
    upper: float
    columns: Columns
    coefficients: FloatArray
    constant: float
    slack: float

    @property
    def address(self) -> tuple[int, int]:
        """(layer, unit)."""
        return self.layer, self.unit


class Formulation(ABC):
    """How an unstable unit, post = max(0, pre), is written as rows and variables.

    All else is the same in every formulation: a stably active unit is one variable and one row, a
    stably inactive one is nothing, and the row that defines a pre-activation stands in the model
    once.

    Attributes
    ----------
    name
        The word under which `leo_opt.formulations.find` knows it.
    needs
        Words of `leo_opt.solvers.Feature` that a solver must offer.
    exact
        Whether its points are those of the network; otherwise it is a relaxation, and has no
        binary variables.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    exact: ClassVar[bool] = True

    @abstractmethod
    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """Add the rows and further variables of all unstable units to a block.

        The names of components must differ from those that `formulate` gives the block.
        """
