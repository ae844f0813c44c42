"""Activations as linear pieces, in the one table of activation tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LinearPiece:
    """One piece of an activation: on [lower, upper] its value grows with `slope`."""

    lower: float
    upper: float
    slope: float


@dataclass(frozen=True)
class Activation:
    """A nondecreasing, continuous, piecewise-linear function that is 0 at 0.

    Parameters
    ----------
    pieces
        The linear pieces from left to right; together they cover the real line.
    """

    pieces: tuple[LinearPiece, ...]

    @property
    def has_phases(self) -> bool:
        """Whether units of this activation can be in more than one linear phase."""
        return len(self.pieces) > 1

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

    def slopes(self, pre: FloatArray) -> FloatArray:
        """Derivatives at pre-activations of any shape; from below at a breakpoint."""
        slope = np.full_like(pre, self.pieces[0].slope)
        for piece in self.pieces[1:]:
            slope = np.where(pre > piece.lower, piece.slope, slope)
        return slope


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "linear": Activation((LinearPiece(-np.inf, np.inf, 1.0),)),
        "relu": Activation((LinearPiece(-np.inf, 0.0, 0.0), LinearPiece(0.0, np.inf, 1.0))),
    }
)
"""The one table of activation tags; all code asks it instead of comparing strings."""
