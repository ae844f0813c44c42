"""A row that whoever leaves disjuncts out cannot read.

Many of Pyomo's solver interfaces walk constraints and variables only. A block with disjuncts is a
relaxation to them, whose optimum they would report without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyomo.core.base.constraint import ScalarConstraint
from pyomo.core.expr import NumericExpression
from pyomo.gdp import Disjunct


class DisjunctsNeedGdpBigm(NumericExpression):  # type: ignore[misc]
    """A zero that no solver interface can write; its name is what their errors say."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(())

    def __call__(self, exception: Any = True) -> float:  # noqa: ARG002
        """Zero, so that a point can be tried on the row."""
        return 0.0

    def nargs(self) -> int:
        """No arguments."""
        return 0

    def polynomial_degree(self) -> None:
        """None: not linear and not of any other degree."""

    def is_fixed(self) -> bool:
        """False: a row that is fixed would be left out as trivial."""
        return False

    def is_potentially_variable(self) -> bool:
        """True, for the same reason."""
        return True

    def to_string(self, *_: Any, **__: Any) -> str:
        """What to do."""
        return "disjuncts: apply TransformationFactory('gdp.bigm') or use leo_opt.solvers"

    def __str__(self) -> str:
        return self.to_string()

    def create_node_with_local_data(self, *_: Any, **__: Any) -> Any:
        """Another one."""
        return type(self)()

    def __deepcopy__(self, _: Any) -> Any:
        return type(self)()


class DisjunctGuard(ScalarConstraint):  # type: ignore[misc]
    """A true row that is active as long as disjuncts are, and that no interface can write.

    Pyomo's transformations of disjunctions deactivate the disjuncts that they have written as
    rows, and with them this one; so does whoever reads disjuncts and takes them out of the way.
    """

    def __init__(self, watched: Mapping[Any, Any], **given: Any) -> None:
        self._watched = watched
        super().__init__(expr=DisjunctsNeedGdpBigm() <= 0.0, **given)

    @property
    def active(self) -> bool:
        """Whether a disjunct is still to be read."""
        return bool(self._active) and any(
            disjunct.active and disjunct.ctype is Disjunct for disjunct in self._watched.values()
        )

    @active.setter
    def active(self, value: bool) -> None:
        raise AttributeError(f"active cannot be set to {value}; call activate or deactivate")


def add_guard(block: Any, disjuncts: Mapping[Any, Any]) -> None:
    """Add the row `disjuncts_are_read` to a block that holds disjuncts, one indexed component."""
    if len(disjuncts):
        block.disjuncts_are_read = DisjunctGuard(disjuncts)
