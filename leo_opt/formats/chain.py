"""From a sequence of affine steps and rectifiers to the layers of a network.

A matrix and the bias behind it are one layer. An elementwise step (a bias, a normalisation, a batch
normalisation) goes into the matrix in front of it, or, where there is none since the last
rectifier, into the matrix behind it; only where there is neither does it make up a layer of its
own. What is rounded to float64 on the way is bounded, number by number, and travels with the
network as `Network.rounding`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.formats.rounded import Rounded
from leo_opt.network import FloatArray, Layer, Network, Rounding, Signature


@dataclass(frozen=True, eq=False)
class Diagonal:
    """x -> scale * x + shift, elementwise; both (n,)."""

    scale: Rounded
    shift: Rounded

    @classmethod
    def identity(cls, width: int) -> Diagonal:
        """The map that changes nothing."""
        return cls(Rounded.exact(np.ones(width)), Rounded.exact(np.zeros(width)))

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        return self.scale.equals(1.0) and self.shift.equals(0.0)

    @property
    def keeps_signs(self) -> bool:
        """Whether numbers that are not negative stay so."""
        return self.scale.certainly_not_negative and self.shift.certainly_not_negative

    def add(self, values: Rounded) -> Diagonal:
        """This map, then x -> x + values."""
        return Diagonal(self.scale, self.shift + values)

    def multiply(self, values: Rounded) -> Diagonal:
        """This map, then x -> x * values."""
        return Diagonal(self.scale * values, self.shift * values)

    def divide(self, values: Rounded) -> Diagonal:
        """This map, then x -> x / values."""
        return Diagonal(self.scale / values, self.shift / values)

    def dense(self) -> Dense:
        """The same map as a matrix."""
        weight = Rounded(np.diag(self.scale.values), np.diag(self.scale.error))
        return Dense(weight, self.shift)


@dataclass(frozen=True, eq=False)
class Dense:
    """x -> weight @ x + bias; weight (m, n), bias (m,)."""

    weight: Rounded
    bias: Rounded

    @classmethod
    def behind(cls, diagonal: Diagonal, weight: Rounded) -> Dense:
        """An elementwise map, then x -> weight @ x."""
        if diagonal.is_identity:
            return cls(weight, Rounded.exact(np.zeros(len(weight.values))))
        return cls(weight * diagonal.scale.along(1), weight @ diagonal.shift)

    def add(self, values: Rounded) -> Dense:
        """This map, then x -> x + values."""
        return Dense(self.weight, self.bias + values)

    def multiply(self, values: Rounded) -> Dense:
        """This map, then x -> x * values."""
        return Dense(self.weight * values.along(0), self.bias * values)

    def divide(self, values: Rounded) -> Dense:
        """This map, then x -> x / values."""
        return Dense(self.weight / values.along(0), self.bias / values)


class Chain:
    """Collects steps and gives the network they amount to.

    Parameters
    ----------
    width
        Number of inputs.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._layers: list[tuple[Dense, str]] = []
        self._open: Dense | Diagonal = Diagonal.identity(width)

    def apply(self, weight: FloatArray, factor: float = 1.0) -> None:
        """x -> factor * weight @ x; weight (m, width)."""
        matrix = Rounded.exact(weight)
        if factor != 1.0:
            matrix = matrix * Rounded.exact(factor)
        if isinstance(self._open, Dense):
            self._close("linear")
        assert isinstance(self._open, Diagonal)
        self._open = Dense.behind(self._open, matrix)
        self.width = weight.shape[0]

    def add(self, values: FloatArray, factor: float = 1.0) -> None:
        """x -> x + factor * values; values (width,)."""
        terms = Rounded.exact(values)
        self._open = self._open.add(terms if factor == 1.0 else terms * Rounded.exact(factor))

    def multiply(self, values: FloatArray) -> None:
        """x -> x * values; values (width,)."""
        self._open = self._open.multiply(Rounded.exact(values))

    def divide(self, values: FloatArray) -> None:
        """x -> x / values; values (width,), nowhere zero."""
        self._open = self._open.divide(Rounded.exact(values))

    def normalise(
        self,
        scale: FloatArray,
        shift: FloatArray,
        mean: FloatArray,
        variance: FloatArray,
        epsilon: float,
    ) -> None:
        """x -> scale * (x - mean) / sqrt(variance + epsilon) + shift; all (width,)."""
        deviation = (Rounded.exact(variance) + Rounded.exact(epsilon)).sqrt()
        factor = Rounded.exact(scale) / deviation
        self._open = self._open.multiply(factor)
        self._open = self._open.add(Rounded.exact(shift) - Rounded.exact(mean) * factor)

    def rectify(self) -> None:
        """x -> max(x, 0)."""
        rectified = bool(self._layers) and self._layers[-1][1] == "relu"
        if isinstance(self._open, Diagonal) and self._open.keeps_signs and rectified:
            return  # Nothing is negative here.
        self._close("relu")

    def network(self, signature: Signature) -> Network:
        """The network of all steps; the chain must not be used any more."""
        changes = not (isinstance(self._open, Diagonal) and self._open.is_identity)
        if changes or not self._layers:
            self._close("linear")
        layers = tuple(
            Layer(dense.weight.values, dense.bias.values, activation)
            for dense, activation in self._layers
        )
        rounding = tuple(_rounding(dense) for dense, _ in self._layers)
        return Network(layers, signature, rounding if any(rounding) else ())

    def _close(self, activation: str) -> None:
        """Make a layer of what is open."""
        dense = self._open.dense() if isinstance(self._open, Diagonal) else self._open
        self._layers.append((dense, activation))
        self._open = Diagonal.identity(self.width)


def _rounding(dense: Dense) -> Rounding | None:
    """What was rounded on the way to a layer."""
    if dense.weight.is_exact and dense.bias.is_exact:
        return None
    return Rounding(np.array(dense.weight.error), np.array(dense.bias.error))
