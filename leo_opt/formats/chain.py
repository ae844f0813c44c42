"""From a sequence of affine steps and rectifiers to the layers of a network.

No weight is rounded that need not be. A matrix and the bias behind it are one layer. Elementwise
steps behind a matrix are folded into it only where the numbers stay exact in the element type of
the file; otherwise, and in front of the first matrix, they make up a diagonal layer of their own.
Rounded to float64 are only quotients, sums of several elementwise steps in a row, and the factors
of a batch normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leo_opt.network import FloatArray, Layer


@dataclass(frozen=True)
class Diagonal:
    """x -> scale * x + shift, elementwise; both (n,)."""

    scale: FloatArray
    shift: FloatArray

    @classmethod
    def identity(cls, width: int) -> Diagonal:
        """The map that changes nothing."""
        return cls(np.ones(width), np.zeros(width))

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        return bool((self.scale == 1.0).all() and (self.shift == 0.0).all())

    def add(self, values: FloatArray) -> Diagonal:
        """This map, then x -> x + values."""
        return Diagonal(self.scale, self.shift + values)

    def multiply(self, values: FloatArray) -> Diagonal:
        """This map, then x -> x * values."""
        return Diagonal(self.scale * values, self.shift * values)

    def divide(self, values: FloatArray) -> Diagonal:
        """This map, then x -> x / values."""
        return Diagonal(self.scale / values, self.shift / values)

    def layer(self, activation: str) -> Layer:
        """The map as a dense layer."""
        return Layer(np.diag(self.scale), self.shift, activation)


@dataclass(frozen=True)
class Dense:
    """x -> weight @ x + bias; weight (m, n), bias (m,)."""

    weight: FloatArray
    bias: FloatArray

    def add(self, values: FloatArray, dtype: str) -> Dense | None:
        """This map, then x -> x + values; None unless exact in `dtype`."""
        total = self.bias + values
        shadow = total - self.bias
        error = (self.bias - (total - shadow)) + (values - shadow)
        return Dense(self.weight, total) if _fits(total, error, dtype) else None

    def multiply(self, values: FloatArray, dtype: str) -> Dense | None:
        """This map, then x -> x * values; None unless exact in `dtype`."""
        weight, weight_error = _product(self.weight, values[:, None])
        bias, bias_error = _product(self.bias, values)
        exact = _fits(weight, weight_error, dtype) and _fits(bias, bias_error, dtype)
        return Dense(weight, bias) if exact else None

    def divide(self, values: FloatArray, dtype: str) -> Dense | None:
        """This map, then x -> x / values; None unless exact in `dtype`."""
        inverse = 1.0 / values
        back, error = _product(inverse, values)
        if (back != 1.0).any() or error.any():
            return None
        return self.multiply(inverse, dtype)

    def fold(self, scale: FloatArray, shift: FloatArray) -> Dense:
        """This map, then x -> scale * x + shift, rounded to float64."""
        return Dense(self.weight * scale[:, None], self.bias * scale + shift)

    def layer(self, activation: str) -> Layer:
        """The map as a layer."""
        return Layer(self.weight, self.bias, activation)


class Chain:
    """Collects steps and gives the layers they amount to.

    Parameters
    ----------
    width
        Number of inputs.
    dtype
        Element type of the numbers that come: "float32" or "float64".
    """

    def __init__(self, width: int, dtype: str) -> None:
        self.width = width
        self._dtype = dtype
        self._layers: list[Layer] = []
        self._open: Dense | Diagonal | None = None

    def apply(self, weight: FloatArray) -> None:
        """x -> weight @ x; weight (m, width)."""
        self._close("linear")
        self._open = Dense(weight, np.zeros(weight.shape[0]))
        self.width = weight.shape[0]

    def add(self, values: FloatArray) -> None:
        """x -> x + values; values (width,)."""
        self._step(lambda dense: dense.add(values, self._dtype), lambda d: d.add(values))

    def multiply(self, values: FloatArray) -> None:
        """x -> x * values; values (width,)."""
        self._step(lambda dense: dense.multiply(values, self._dtype), lambda d: d.multiply(values))

    def divide(self, values: FloatArray) -> None:
        """x -> x / values; values (width,), nowhere zero."""
        self._step(lambda dense: dense.divide(values, self._dtype), lambda d: d.divide(values))

    def normalise(self, scale: FloatArray, shift: FloatArray) -> None:
        """x -> scale * x + shift, folded into a matrix right before it with rounding to float64."""
        if isinstance(self._open, Dense):
            self._open = self._open.fold(scale, shift)
        else:
            self._open = self._diagonal().multiply(scale).add(shift)

    def rectify(self) -> None:
        """x -> max(x, 0)."""
        unchanged = self._open is None or (
            isinstance(self._open, Diagonal) and self._open.is_identity
        )
        if unchanged and self._layers and self._layers[-1].has_phases:
            self._open = None  # A rectifier behind a rectifier changes nothing.
            return
        self._open = self._open or self._diagonal()
        self._layers.append(self._open.layer("relu"))
        self._open = None

    def layers(self) -> tuple[Layer, ...]:
        """All layers; the chain must not be used any more."""
        self._close("linear")
        if not self._layers:
            self._layers.append(Diagonal.identity(self.width).layer("linear"))
        return tuple(self._layers)

    def _diagonal(self) -> Diagonal:
        """The diagonal map that is open, or a new one."""
        return self._open if isinstance(self._open, Diagonal) else Diagonal.identity(self.width)

    def _step(
        self,
        fold: Callable[[Dense], Dense | None],
        extend: Callable[[Diagonal], Diagonal],
    ) -> None:
        """Take an elementwise step into the open matrix where that is exact, else behind it."""
        folded = fold(self._open) if isinstance(self._open, Dense) else None
        if folded is not None:
            self._open = folded
            return
        diagonal = self._diagonal()
        if isinstance(self._open, Dense):
            self._close("linear")
        self._open = extend(diagonal)

    def _close(self, activation: str) -> None:
        """End the open layer, if there is one that changes anything."""
        changes = not (isinstance(self._open, Diagonal) and self._open.is_identity)
        if self._open is not None and changes:
            self._layers.append(self._open.layer(activation))
        self._open = None


def _fits(values: FloatArray, error: FloatArray, dtype: str) -> bool:
    """Whether `values` were computed without `error` and are numbers of `dtype`."""
    if error.any() or not np.isfinite(values).all():
        return False
    with np.errstate(over="ignore", under="ignore"):
        return bool((values.astype(dtype) == values).all())


def _product(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """left * right and its rounding error, not zero where the error cannot be told.

    References
    ----------
    T. J. Dekker, A floating-point technique for extending the available precision, 1971.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        product = left * right
        high_l, low_l = _split(left)
        high_r, low_r = _split(right)
        error = low_l * low_r - (((product - high_l * high_r) - low_l * high_r) - high_l * low_r)
    # Below this size the error itself may underflow.
    risky = (np.abs(product) < 2.0**-900) & (left != 0.0) & (right != 0.0)
    return product, np.where(risky, np.nan, error)


def _split(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two summands of at most 26 bits each."""
    shifted = values * (2.0**27 + 1.0)
    high = shifted - (shifted - values)
    return high, values - high
