"""Activations as linear pieces, in the one table of activation tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leo_opt.lazily import lazy

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LinearPiece:
    """One piece of an activation: on [lower, upper] its value grows with `slope`."""

    lower: float
    upper: float
    slope: float


@dataclass(frozen=True)
class Activation:
    """A nondecreasing, continuous, piecewise-linear function that is 0 at 0, with slopes up to 1.

    Everything else that other code asks of an activation follows from its pieces, so that nobody
    keeps a table of tags besides this one.

    Parameters
    ----------
    pieces
        The linear pieces from left to right; together they cover the real line.
    operator
        The ONNX operator that computes it, or None for the identity.
    """

    pieces: tuple[LinearPiece, ...]
    operator: str | None = None

    @property
    def has_phases(self) -> bool:
        """Whether units of this activation can be in more than one linear phase."""
        return len(self.pieces) > 1

    @lazy
    def convex(self) -> bool:
        """Whether slopes grow from left to right, so that a chord lies above the function."""
        slopes = [piece.slope for piece in self.pieces]
        return slopes == sorted(slopes)

    @lazy
    def homogeneous(self) -> bool:
        """Whether f(c x) = c f(x) for every c > 0: all breakpoints are at 0."""
        return all(piece.lower in (-np.inf, 0.0) for piece in self.pieces)

    @lazy
    def lipschitz(self) -> float:
        """The largest slope: no difference of inputs grows beyond this factor."""
        return max(piece.slope for piece in self.pieces)

    def __call__(self, pre: FloatArray) -> FloatArray:
        """Post-activations of pre-activations `pre` (any shape), elementwise and without rounding
        where the slopes are 0 and 1."""
        if not self.has_phases:
            return pre * self.pieces[0].slope
        post = np.zeros_like(pre)
        for piece in self.pieces:
            if piece.slope != 0.0:
                start = min(max(0.0, piece.lower), piece.upper)
                post = post + piece.slope * (np.clip(pre, piece.lower, piece.upper) - start)
        return post

    def exact(self, pre: Fraction) -> Fraction:
        """Post-activation of one pre-activation, in rationals."""
        total = Fraction(0)
        for piece in self.pieces:
            if piece.slope:
                change = _clip(pre, piece) - _clip(Fraction(0), piece)
                total += Fraction(piece.slope) * change
        return total

    def slopes(self, pre: FloatArray) -> FloatArray:
        """Derivatives at pre-activations of any shape; from below at a breakpoint."""
        slope = np.full_like(pre, self.pieces[0].slope)
        for piece in self.pieces[1:]:
            slope = np.where(pre > piece.lower, piece.slope, slope)
        return slope


def _clip(value: Fraction, piece: LinearPiece) -> Fraction:
    """The nearest number of a piece's interval, which may be infinite."""
    if value < piece.lower:
        return Fraction(piece.lower)
    return Fraction(piece.upper) if value > piece.upper else value


LINEAR = "linear"
"""The tag of units that pass their input on."""

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        LINEAR: Activation((LinearPiece(-np.inf, np.inf, 1.0),)),
        "relu": Activation(
            (LinearPiece(-np.inf, 0.0, 0.0), LinearPiece(0.0, np.inf, 1.0)), operator="Relu"
        ),
    }
)
"""The one table of activation tags; all code asks it instead of comparing strings."""
