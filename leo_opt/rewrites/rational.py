"""Sums in rational numbers, rounded once, and how far that rounding moved them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from leo_opt.enclosure import fraction_up
from leo_opt.network import ACTIVATIONS, FloatArray, Layer


def to_fractions(values: FloatArray) -> list[Fraction]:
    """The numbers of a (n,) array, exactly."""
    return [Fraction(value) for value in values.tolist()]


def affine(layer: Layer, inputs: list[Fraction]) -> list[Fraction]:
    """Pre-activations of a layer at one point."""
    return [
        Fraction(offset) + dot(row, inputs)
        for row, offset in zip(layer.weight, layer.bias.tolist(), strict=True)
    ]


def dot(row: FloatArray, inputs: list[Fraction]) -> Fraction:
    """row @ inputs; zeros of the row cost nothing."""
    terms = (Fraction(float(row[k])) * inputs[k] for k in np.flatnonzero(row))
    return sum(terms, Fraction(0))


def activate(activation: str, pre: Fraction) -> Fraction:
    """Post-activation of one pre-activation."""
    total = Fraction(0)
    for piece in ACTIVATIONS[activation].pieces:
        if piece.slope:
            change = _clip(pre, piece.lower, piece.upper) - _clip(
                Fraction(0), piece.lower, piece.upper
            )
            total += Fraction(piece.slope) * change
    return total


def _clip(value: Fraction, lower: float, upper: float) -> Fraction:
    """The nearest number of an interval that may be infinite."""
    if value < lower:
        return Fraction(lower)
    return Fraction(upper) if value > upper else value


def round_nearest(values: Iterable[Fraction]) -> tuple[FloatArray, FloatArray]:
    """The nearest float64 numbers, and bounds on how far they are from the values.

    Raises
    ------
    OverflowError
        If a value is beyond the range of float64.
    """
    exact = list(values)
    nearest = [float(value) for value in exact]
    error = [
        fraction_up(abs(Fraction(near) - value)) for near, value in zip(nearest, exact, strict=True)
    ]
    return np.array(nearest), np.array(error)
