"""What a formulation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from leo_opt.network import FloatArray

if TYPE_CHECKING:
    from leo_opt.formulations.sums import SumBounds


@dataclass(frozen=True, eq=False)
class UnitRow:
    """The numbers of one unit that the bounds leave unstable, scaled to ranges of about 1.

    pre = coefficients @ inputs + constant, to within `slack`; post = max(0, pre).

    Parameters
    ----------
    layer, unit
        Its address.
    coefficients : (k,) array
    constant
    slack
        Most that coefficients too small for a solver contribute; mostly 0.
    inputs_lower, inputs_upper : (k,) arrays
        Intervals of what the unit reads.
    lower, upper
        Bounds of pre; lower < 0 < upper.
    """

    layer: int
    unit: int
    coefficients: FloatArray
    constant: float
    slack: float
    inputs_lower: FloatArray
    inputs_upper: FloatArray
    lower: float
    upper: float

    @property
    def address(self) -> tuple[int, int]:
        """(layer, unit)."""
        return self.layer, self.unit


@dataclass(frozen=True, eq=False)
class Unit:
    """An unstable unit in a Pyomo block: its numbers and its variables.

    Parameters
    ----------
    row
        The numbers.
    inputs : k Pyomo variables
        What the unit reads.
    pre, post
        Variables in [lower, upper] and [0, upper].
    active
        Binary variable, or None in a formulation that is not exact.
    sums
        Bounds of weighted sums of what the unit reads, found when asked for; None where the
        network is not known.
    """

    row: UnitRow
    inputs: Sequence[Any]
    pre: Any
    post: Any
    active: Any
    sums: SumBounds | None = None

    @property
    def address(self) -> tuple[int, int]:
        """(layer, unit)."""
        return self.row.address

    @property
    def lower(self) -> float:
        """Lower bound of pre, negative."""
        return self.row.lower

    @property
    def upper(self) -> float:
        """Upper bound of pre, positive."""
        return self.row.upper


@dataclass(frozen=True, eq=False)
class Cut:
    """A row inputs @ x + pre * g + post * h + active * z <= upper that the network satisfies.

    x, g, h and z are what a unit reads, its pre- and post-activation and its binary, scaled as in
    `UnitRow`.

    Parameters
    ----------
    inputs : (k,) array
    """

    inputs: FloatArray
    pre: float
    post: float
    active: float
    upper: float


class Formulation(ABC):
    """How an unstable unit, post = max(0, pre), is written as rows and variables.

    All else is the same in every formulation: a stably active unit is one variable and one row, a
    stably inactive one is nothing, and the row that defines a pre-activation stands in the model
    once.

    Attributes
    ----------
    name
        The word under which `leo_opt.formulations.find` knows it.
    bytes_per_weight
        Peak memory of building and loading a model, for each weight of the network that is not 0.
    rows_per_unit, columns_per_unit
        What each unstable unit has at least besides its pre-activation and the row that defines it,
        as a solver's licence counts them; a model that is too large for one is not made.
    needs
        Words of `leo_opt.solvers.Feature` that a solver must offer.
    exact
        Whether its points are those of the network; otherwise it is a relaxation, and has no
        binary variables.
    writes_affine
        Whether `add_units` itself adds rows that define `pre` of unstable units.
    """

    name: ClassVar[str]
    bytes_per_weight: ClassVar[float] = 400.0
    rows_per_unit: ClassVar[int] = 0
    columns_per_unit: ClassVar[int] = 0
    needs: ClassVar[frozenset[str]] = frozenset()
    exact: ClassVar[bool] = True
    writes_affine: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def separates(self) -> bool:
        """Whether `add_units` leaves out rows that `violated_rows` finds."""
        return type(self).violated_rows is not Formulation.violated_rows

    def add_binaries(self, block: Any, addresses: Sequence[tuple[int, int]]) -> Any:
        """Add `is_active`, indexed by the addresses of the unstable units, and return it."""
        import pyomo.environ as pyo

        block.is_active = pyo.Var(addresses, within=pyo.Binary)
        return block.is_active

    @abstractmethod
    def add_units(self, block: Any, units: Sequence[Unit]) -> None:
        """Add the rows and further variables of all unstable units to a block.

        The names of components must differ from those that `formulate` gives the block.
        """

    def fill_units(self, block: Any, units: Sequence[Unit]) -> None:  # noqa: B027
        """Give the further variables that `add_units` added the values that belong to a point.

        The units' own variables, what they read, `pre`, `post` and `active`, have their values.
        """

    def violated_rows(
        self,
        row: UnitRow,  # noqa: ARG002
        inputs: FloatArray,  # noqa: ARG002
        post: float,  # noqa: ARG002
        active: float,  # noqa: ARG002
    ) -> Sequence[Cut]:
        """Rows of the formulation that `add_units` left out and that a point violates.

        Parameters
        ----------
        inputs : (k,) array
            With `post` and `active`, the part of the point that belongs to the unit.

        Returns
        -------
        sequence of Cut
            Empty in formulations that `add_units` writes whole.
        """
        return ()


FormulationLike = str | Formulation | type[Formulation]
"""What functions take for a formulation: a name, one, or a class, which is its default instance."""
