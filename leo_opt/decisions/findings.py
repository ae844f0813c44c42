"""An open sign of a unit, and what a job found out about it: values that travel and are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from leo_opt.network import FloatArray
from leo_opt.stability import ARITHMETIC, Premise, weakest
from leo_opt.storage.codec import Extended


class Direction(NamedTuple):
    """Can pre[layer, unit] be above zero (sign +1), or below zero (sign -1)?"""

    layer: int
    unit: int
    sign: int


@dataclass(frozen=True, eq=False)
class Finding:
    """What a job found out about a direction.

    Parameters
    ----------
    direction
        What was asked: can sign * pre be positive?
    stage
        Of `STAGES`, or "tighten".
    bound
        Proved upper end of sign * pre in natural units, or None where nothing is proved.
    premise
        What must be believed for the bound; `resting_on` adds the intervals it started from.
    witness : (n_in,) array or None
        An input at which the network itself shows the sign.
    anomaly
        Why an answer was not believed, or what went wrong; "" if nothing.
    effort
        Linear programs that a search was allowed; 0 where it was not finished, and elsewhere.
    seconds, lps, milps, nodes
        What it cost.
    """

    direction: Direction
    stage: str
    bound: Extended | None = None
    premise: Premise = ARITHMETIC
    witness: FloatArray | None = None
    anomaly: str = ""
    effort: int = 0
    seconds: float = 0.0
    lps: int = 0
    milps: int = 0
    nodes: int = 0

    @property
    def settles(self) -> bool:
        """Whether the direction needs no further question."""
        return self.witness is not None or (self.bound is not None and self.bound <= 0.0)

    @property
    def convicts(self) -> bool:
        """Whether the solver was caught in an answer that cannot be true."""
        return bool(self.anomaly) and self.milps > 0

    def withdrawn(self) -> Finding:
        """This finding without a bound, the solver being convicted on the same model."""
        return replace(self, bound=None, anomaly=self.anomaly or "solver convicted elsewhere")

    def resting_on(self, premise: Premise) -> Finding:
        """This finding, made from intervals that have a premise of their own."""
        return replace(self, premise=weakest(self.premise, premise))
