"""Evidence: how one side of an interval is known, and what must be believed for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Premise:
    """What must be believed for a bound to hold.

    Parameters
    ----------
    solver, version
        Empty where nothing but arithmetic is behind the bound: it is *certified*. Who else
        vouches for it, such as the caller, has no version.
    margin
        How far the solver's bound was widened, in units of the scaled pre-activation.
    tolerances
        Names and values of the solver's tolerances in force.
    """

    solver: str = ""
    version: str = ""
    margin: float = 0.0
    tolerances: tuple[tuple[str, float], ...] = ()

    @property
    def certified(self) -> bool:
        """Whether only arithmetic with error bounds is needed."""
        return not self.solver

    def __str__(self) -> str:
        if self.certified:
            return "arithmetic"
        if not self.version:
            return self.solver
        return f"{self.solver} {self.version} (margin {self.margin:g})"


ARITHMETIC = Premise()
"""The premise of every certified bound."""
GIVEN = Premise("the bounds that the caller gave")
"""The premise of bounds from elsewhere, of which we know nothing; none is weaker."""


def weakest(left: Premise, right: Premise) -> Premise:
    """The premise that asks for more belief: a solver before arithmetic, then a smaller margin."""
    if left.certified or right.certified:
        return right if left.certified else left
    return left if left.margin <= right.margin else right


@dataclass(frozen=True)
class Evidence:
    """How one side of one unit's interval is known.

    Parameters
    ----------
    method
        What proved the trusted end of the interval: "interval", "crown", "rational" (CROWN without
        rounding), "splitting", "lp", "branch-and-bound", "tighten" (linear programs for the sake
        of later layers), "milp", "joint", or "given" (by the caller).
    premise
        The weakest premise under that proof, through all earlier layers.
    witness
        Row of `Stability.witnesses` with an input that lies beyond zero on this side, or None.
    anomaly
        What a solver said that could not be believed, or why nothing was asked, or "".
    seconds
        Time spent on questions about this side.
    """

    method: str = "interval"
    premise: Premise = ARITHMETIC
    witness: int | None = None
    anomaly: str = ""
    seconds: float = 0.0
