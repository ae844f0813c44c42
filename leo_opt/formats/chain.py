"""A sequence of affine steps and rectifiers as the layers of a network."""

from __future__ import annotations

import numpy as np

from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import Levels
from leo_opt.formats.rounded import Rounded
from leo_opt.network import FloatArray, Network, Signature


class Chain:
    """The values at one place of a chain, and the layers in front of it; `Levels` has the rules.

    Parameters
    ----------
    width
        Number of inputs.
    """

    def __init__(self, width: int) -> None:
        self._levels = Levels(width)
        self.values = self._levels.inputs

    @property
    def width(self) -> int:
        """Number of values."""
        return len(self.values)

    def apply(self, weight: FloatArray, factor: float = 1.0) -> None:
        """x -> factor * weight @ x; weight (m, width)."""
        self.values = self._levels.apply(dense(weight, factor), self.values)

    def add(self, values: FloatArray, factor: float = 1.0) -> None:
        """x -> x + factor * values; values (width,)."""
        self.values = self.values.add(scaled(values, factor))

    def multiply(self, values: FloatArray) -> None:
        """x -> x * values; values (width,)."""
        self.values = self.values.multiply(Rounded.exact(values))

    def divide(self, values: FloatArray) -> None:
        """x -> x / values; values (width,), nowhere zero."""
        self.values = self.values.divide(Rounded.exact(values))

    def rectify(self) -> None:
        """x -> max(x, 0)."""
        self.values = self._levels.rectify(self.values)

    def network(self, signature: Signature) -> Network:
        """The network of all steps; the chain must not be used any more."""
        return self._levels.network(self.values, signature)


def dense(weight: FloatArray, factor: float = 1.0) -> Affine:
    """A product by factor * weight (m, n)."""
    columns = np.broadcast_to(np.arange(weight.shape[1]), weight.shape)
    return Affine.matrix(columns, scaled(weight, factor))


def scaled(values: FloatArray | Rounded, factor: float) -> Rounded:
    """factor * values."""
    terms = values if isinstance(values, Rounded) else Rounded.exact(values)
    return terms if factor == 1.0 else terms * Rounded.exact(factor)


def normalised(
    values: Affine,
    scale: FloatArray,
    shift: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    epsilon: float,
) -> Affine:
    """scale * (x - mean) / sqrt(variance + epsilon) + shift for each value x; all (n,)."""
    deviation = (Rounded.exact(variance) + Rounded.exact(epsilon)).sqrt()
    factor = Rounded.exact(scale) / deviation
    centre = Rounded.exact(shift) - Rounded.exact(mean) * factor
    return values.multiply(factor).add(centre)
